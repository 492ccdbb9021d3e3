import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Redactor } from '../../activities/redactor.js';
import { memoryVault } from '../../activities/vault/memory.js';
import type { StoredEntry } from '../../activities/ledger/contract.js';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { castDirectory } from '../../simulators/cast.js';
import { seedWorld } from '../../simulators/presets.js';
import type { World } from '../../simulators/world.js';
import { findRunbook, type CatalogueEntry } from '../../triggers/catalogue.js';
import { put, read } from '../../triggers/inbox.js';
import { deliver } from '../../triggers/relay.js';
import { newRunId, rootOf } from '../../triggers/run-id.js';
import { start } from '../../triggers/start.js';
import { Session } from '../../worker/rehearsal/session.js';
import { redactingVault, worldSystems } from '../../worker/systems.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import * as workflows from '../../workflows/index.js';
import { rehearsalHost, testInstallation, workflowBundle, type TestInstallation } from '../helpers/engine.js';
import { eventually } from '../helpers/eventually.js';
import { Killer } from '../helpers/killed-rehearsals.js';
import { netEffects } from '../helpers/record.js';
import { entriesOf } from './bench.js';

const MINUTES = 60_000;
/** Of each verb of a run: a monitor repeats its step for a day, and each further look is the same as the second. */
const OF_EACH_VERB = 2;

/** One run of a runbook. */
interface Seen {
  readonly run: string;
  readonly world: World;
  /** Records of the run and its children. */
  readonly records: ReadonlyMap<string, readonly StoredEntry[]>;
  readonly problem: string | undefined;
}

const names = Object.keys(workflows);
const undisturbed = new Map<string, World>();
const killed = new Map<string, Seen>();
const folder = mkdtempSync(join(tmpdir(), 'runbook-killed-'));
let installation: TestInstallation;
let killer: Killer;

function entryOf(name: string): { entry: CatalogueEntry; rehearsal: Rehearsal<unknown> } {
  const entry = findRunbook(installation.installation.catalogue, name);
  const rehearsal = entry?.spec.rehearsals.find(({ ends = 'completed' }) => ends === 'completed');
  if (entry === undefined || rehearsal === undefined)
    throw new Error(`${name} has no rehearsal that ends well.`);
  return { entry, rehearsal };
}

/** All runbooks share one worker: one kill is a kill for each of them. */
beforeAll(async () => {
  installation = await testInstallation();
  const bundleFile = join(folder, 'bundle.js');
  writeFileSync(bundleFile, (await workflowBundle()).code);
  const host = await rehearsalHost(installation);
  await Promise.all(
    names.map(async (name) => {
      const { entry, rehearsal } = entryOf(name);
      undisturbed.set(name, (await host.rehearse(entry, rehearsal)).world);
    }),
  );
  await host.close();
  killer = await Killer.open(installation, { bundleFile, ofEachVerb: OF_EACH_VERB });
  const runs = await Promise.all(names.map((name) => begin(name)));
  await Promise.all([
    killer.drive(),
    ...runs.map(async (ended) => {
      const seen = await ended.seen;
      killed.set(ended.name, seen);
    }),
  ]);
}, 10 * MINUTES);

