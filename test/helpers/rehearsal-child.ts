import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { z } from 'zod';
import { createSteps, type Steps } from '../../activities/index.js';
import { Redactor } from '../../activities/redactor.js';
import type { AnyVerb, StepContext } from '../../activities/step.js';
import type { Vault } from '../../activities/vault/contract.js';
import { readEnvironment } from '../../config/environment.js';
import { castDirectory } from '../../simulators/cast.js';
import { rootOf } from '../../triggers/run-id.js';
import { DEFAULT_CHANNEL, slackAnnouncer } from '../../worker/announcer.js';
import { identify } from '../../worker/bundle.js';
import { connectClient, connectNative } from '../../worker/connection.js';
import { openInstallation } from '../../worker/installation.js';
import { redactingVault, worldSystems } from '../../worker/systems.js';
import { createWorker } from '../../worker/worker.js';

/** What the parent process hands in as the only argument, as JSON. */
export const RehearsalChildOptions = z.strictObject({
  taskQueue: z.string(),
  bundleFile: z.string(),
  /** The parent's server: vaults, scripted people, and what holds a step; see killed-rehearsals.ts. */
  parent: z.url(),
});
export type RehearsalChildOptions = z.output<typeof RehearsalChildOptions>;

const VAULT_METHODS = [
  ...(['put', 'findByKey', 'reveal', 'describe', 'current', 'list', 'promote'] as const),
  ...(['markRevoked', 'backup'] as const),
];

const options = RehearsalChildOptions.parse(JSON.parse(process.argv[2] ?? ''));

async function ask(path: string, body: unknown): Promise<unknown> {
  const response = await fetch(new URL(path, options.parent), { method: 'POST', body: JSON.stringify(body) });
  const { value, error } = (await response.json()) as { value?: unknown; error?: string };
  if (error !== undefined) throw new Error(error);
  return value;
}

/** The vault of a rehearsal stays in the parent: it must outlive this process. */
function vaultOf(root: string): Vault {
  const methods = VAULT_METHODS.map((method) => [
    method,
    (...args: unknown[]) => ask('/vault', { root, method, args }),
  ]);
  return Object.fromEntries(methods) as Vault;
}

/** Says before and after each step that this process is there; the parent answers when it may go on. */
function stopping(steps: Steps): Steps {
  const wrap = (activity: string, verb: AnyVerb): AnyVerb => {
    const run = async (input: unknown, step: StepContext): Promise<unknown> => {
      const boundary = { run: step.run, step: step.stepId, activity };
      await ask('/boundary', { ...boundary, point: 'before' });
      try {
        return await (verb.run(input, step) as Promise<unknown>);
      } finally {
        await ask('/boundary', { ...boundary, point: 'after' });
      }
    };
    return { ...verb, run } as AnyVerb;
  };
  const wrapped = Object.entries(steps).map(([system, verbs]) => [
    system,
    Object.fromEntries(
      Object.entries(verbs as Record<string, AnyVerb>).map(([name, verb]) => [
        name,
        wrap(`${system}.${name}`, verb),
      ]),
    ),
  ]);
  return Object.fromEntries(wrapped) as Steps;
}

/**
 * A rehearsal worker in a process of its own, so that a test can kill it. It says `ready`, waits for a line on its
 * standard input, and says `worker runs`.
 */
async function main(): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined), shutdownSignals: [] });
  const environment = readEnvironment();
  const { pool, ledger, configuration, catalogue } = await openInstallation(environment, 'child');
  const { connection } = await connectNative(environment, 'rehearsal');
  const { client } = await connectClient(environment, 'rehearsal');
  const bundle = identify(readFileSync(options.bundleFile, 'utf8'));
  const directory = castDirectory();
  const redactor = new Redactor();
  const known = new Map<string, { systems: ReturnType<typeof worldSystems>; steps: Steps }>();
  const of = (run: string) => {
    const root = rootOf(run);
    let found = known.get(root);
    if (found === undefined) {
      const url = (system: string) =>
        new URL(`${environment.simulatorsUrl?.origin}/w/${encodeURIComponent(root)}/${system}`);
      const systems = worldSystems(url, redactingVault(vaultOf(root), redactor));
      found = { systems, steps: stopping(createSteps(systems)) };
      known.set(root, found);
    }
    return found;
  };
  const tell = slackAnnouncer({
    slackFor: (run) => of(run).systems.slack,
    directory,
    channel: DEFAULT_CHANNEL,
  });
  process.stdout.write('ready\n');
  // Nobody is left to kill it.
  process.stdin.once('end', () => process.exit(0));
  await once(process.stdin, 'data');
  const worker = await createWorker({
    connection,
    namespace: client.options.namespace,
    taskQueue: options.taskQueue,
    bundle,
    redactor,
    versioned: false,
    services: {
      ...{ pool, ledger, org: environment.org, configuration, catalogue, directory },
      acceptedAssurances: ['claimed', 'slack', 'token', 'step-up'],
      stepsFor: (run) => of(run).steps,
      temporal: client,
      lockScope: rootOf,
      announce: async (identity, notice, key) => {
        await tell(identity, notice, key);
        await ask('/notice', { identity, notice, key });
      },
    },
  });
  process.stdout.write('worker runs\n');
  await worker.run();
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
