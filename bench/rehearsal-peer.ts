import { randomBytes } from 'node:crypto';
import { Redactor } from '../activities/redactor.js';
import { memoryVault } from '../activities/vault/memory.js';
import { castDirectory } from '../simulators/cast.js';
import { seedWorld } from '../simulators/presets.js';
import type { Catalogue, CatalogueEntry } from '../triggers/catalogue.js';
import { put } from '../triggers/inbox.js';
import { deliver } from '../triggers/relay.js';
import { newRunId, rootOf } from '../triggers/run-id.js';
import { start } from '../triggers/start.js';
import type { Rehearsal, ScriptedAnswer } from '../workflows/engine/types.js';
import { DEFAULT_CHANNEL, slackAnnouncer } from '../worker/announcer.js';
import type { WorkflowBundle } from '../worker/bundle.js';
import { Session } from '../worker/rehearsal/session.js';
import { redactingVault, worldSystems } from '../worker/systems.js';
import { createWorker } from '../worker/worker.js';
import type { BenchStack } from './stack.js';

export interface UnskippedRun {
  readonly wallMs: number;
  /** Steps that ended well, by the ledger. */
  readonly steps: number;
  /** How far the workflow's clock went. */
  readonly virtualMs: number;
}

/**
 * A worker that executes rehearsals without skipping time: their bundle has short timers, and answers come at once.
 * Everything else is what a rehearsal has.
 */
export async function unskippedHost(stack: BenchStack, bundle: WorkflowBundle, catalogue: Catalogue) {
  const { rehearsal: client, native, pool, ledger, configuration, simulators } = stack;
  const taskQueue = `bench-peer-${randomBytes(4).toString('hex')}`;
  const sessions = new Map<string, Session>();
  const directory = castDirectory();
  const sessionOf = (run: string): Session => {
    const session = sessions.get(rootOf(run));
    if (session === undefined) throw new Error(`No run of this process is called ${run}.`);
    return session;
  };
  const tell = slackAnnouncer({
    slackFor: (run) => sessionOf(run).systems.slack,
    directory,
    channel: DEFAULT_CHANNEL,
  });
  const common = {
    pool,
    ledger,
    org: 'default',
    configuration,
    catalogue,
    directory,
    acceptedAssurances: ['claimed', 'slack', 'token', 'step-up'],
  } as const;
  const worker = await createWorker({
    connection: native,
    namespace: client.options.namespace,
    taskQueue,
    bundle,
    redactor: new Redactor(),
    versioned: false,
    maxConcurrentActivities: 50,
    services: {
      ...common,
      stepsFor: (run) => sessionOf(run).steps,
      temporal: client,
      lockScope: (run) => run,
      announce: async (identity, notice, key) => {
        await tell(identity, notice, key);
        await sessionOf(identity.run).onNotice(identity, notice);
      },
    },
  });
  const running = worker.run();
  running.catch(() => undefined);

  const execute = async ({ spec }: CatalogueEntry, scripted: Rehearsal<unknown>): Promise<UnskippedRun> => {
    const run = newRunId({ org: 'default', runbook: spec.name, at: new Date() });
    const world = simulators.world(run);
    const vault = redactingVault(memoryVault(), new Redactor());
    const inventory = configuration.secrets.get();
    await seedWorld(world, vault, inventory, scripted.world);
    sessions.set(
      run,
      new Session({
        ...{ run, client, world, vault, inventory },
        systems: worldSystems((system) => simulators.url(run, system), vault),
        rehearsal: answeredAtOnce(scripted),
        personId: (name) => directory.personByName(name),
        send: async (target, message) => {
          const { id } = await put(pool, ledger, {
            ...message,
            ...{
              org: 'default',
              mode: 'rehearsal',
              run: target,
              runbook: spec.name,
              assurance: 'claimed',
              channel: 'rehearsal',
            },
          });
          await deliver({ pool, ledger, clients: { rehearsal: client } }, id);
          return { refusal: Promise.resolve(undefined) };
        },
      }),
    );
    const from = Date.now();
    try {
      const person = (await directory.personByName('Ada')) ?? null;
      const result = await start(
        { ...common, client, mode: 'rehearsal', taskQueue },
        {
          runbook: spec.name,
          input: scripted.input,
          person,
          assurance: 'claimed',
          channel: 'rehearsal',
          run,
        },
      );
      if (!result.started) throw new Error(result.sentence);
      await client.workflow.getHandle(run).result();
      const entries = (await ledger.read({ org: 'default', run })).map(({ entry }) => entry);
      const wallMs = Date.now() - from;
      const virtual = entries.map((entry) => Date.parse(entry.virtual));
      return {
        wallMs,
        steps: entries.filter((entry) => entry.kind === 'step.outcome' && entry.outcome === 'ok').length,
        virtualMs: Math.max(...virtual) - Math.min(...virtual),
      };
    } finally {
      sessions.delete(run);
      simulators.drop(run);
    }
  };
  return {
    execute,
    stop: async (): Promise<void> => {
      worker.shutdown();
      await running;
    },
  };
}

function answeredAtOnce(scripted: Rehearsal<unknown>): Rehearsal<unknown> {
  const answers = Object.entries(scripted.answers).map(([target, answer]) => {
    if (answer === 'nobody' || Array.isArray(answer)) {
      throw new Error(`The benchmark can't answer "${target}" at once: it is asked again or never answered.`);
    }
    const now: { -readonly [K in keyof ScriptedAnswer]: ScriptedAnswer[K] } = {
      ...(answer as ScriptedAnswer),
    };
    delete now.after;
    return [target, now];
  });
  return { ...scripted, answers: Object.fromEntries(answers) as Rehearsal<unknown>['answers'] };
}
