import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import pc from 'picocolors';
import { pino } from 'pino';
import { readEnvironment } from '../config/environment.js';
import { openConfiguration } from '../config/index.js';
import { migrate } from '../database/migrate.js';
import { createPool } from '../database/pool.js';
import { startRelay } from '../triggers/relay.js';
import { bundleWorkflows } from '../worker/bundle.js';
import { connectClient, connectNative, lazyClient } from '../worker/connection.js';
import { openInstallation } from '../worker/installation.js';
import { startLiveWorker } from '../worker/live.js';
import { openVault } from '../worker/vault.js';
import { seedConnections, seedLocalWorld, startLocalSimulators } from './local-world.js';
import { createSampleDatabases, databaseUrls } from './sample-application/databases.js';
import { seedFields } from './sample-application/fields.js';
import { startSampleApplication } from './sample-application/server.js';
import { stopSignal } from './signals.js';
import { dataFolder, startStack, type Stack } from './stack.js';

const FIELDS = 24;
const ENCRYPTING = ['database/encryption-key', 'keyring/token'];

/** Things to undo at the end, last first. */
type Cleanup = () => Promise<void> | void;

/** `npm start`: the whole service on this machine, until Ctrl-C. Data stays in `.data/service`. */
async function main(): Promise<void> {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const cleanups: Cleanup[] = [];
  let hurry = () => undefined as void;
  const signalled = stopSignal(() => hurry());
  // Whatever fails or stops: everything that was started ends, in reverse.
  const stopAll = async () => {
    for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) {
      await Promise.resolve(cleanup()).catch((error: unknown) =>
        say(pc.red(`while stopping: ${String(error)}`)),
      );
    }
  };
  try {
    const running = start(say, cleanups, (fn) => (hurry = fn));
    const outcome = await Promise.race([running, signalled]);
    if (typeof outcome !== 'string') {
      outcome.announce();
      await Promise.race([signalled, outcome.failed]);
    } else {
      await running.catch(() => undefined);
    }
    say('\nStopping. Runs go on where they are at the next start.');
  } finally {
    await stopAll();
  }
}

async function start(
  say: (line: string) => void,
  cleanups: Cleanup[],
  onHurry: (hurry: () => void) => void,
): Promise<{ announce: () => void; failed: Promise<never> }> {
  const folder = dataFolder('service');
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const stack = await startStack({
    dataDir: folder,
    rehearsal: true,
    publish: true,
    log: (line) => say(pc.dim(line)),
  });
  onHurry(() => stack.hurry());
  cleanups.push(() => stack.stop());

  const database = await openDatabase(stack);
  const vaultKeyFile = join(folder, 'vault.key');
  if (!existsSync(vaultKeyFile))
    writeFileSync(vaultKeyFile, randomBytes(32).toString('base64'), { mode: 0o600 });

  const simulators = await startLocalSimulators(folder);
  cleanups.push(() => simulators.close());
  const simulatorsUrl = `http://127.0.0.1:${simulators.port}`;
  const applicationFolder = join(folder, 'sample-application');
  await openSampleDatabases(stack);
  const application = await startSampleApplication({
    folder: applicationFolder,
    databaseUrls: databaseUrls(process.env),
  });
  cleanups.push(() => application.close());
  process.env['APPLICATION_URL'] ??= application.url.href.replace(/\/$/, '');
  process.env['APPLICATION_DATA'] ??= applicationFolder;

  stack.publish({
    databaseUrl: database.appUrl,
    auditDatabaseUrl: database.auditUrl,
    simulatorsUrl,
    vaultKeyFile,
    applicationUrl: process.env['APPLICATION_URL'],
    applicationData: process.env['APPLICATION_DATA'],
    ...definedOf({
      applicationDatabaseUrl: process.env['APPLICATION_DATABASE_URL'],
      applicationDrDatabaseUrl: process.env['APPLICATION_DR_DATABASE_URL'],
    }),
  });
  const environment = readEnvironment({
    ...process.env,
    DATABASE_URL: database.appUrl,
    AUDIT_DATABASE_URL: database.auditUrl,
    TEMPORAL_ADDRESS: stack.temporalAddress,
    RUNBOOK_LOCAL: '1',
    RUNBOOK_SIMULATORS_URL: simulatorsUrl,
    VAULT_KEY_FILE: process.env['VAULT_KEY_COMMAND'] === undefined ? vaultKeyFile : undefined,
  });
  await seed(environment, simulators, applicationFolder);

  const installation = await openInstallation(environment, 'service');
  cleanups.push(() => installation.close());
  const { connection } = await connectNative(environment, 'live');
  cleanups.push(() => connection.close());
  const { client, close } = await connectClient(environment, 'live');
  cleanups.push(close);
  const log = pino({ name: 'worker', level: 'warn' });
  const worker = await startLiveWorker({
    installation,
    connection,
    client,
    bundle: await bundleWorkflows(),
    log,
  });
  cleanups.push(() => worker.stop());
  const relayed = lazyClient(environment, 'live');
  cleanups.push(() => relayed.close());
  const { pool, ledger } = installation;
  const relay = startRelay({
    pool,
    ledger,
    clients: { live: relayed.client },
    starts: { catalogue: installation.catalogue },
    databaseUrl: environment.databaseUrl,
    log,
  });
  cleanups.push(() => relay.stop());

  const announce = () => {
    const line = (name: string, text: string) => say(`  ${name.padEnd(14)}${pc.cyan(text)}`);
    say(pc.bold('\nThe service runs. Ctrl-C stops it; runs go on at the next start.'));
    line('Temporal', stack.temporalAddress);
    line('Postgres', new URL(stack.adminUrl).host);
    line('Simulators', simulatorsUrl);
    line('Application', application.url.href);
    line('Workflow code', worker.buildIds().join(', '));
    line('Data', folder);
    say(`\nIn another terminal: ${pc.bold('npx runbook')}\n`);
  };
  return { announce, failed: worker.failed };
}

