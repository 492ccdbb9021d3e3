import type { Client } from '@temporalio/client';
import type { LedgerEntry } from '../../activities/ledger/entry.js';
import type { Mode, RunStatus, WaitStatus } from '../../workflows/engine/types.js';
import { findRunbook } from '../catalogue.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { lastKnown } from './last-known.js';

/** How long Temporal or a worker may take to answer. */
const ANSWER_WITHIN_MS = 2_500;

export interface FoundRun {
  readonly run: string;
  readonly mode: Mode;
}

/** What Temporal says of a run, without asking a worker. */
export interface Execution {
  readonly mode: Mode;
  readonly type: string;
  /** `RUNNING`, `COMPLETED`, `FAILED`, `CANCELLED`, `TERMINATED`, `TIMED_OUT`, ... */
  readonly status: string;
  readonly startedAt: string;
}

/** A wait with its times, which only the ledger has. */
export interface TimedWait extends WaitStatus {
  readonly startedAt?: string;
  readonly endedAt?: string;
}

/** A run's status and where it comes from. */
export interface Picture extends RunStatus {
  readonly waits: readonly TimedWait[];
  /** `ledger`: no worker answered. The state of a run that is over is final all the same. */
  readonly source: 'run' | 'ledger';
}

/**
 * Whether there is such a run, and where.
 * @throws CliError when neither the ledger nor Temporal knows it
 */
export async function findRun(context: Context, run: string): Promise<FoundRun> {
  const { services } = context;
  const [first] = await services.ledger.read({ org: services.org, run, limit: 1 });
  if (first !== undefined) return { run, mode: first.entry.mode };
  const execution = (await describe(context, run, 'live')) ?? (await describe(context, run, 'rehearsal'));
  if (execution !== undefined) return { run, mode: execution.mode };
  throw new CliError(
    EXIT.notFound,
    `There is no run "${run}". \`runbook runs\` lists the runs, \`runbook runs --closed\` those that are over.`,
  );
}

/** What Temporal says of a run; undefined when it does not know it or does not answer. */
export async function describe(context: Context, run: string, mode: Mode): Promise<Execution | undefined> {
  const client = await context.services.client(mode);
  const described = await answered(client, () => client.workflow.getHandle(run).describe());
  if (described === undefined) return undefined;
  const { type, status, startTime } = described;
  return { mode, type, status: status.name, startedAt: startTime.toISOString() };
}

/** The whole picture of a run: from the run itself or, when no worker answers, from the ledger. */
export async function statusOf(context: Context, { run, mode }: FoundRun): Promise<Picture> {
  const { ledger, org } = context.services;
  const asked = askRun(await context.services.client(mode), run);
  const described = describe(context, run, mode);
  const entries: LedgerEntry[] = [];
  for (let afterId: number | undefined; ;) {
    const page = await ledger.read({ org, run, ...(afterId === undefined ? {} : { afterId }) });
    if (page.length === 0) break;
    entries.push(...page.map(({ entry }) => entry));
    afterId = page.at(-1)?.id;
  }
  const live = await asked;
  if (live !== undefined) {
    // A run's own clock stands still while nothing happens; that of a live run is the wall clock.
    const now = live.mode === 'live' && live.closedAt === undefined ? new Date().toISOString() : live.now;
    return { ...live, now, waits: timed(live.waits, entries), source: 'run' };
  }
  const execution = await described;
  const name = entries[0]?.runbook ?? execution?.type ?? 'unknown';
  const title = findRunbook(context.catalogue, name)?.spec.title ?? name;
  const { stale, ...known } = lastKnown({
    run,
    mode,
    org,
    runbook: name,
    title,
    entries,
    execution,
    now: new Date().toISOString(),
  });
  const isFinal = entries.some(({ kind }) => kind === 'run.closed' || kind === 'run.refused');
  return {
    ...known,
    ...(isFinal || stale === undefined ? {} : { stale }),
    waits: timed(known.waits, entries),
    source: 'ledger',
  };
}

/** The answer of the run's `status` query; undefined when no worker answers in time. */
export function askRun(client: Client, run: string): Promise<RunStatus | undefined> {
  return answered(client, () => client.workflow.getHandle(run).query<RunStatus>('status'));
}

/**
 * What Temporal answers in time; undefined when it refuses, or does not answer. A deadline alone is not enough: the
 * client repeats what the server is too busy for, as a query of a closed run that no worker has, for half a minute.
 */
async function answered<T>(client: Client, ask: () => Promise<T>): Promise<T | undefined> {
  const late = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const tooLate = new Promise<undefined>((resolve) => {
    late.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const asked = client
    .withDeadline(Date.now() + ANSWER_WITHIN_MS, () => client.withAbortSignal(late, ask))
    .catch(() => undefined);
  return await Promise.race([asked, tooLate]);
}

function timed(waits: readonly WaitStatus[], entries: readonly LedgerEntry[]): TimedWait[] {
  const at = (kind: 'wait.started' | 'wait.ended', id: string): string | undefined =>
    entries.find((entry) => entry.kind === kind && entry.wait === id)?.virtual;
  return waits.map((wait) => {
    const startedAt = at('wait.started', wait.id);
    const endedAt = at('wait.ended', wait.id);
    return {
      ...wait,
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(endedAt === undefined ? {} : { endedAt }),
    };
  });
}