afterAll(async () => {
  await killer?.close();
  await installation?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the rehearsal on the workers that are killed. */
async function begin(name: string): Promise<{ name: string; seen: Promise<Seen> }> {
  const { rehearsal: client, simulators, installation: opened } = installation;
  const { pool, ledger, configuration, catalogue } = opened;
  const { org } = installation.environment;
  const { entry, rehearsal } = entryOf(name);
  const directory = castDirectory();
  const run = newRunId({ org, runbook: name, at: new Date() });
  const world = simulators.world(run);
  const vault = redactingVault(memoryVault(), new Redactor());
  const inventory = configuration.secrets.get();
  await seedWorld(world, vault, inventory, rehearsal.world);
  for (const fault of rehearsal.faults ?? []) world.fail(fault);
  const runbooks = new Map<string, string>();
  const session: Session = new Session({
    ...{ run, client, world, vault, inventory, rehearsal },
    systems: worldSystems((system) => simulators.url(run, system), vault),
    personId: (person) => directory.personByName(person),
    send: async (target, message) => {
      const runbook = session.runbookOf(target) ?? runbooks.get(target) ?? name;
      const from = { org, mode: 'rehearsal', run: target, runbook } as const;
      const by = { assurance: 'claimed', channel: 'rehearsal' } as const;
      const { id } = await put(pool, ledger, { ...message, ...from, ...by });
      await deliver({ pool, ledger, clients: { rehearsal: client } }, id);
      const answered = eventually(
        () => read(pool, id),
        (row) => row?.outcome != null,
        `an answer to ${id}`,
      );
      return {
        refusal: answered.then((row) => (row?.outcome?.refused == null ? undefined : row.outcome.sentence)),
      };
    },
  });
  killer.add(run, { session, vault });
  const result = await start(
    {
      ...{ pool, ledger, client, org, catalogue, directory, configuration, taskQueue: killer.taskQueue },
      ...{ mode: 'rehearsal', acceptedAssurances: ['claimed'] },
    },
    {
      ...{ runbook: name, input: rehearsal.input, run, assurance: 'claimed', channel: 'rehearsal' },
      person: (await directory.personByName('Ada')) ?? null,
    },
  );
  if (!result.started) throw new Error(`${entry.spec.title}: ${result.sentence}`);
  const handle = client.workflow.getHandle(run);
  const drive = async (): Promise<Seen> => {
    const closed = handle.result().then(
      () => undefined,
      () => undefined,
    );
    const problem = await session.drive(closed).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (problem !== undefined) await handle.terminate('the rehearsal failed').catch(() => undefined);
    killer.ended(run);
    return { run, world, problem, records: await recordsOf(run) };
  };
  return { name, seen: drive() };
}

async function recordsOf(run: string): Promise<Map<string, readonly StoredEntry[]>> {
  const { ledger } = installation.installation;
  const { org } = installation.environment;
  const entries: StoredEntry[] = [];
  for (;;) {
    const afterId = entries.at(-1)?.id;
    const page = await ledger.read({ org, run, ...(afterId === undefined ? {} : { afterId }) });
    if (page.length === 0) break;
    entries.push(...page);
  }
  const records = new Map<string, readonly StoredEntry[]>([[run, entries]]);
  for (const { child } of entriesOf(entries, 'child.started'))
    for (const [of, theirs] of await recordsOf(child)) records.set(of, theirs);
  return records;
}

test('every worker was killed, and each kill struck a step', () => {
  expect(killer.kills.length).toBeGreaterThan(0);
  for (const { signal, at } of killer.kills) {
    expect(signal).toBe('SIGKILL');
    expect(at.length).toBeGreaterThan(0);
  }
});

describe.each(names)('%s, with a worker that is killed at each step, before it acts or after', (name) => {
  const seen = (): Seen => {
    const found = killed.get(name);
    if (found === undefined) throw new Error(`${name} was not rehearsed`);
    return found;
  };

  test('ends as without the kills', () => {
    const { problem, records, run } = seen();
    expect(problem).toBeUndefined();
    expect(entriesOf(records.get(run) ?? [], 'run.closed')).toMatchObject([{ outcome: 'completed' }]);
  });

  test('was killed at every step boundary, and each of these steps was tried again', () => {
    const { records, run } = seen();
    const at = killer.kills.flatMap((kill) => kill.at).filter((boundary) => rootOf(boundary.run) === run);
    for (const [of, entries] of records) {
      const intents = entriesOf(entries, 'step.intent');
      for (const activity of new Set(intents.map((intent) => intent.activity))) {
        const steps = new Set(
          intents.filter((intent) => intent.activity === activity).map(({ step }) => step),
        );
        const struck = new Set(
          at.filter((held) => held.run === of && held.activity === activity).map(({ step }) => step),
        );
        expect([activity, struck.size]).toEqual([activity, Math.min(OF_EACH_VERB, steps.size)]);
        for (const step of struck)
          expect(intents.filter((intent) => intent.step === step).length, step).toBeGreaterThan(1);
      }
    }
  });

  test('has every effect once', () => {
    const clean = undisturbed.get(name)?.effects ?? [];
    expect(clean.length).toBeGreaterThan(0);
    expect(netEffects(seen().world.effects)).toEqual(netEffects(clean));
  });

  test('has a whole record', () => {
    for (const entries of seen().records.values()) expect(checkRun(entries)).toEqual([]);
  });
});