/** Our own Postgres gets new passwords at every start; somebody else's keeps its users. */
async function openDatabase(stack: Stack): Promise<{ appUrl: string; auditUrl: string }> {
  if (stack.postgres.pid !== undefined) {
    const password = () => randomBytes(24).toString('base64url');
    return await migrate(stack.adminUrl, { appPassword: password(), auditPassword: password() });
  }
  const { DATABASE_URL: appUrl, AUDIT_DATABASE_URL: auditUrl } = process.env;
  if (appUrl === undefined || auditUrl === undefined) {
    throw new Error(
      'DATABASE_ADMIN_URL is set, so that database is used. Set DATABASE_URL and AUDIT_DATABASE_URL too and run ' +
        '`npm run migrate` once (docs/operate.md), or unset it: then the service brings its own Postgres.',
    );
  }
  return { appUrl, auditUrl };
}

/** On our own Postgres the sample application has databases of its own; on somebody else's only when told so. */
async function openSampleDatabases(stack: Stack): Promise<void> {
  if (stack.postgres.pid === undefined || process.env['APPLICATION_DATABASE_URL'] !== undefined) return;
  Object.assign(process.env, await createSampleDatabases(stack.adminUrl));
}

const definedOf = (values: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

/** First start: every secret exists at its simulated vendor, and the application has fields encrypted with them. */
async function seed(
  environment: ReturnType<typeof readEnvironment>,
  simulators: Awaited<ReturnType<typeof startLocalSimulators>>,
  applicationFolder: string,
): Promise<void> {
  const pool = createPool(environment.databaseUrl, 'runbook-seed', { max: 2 });
  try {
    const vault = await openVault(environment, pool);
    const { secrets } = openConfiguration(environment.configDirectory);
    await seedLocalWorld(simulators, vault, secrets.get());
    await seedConnections(vault, databaseUrls(process.env));
    if (existsSync(join(applicationFolder, 'fields.json'))) return;
    for (const name of ENCRYPTING) {
      const current = await vault.current(name);
      if (current !== undefined) seedFields(applicationFolder, name, await vault.reveal(current.ref), FIELDS);
    }
  } finally {
    await pool.end();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(pc.red(`${error instanceof Error ? error.message : String(error)}\n`));
  process.exitCode = 1;
});
