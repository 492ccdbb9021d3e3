import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { activityInfo } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { NativeConnection, Worker } from '@temporalio/worker';
import type { Pool } from 'pg';
import type { Ledger } from '../../activities/ledger/contract.js';
import type { StoredEntry } from '../../activities/ledger/contract.js';
import type { Steps } from '../../activities/index.js';
import { Redactor } from '../../activities/redactor.js';
import type { Vault } from '../../activities/vault/contract.js';
import { memoryVault } from '../../activities/vault/memory.js';
import type { Configuration } from '../../config/index.js';
import { castDirectory } from '../../simulators/cast.js';
import { seedWorld } from '../../simulators/presets.js';
import type { Simulators } from '../../simulators/server.js';
import type { World } from '../../simulators/world.js';
import type { CatalogueEntry } from '../../triggers/catalogue.js';
import type { Catalogue } from '../../triggers/catalogue.js';
import { put, read } from '../../triggers/inbox.js';
import { deliver } from '../../triggers/relay.js';
import { newRunId, rootOf } from '../../triggers/run-id.js';
import { start } from '../../triggers/start.js';
import type { Rehearsal, RunOutcome } from '../../workflows/engine/types.js';
import { slackAnnouncer, DEFAULT_CHANNEL } from '../announcer.js';
import type { WorkflowBundle } from '../bundle.js';
import { redactingVault, worldSystems } from '../systems.js';
import { createWorker } from '../worker.js';
import { RehearsalFailed, Session, type GivenAnswer, type SessionServices } from './session.js';

export { RehearsalFailed } from './session.js';

/** Who starts rehearsals: a member of the cast that is in the group of operators. */
const STARTER = 'Ada';
/** How often it is looked whether a scripted answer was refused. */
const LOOK_EVERY_MS = 200;

/** How often a message to people is tried. */
const MESSAGE_ATTEMPTS = 3;

/** How long steps of a rehearsal that is stopped may go on: nothing real depends on them. */
const GRACE_MS = 1_000;

export interface RehearsalServices {
  readonly client: Client;
  readonly connection: NativeConnection;
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly org: string;
  readonly configuration: Configuration;
  readonly catalogue: Catalogue;
  readonly bundle: WorkflowBundle;
  readonly simulators: Simulators;
  readonly maxConcurrentActivities?: number;
}

export interface RehearsalHooks {
  /** Called with the seeded world and vault before the run starts: for faults that a script can't name. */
  readonly prepare?: (world: World, vault: Vault) => void | Promise<void>;
  /** The steps that the run gets in place of its own: to look on, and to fail where no request is made. */
  readonly steps?: (steps: Steps) => Steps;
  /** Takes any end of the run; the caller looks at the outcome. */
  readonly anyEnd?: boolean;
  /** Called once the run has started. */
  readonly onStart?: (run: string) => void;
}

export interface RehearsalResult {
  readonly run: string;
  readonly outcome: RunOutcome;
  readonly world: World;
  readonly answers: readonly GivenAnswer[];
  readonly entries: readonly StoredEntry[];
  /** Entries of its children and theirs. */
  readonly partEntries: readonly StoredEntry[];
  /** What the run returned; undefined when it was not completed. */
  readonly output: unknown;
  /** Real time, in milliseconds. */
  readonly wallMs: number;
  /** How far the run's own clock went, in milliseconds. */
  readonly virtualMs: number;
}

/**
 * Whether a message that could not be sent is tried again, as on a live worker: not when Slack refused it, and not for
 * as long, because who is asked answers even where Slack is away for good.
 */
function isWorthRepeating(error: unknown): boolean {
  const isRefused = error instanceof ApplicationFailure && error.nonRetryable === true;
  return !isRefused && activityInfo().attempt < MESSAGE_ATTEMPTS;
}

/** A worker for rehearsals: simulators only, no credentials, its own namespace and task queue. */
export class RehearsalHost {
  private readonly sessions = new Map<string, Session>();
  private constructor(
    private readonly services: RehearsalServices,
    private readonly taskQueue: string,
    private readonly worker: { readonly worker: Worker; readonly running: Promise<void> } | undefined,
  ) {}

  /** Starts the worker. `close` stops it. */
  static async open(services: RehearsalServices): Promise<RehearsalHost> {
    // Rehearsals of another process must not land here: their worlds are not here.
    const taskQueue = `rehearsal-${randomBytes(6).toString('hex')}`;
    const opened: { host: RehearsalHost | undefined } = { host: undefined };
    const sessionOf = (run: string): Session => {
      const session = opened.host?.sessions.get(rootOf(run));
      if (session === undefined) throw new Error(`No rehearsal of this process is called ${run}.`);
      return session;
    };
    const directory = castDirectory();
    const tell = slackAnnouncer({
      slackFor: (run) => sessionOf(run).systems.slack,
      directory,
      channel: DEFAULT_CHANNEL,
    });
    const { client, connection, pool, ledger, org, configuration, catalogue, bundle } = services;
    const redactor = new Redactor();
    const worker = await createWorker({
      connection,
      namespace: client.options.namespace,
      taskQueue,
      bundle,
      redactor,
      versioned: false,
      graceMs: GRACE_MS,
      maxConcurrentActivities: services.maxConcurrentActivities ?? 50,
      services: {
        pool,
        ledger,
        org,
        configuration,
        catalogue,
        directory,
        acceptedAssurances: ['claimed', 'slack', 'token', 'step-up'],
        stepsFor: (run) => sessionOf(run).steps,
        temporal: client,
        lockScope: rootOf,
        announce: async (identity, notice, key) => {
          await tell(identity, notice, key).catch((error: unknown) => {
            if (isWorthRepeating(error)) throw error;
          });
          await sessionOf(identity.run).onNotice(identity, notice);
        },
      },
    });
    const running = worker.run();
    running.catch(() => undefined);
    const host = new RehearsalHost(services, taskQueue, { worker, running });
    opened.host = host;
    return host;
  }

