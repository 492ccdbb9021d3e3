import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { loadVaultKeys } from '../activities/vault/keys.js';
import { postgresVault } from '../activities/vault/postgres.js';
import { removeDataFolder } from '../local/postgres.js';
import { dataFolder } from '../local/stack.js';
import { startTemporal, type TemporalServer } from '../local/temporal.js';
import { OPENAI_SIM_ADMIN_KEY } from '../simulators/openai.js';
import type { StripeState } from '../simulators/stripe/state.js';
import type { World } from '../simulators/world.js';
import { findRunbook, type CatalogueEntry } from '../triggers/catalogue.js';
import { put } from '../triggers/inbox.js';
import { deliver } from '../triggers/relay.js';
import { start } from '../triggers/start.js';
import { dataConverter } from '../worker/connection.js';
import { LOCAL_WORLD } from '../worker/systems.js';
import { RehearsalHost } from '../worker/rehearsal/index.js';
import { entriesOf, openBench, ROOT, type Bench } from './faults/bench.js';
import {
  dumpDatabase,
  dumpFiles,
  dumpHistories,
  echoingRoad,
  placesOf,
  type EchoingRoad,
} from './faults/canaries.js';
import { workflowBundle } from './helpers/engine.js';

const SOON = { timeout: 60_000, interval: 50 };
/** What must be found wherever texts of a run go: a search that finds nothing proves nothing. */
const CONTROL = 'planted-control-7Qw/x+9';
/** Requests that hand a value to the place that uses it. */
const CARRIERS = /^(netlify\.(createVariables|setVariableValue)|supabase\.setSecrets)$/;
const REHEARSED = [
  'OpenAI key, scheduled',
  'OpenAI key, leaked',
  'Supabase service role key',
  'Stripe key',
  'Stripe webhook signing secret',
  'Fields that the new key can not read',
];
/** Prints its secrets in every form that comes to mind, and fails while it is told to. */
const TELLTALE = `
  const { OLD_KEY, NEW_KEY, FAIL } = process.env;
  for (const value of [OLD_KEY, NEW_KEY]) {
    const bytes = Buffer.from(value);
    console.error(value, bytes.toString('base64'), bytes.toString('hex'), encodeURIComponent(value));
    console.log(value);
  }
  console.error('can not read ' + OLD_KEY + ' nor ' + NEW_KEY);
  console.log('{"fields":1}');
  process.exitCode = require('node:fs').existsSync(FAIL) ? 1 : 0;`;

const dataDir = dataFolder(`test-${process.pid}-canary`);
let bench: Bench;
let server: TemporalServer;
let connection: Connection;
let native: NativeConnection;
let road: EchoingRoad;
let worker: ChildProcess;
let logs = '';
let entry: CatalogueEntry;
const worlds: World[] = [];

const client = (namespace: string) => new Client({ connection, namespace, dataConverter: dataConverter() });

beforeAll(async () => {
  const env = { ...process.env, TEMPORAL_ADDRESS: '' };
  [bench, server] = await Promise.all([
    openBench((folder) => ({
      reencrypt: {
        command: {
          argv: ['node', '-e', TELLTALE],
          env: { FAIL: join(folder, 'fail') },
          secretEnv: { OLD_KEY: 'from', NEW_KEY: 'to' },
        },
      },
    })),
    startTemporal({ dataDir, rehearsal: true, log: () => undefined, env }),
  ]);
  worlds.push(bench.test.world);
  connection = await Connection.connect({ address: server.address });
  native = await NativeConnection.connect({ address: server.address });
  road = await echoingRoad(bench.test.simulators.port);
  const found = findRunbook(bench.test.installation.catalogue, 'secretRotation');
  if (found === undefined) throw new Error('There is no secretRotation.');
  entry = found;
  worker = startWorker();
  await vi.waitUntil(() => logs.includes('"msg":"worker runs"') || worker.exitCode !== null, SOON);
});
afterAll(async () => {
  worker.kill('SIGKILL');
  await bench.close();
  await road.close();
  await native.close();
  await connection.close();
  await server.stop();
  removeDataFolder(dataDir);
});

/** The worker as it runs in production, with its log. */
function startWorker(): ChildProcess {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', 'worker/main.ts'], {
    cwd: ROOT,
    env: {
      ...{ PATH, HOME, ...bench.variables, TEMPORAL_ADDRESS: server.address },
      RUNBOOK_SIMULATORS_URL: `http://127.0.0.1:${road.port}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (logs += text));
  }
  return child;
}

async function startLive(secret: string, mode: 'scheduled' | 'emergency'): Promise<string> {
  const { pool, ledger, directory, configuration } = bench.installation;
  const { catalogue } = bench.test.installation;
  const acceptedAssurances = ['claimed'] as const;
  const result = await start(
    {
      pool,
      ledger,
      client: client('default'),
      mode: 'live',
      org: 'default',
      catalogue,
      directory,
      configuration,
      acceptedAssurances,
    },
    {
      runbook: 'secretRotation',
      input: { secret, mode, reason: `Canary: ${CONTROL}` },
      person: await bench.person('Ada'),
      assurance: 'claimed',
      channel: 'cli',
    },
  );
  if (!result.started) throw new Error(result.sentence);
  return result.run;
}

/** Waits for the gate or question and answers it. */
async function answer(
  run: string,
  target: string,
  answered: { verdict: 'approve' | 'decline' } | { choice: 'abort' },
) {
  await vi.waitUntil(async () => {
    const entries = await bench.entries(run);
    const gates = entriesOf(entries, 'gate.opened').map(({ gate }) => gate);
    return [...gates, ...entriesOf(entries, 'question.asked').map((asked) => asked.target)].includes(target);
  }, SOON);
  const { pool, ledger } = bench.installation;
  const [opened] = entriesOf(await bench.entries(run), 'run.admitted');
  const common = { org: 'default', mode: 'live', run, assurance: 'claimed', channel: 'cli' } as const;
  const isGate = 'verdict' in answered;
  const person = await bench.person(isGate ? 'Grace' : 'Ada');
  const { id } = await put(
    pool,
    ledger,
    isGate
      ? {
          ...common,
          person,
          kind: 'decide',
          target,
          reason: CONTROL,
          ...answered,
          planDigest: opened?.planDigest,
        }
      : { ...common, person, kind: 'operate', target, reason: CONTROL, ...answered },
  );
  await deliver({ pool, ledger, clients: { live: client('default') } }, id);
}

const closed = async (run: string): Promise<string | undefined> => {
  await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'run.closed').length === 1, SOON);
  return entriesOf(await bench.entries(run), 'run.closed')[0]?.outcome;
};

/** Every value that the live vault holds. */
async function liveValues(): Promise<string[]> {
  const { pool } = bench.installation;
  const keys = await loadVaultKeys({ keyFile: bench.variables['VAULT_KEY_FILE'] });
  const vault = postgresVault({ pool, org: 'default', keys });
  const names = [...bench.installation.configuration.secrets.get().keys()];
  const versions = (await Promise.all(names.map((name) => vault.list(name)))).flat();
  return await Promise.all(versions.map(({ ref }) => vault.reveal(ref)));
}

/** Every value that was carried to a place that uses it. */
const carriedValues = (): string[] =>
  worlds.flatMap((world) =>
    world.requests
      .filter(({ operation }) => CARRIERS.test(operation))
      .flatMap(({ body }) => [...body.matchAll(/"value":"([^"]+)"/g)].map(([, value = '']) => value)),
  );

/** What `seedWorld` gave each rehearsal, and what the simulated Stripe made. */
const rehearsedValues = (): string[] =>
  worlds.flatMap((world) => {
    const names = [...bench.installation.configuration.secrets.get().keys()];
    const seeded = names.map((name) => sha256(`${world.name}/${name}/0`).slice(0, 40));
    const { keys, endpoints } = world.state<StripeState>('stripe', () => {
      throw new Error(`World ${world.name} was not seeded.`);
    });
    return [...seeded, ...keys.map(({ value }) => value), ...endpoints.map(({ secret }) => secret)];
  });
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const traffic = (carriers: boolean): Map<string, string> =>
  new Map(
    worlds.map((world) => [
      `${carriers ? 'requests that carry values' : 'other requests'} of world ${world.name}`,
      world.requests
        .filter(({ operation }) => CARRIERS.test(operation) === carriers)
        .map(
          ({ operation, path, body, idempotencyKey }) =>
            `${operation} ${path} ${idempotencyKey ?? ''} ${body}`,
        )
        .join('\n'),
    ]),
  );

test('a value is found however it is written down', () => {
  const written = [
    CONTROL,
    Buffer.from(`a${CONTROL}bc`).toString('base64'),
    Buffer.from(`ab${CONTROL}`).toString('base64url'),
    Buffer.from(`{"x":"${CONTROL}"}`).toString('base64'),
    encodeURIComponent(`key=${CONTROL}`),
    Buffer.from(CONTROL).toString('hex'),
  ];
  for (const text of written) expect(placesOf(CONTROL, new Map([['here', text]])), text).toEqual(['here']);
  expect(placesOf(CONTROL, new Map([['here', 'something else']]))).toEqual([]);
});

test('no value of a secret is in a database, a history, the ledger, a log, a message or a request that need not carry it', async () => {
  const { pool, ledger, configuration } = bench.installation;
  const { catalogue } = bench.test.installation;
  const host = await RehearsalHost.open({
    ...{
      client: client('rehearsal'),
      connection: native,
      pool,
      ledger,
      org: 'default',
      configuration,
      catalogue,
    },
    ...{ bundle: await workflowBundle(), simulators: bench.test.simulators },
  });
  const rehearsing = REHEARSED.map(async (name) => {
    const rehearsal = entry.spec.rehearsals.find((one) => one.name === name);
    if (rehearsal === undefined) throw new Error(`There is no rehearsal "${name}".`);
    await host.rehearse(entry, rehearsal, { prepare: (world) => void worlds.push(world) });
  });

  // An emergency, reviewed; one that is declined at its gate and undone.
  const emergency = await startLive('openai/api-key', 'emergency');
  await answer(emergency, 'review', { verdict: 'approve' });
  expect(await closed(emergency)).toBe('completed');
  const declined = await startLive('stripe/webhook-secret', 'scheduled');
  await answer(declined, 'revoke-old-key', { verdict: 'decline' });
  expect(await closed(declined)).toBe('rejected');

  // A vendor that quotes the request, with the value and the credential, in its error.
  road.echo(/\/netlify\/.*env/);
  const echoed = await startLive('supabase/service-role-key', 'scheduled');
  await vi.waitUntil(() => road.echoed() > 0, SOON);
  const toAbort = answer(echoed, 'netlify.setVariable#1', { choice: 'abort' });
  await vi.waitUntil(async () => entriesOf(await bench.entries(echoed), 'question.asked').length > 0, SOON);
  road.echo(undefined);
  await toAbort;
  expect(await closed(echoed)).toBe('aborted');

  // A command of our own that prints its keys and fails.
  const failing = join(bench.folder, 'fail');
  writeFileSync(failing, '');
  const telltale = await startLive('keyring/token', 'scheduled');
  await vi.waitUntil(async () => entriesOf(await bench.entries(telltale), 'question.asked').length > 0, SOON);
  rmSync(failing);
  await answer(telltale, 'application.reencrypt#1', { choice: 'abort' });
  expect(await closed(telltale)).toBe('aborted');

  await Promise.all(rehearsing);
  await host.close();

  const histories = new Map([
    ...(await dumpHistories(client('default'))),
    ...(await dumpHistories(client('rehearsal'))),
  ]);
  expect(histories.size).toBeGreaterThanOrEqual(4 + REHEARSED.length);
  worker.kill('SIGTERM');
  await once(worker, 'exit');
  await server.stop();
  const database = await dumpDatabase(bench.test.database.adminUrl);
  const files = dumpFiles(dataDir);
  const messages = new Map(
    worlds.map((world) => [`Slack of ${world.name}`, JSON.stringify(world.dump()['slack'] ?? '')]),
  );
  const stores = new Map([
    ...histories,
    ...database,
    ...files,
    ...messages,
    ...traffic(false),
    ['log', logs],
  ]);

  // The search reaches every kind of store.
  const planted = placesOf(CONTROL, stores);
  expect(planted).toContain(`history of ${emergency}`);
  expect(planted).toContain('table engine.inbox');
  expect(planted.filter((place) => place.startsWith('file temporal'))).not.toEqual([]);
  expect(planted).toContain(`other requests of world ${LOCAL_WORLD}`);
  expect(stores.get(`Slack of ${LOCAL_WORLD}`)).toContain(emergency);
  expect(stores.get('log')).toContain('worker runs');
  expect(database.get('table ledger.leaf')?.length).toBeGreaterThan(10_000);

  const vaultKey = readFileSync(bench.variables['VAULT_KEY_FILE'] ?? '', 'utf8').trim();
  const password = new URL(bench.variables['DATABASE_URL'] ?? '').password;
  const live = await liveValues();
  const carried = carriedValues();
  const canaries = new Set([
    ...live,
    ...carried,
    ...rehearsedValues(),
    vaultKey,
    password,
    OPENAI_SIM_ADMIN_KEY,
  ]);
  expect(live.length).toBeGreaterThanOrEqual(configuration.secrets.get().size + 4);
  expect(carried.length).toBeGreaterThan(REHEARSED.length);
  for (const value of carried) expect(placesOf(value, traffic(true))).not.toEqual([]);

  const found = [...canaries].flatMap((value) =>
    placesOf(value, stores).map((place) => ({ place, starts: value.slice(0, 6) })),
  );
  expect(found).toEqual([]);
  expect(database.get('table vault.version')?.split('\n').length).toBe(live.length);
});