  /**
   * Runs one rehearsal through the real engine to its end.
   * @throws RehearsalFailed when a question has no scripted answer, or the run ends otherwise than scripted
   */
  async rehearse(
    entry: CatalogueEntry,
    rehearsal: Rehearsal<unknown>,
    hooks: RehearsalHooks = {},
  ): Promise<RehearsalResult> {
    const { client, pool, ledger, org, configuration, catalogue, simulators } = this.services;
    const directory = castDirectory();
    const run = newRunId({ org, runbook: entry.spec.name, at: new Date() });
    const world = simulators.world(run);
    const vault = redactingVault(memoryVault(), new Redactor());
    const inventory = configuration.secrets.get();
    await seedWorld(world, vault, inventory, rehearsal.world);
    for (const fault of rehearsal.faults ?? []) world.fail(fault);
    await hooks.prepare?.(world, vault);
    const send: SessionServices['send'] = async (target, message) => {
      const { id } = await put(pool, ledger, {
        ...message,
        org,
        mode: 'rehearsal',
        run: target,
        runbook: session.runbookOf(target) ?? entry.spec.name,
        assurance: 'claimed',
        channel: 'rehearsal',
      });
      await deliver({ pool, ledger, clients: { rehearsal: client } }, id);
      return { refusal: this.refusalOf(id, run) };
    };
    const session = new Session({
      run,
      client,
      world,
      vault,
      systems: worldSystems((system) => simulators.url(run, system), vault),
      inventory,
      rehearsal,
      ...(hooks.steps === undefined ? {} : { wrapSteps: hooks.steps }),
      personId: (name) => directory.personByName(name),
      send,
    });
    this.sessions.set(run, session);
    const startedAt = Date.now();
    try {
      const person = (await directory.personByName(STARTER)) ?? null;
      const result = await start(
        {
          pool,
          ledger,
          client,
          mode: 'rehearsal',
          org,
          catalogue,
          directory,
          configuration,
          acceptedAssurances: ['claimed'],
          taskQueue: this.taskQueue,
        },
        {
          runbook: entry.spec.name,
          input: rehearsal.input,
          person,
          assurance: 'claimed',
          channel: 'rehearsal',
          run,
        },
      );
      if (!result.started) throw new RehearsalFailed(result.sentence);
      hooks.onStart?.(run);
      const handle = client.workflow.getHandle(run);
      const closed = handle.result().then(
        () => undefined,
        () => undefined,
      );
      try {
        await session.drive(closed);
      } catch (error) {
        await handle.terminate('the rehearsal failed').catch(() => undefined);
        throw error;
      }
      const entries = await this.entriesOf(run);
      const outcome = outcomeOf(entries);
      const expected = rehearsal.ends ?? 'completed';
      if (outcome !== expected && hooks.anyEnd !== true) {
        throw new RehearsalFailed(
          `The rehearsal "${rehearsal.name}" ended ${outcome} and not ${expected} (run ${run}).`,
        );
      }
      const virtual = entries.map(({ entry: { virtual: at } }) => Date.parse(at));
      return {
        run,
        outcome,
        world,
        answers: session.answers,
        entries,
        partEntries: await this.entriesOfChildren(entries),
        output: outcome === 'completed' ? await handle.result() : undefined,
        wallMs: Date.now() - startedAt,
        virtualMs: Math.max(...virtual) - Math.min(...virtual),
      };
    } finally {
      this.sessions.delete(run);
    }
  }

  async close(): Promise<void> {
    if (this.worker === undefined) return;
    if (this.worker.worker.getState() === 'RUNNING') this.worker.worker.shutdown();
    await this.worker.running.catch(() => undefined);
  }

  /** What the run says of a message, once it has said it. */
  private async refusalOf(id: string, run: string): Promise<string | undefined> {
    while (this.sessions.has(run)) {
      const outcome = (await read(this.services.pool, id))?.outcome;
      if (outcome != null) return outcome.refused === null ? undefined : outcome.sentence;
      await sleep(LOOK_EVERY_MS);
    }
    return undefined;
  }

  private async entriesOfChildren(entries: readonly StoredEntry[]): Promise<StoredEntry[]> {
    const found: StoredEntry[] = [];
    for (const { entry } of entries) {
      if (entry.kind !== 'child.started') continue;
      const own = await this.entriesOf(entry.child);
      found.push(...own, ...(await this.entriesOfChildren(own)));
    }
    return found;
  }

  private async entriesOf(run: string): Promise<StoredEntry[]> {
    const { ledger, org } = this.services;
    const entries: StoredEntry[] = [];
    for (;;) {
      const afterId = entries.at(-1)?.id;
      const page = await ledger.read({ org, run, ...(afterId === undefined ? {} : { afterId }) });
      if (page.length === 0) return entries;
      entries.push(...page);
    }
  }
}

function outcomeOf(entries: readonly StoredEntry[]): RunOutcome {
  for (const { entry } of entries) {
    if (entry.kind === 'run.closed') return entry.outcome;
    if (entry.kind === 'run.refused') return 'refused';
  }
  return 'failed';
}
