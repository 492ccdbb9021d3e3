import type { Client } from '@temporalio/client';
import type { LedgerEntry } from '../../activities/ledger/entry.js';
import type { Mode, RunStatus } from '../../workflows/engine/types.js';
import { findRunbook } from '../catalogue.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { lastKnown } from './last-known.js';

/** How long a worker may take to answer. */
const ANSWER_WITHIN_MS = 3_000;

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
  try {
    const { type, status, startTime } = await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflow.getHandle(run).describe(),
    );
    return { mode, type, status: status.name, startedAt: startTime.toISOString() };
  } catch {
    return undefined;
  }
}

/** The whole picture of a run: from the run itself or, when no worker answers, from the ledger. */
export async function statusOf(context: Context, { run, mode }: FoundRun): Promise<RunStatus> {
  const live = await askRun(await context.services.client(mode), run);
  if (live !== undefined) return live;
  const { ledger, org } = context.services;
  const entries: LedgerEntry[] = [];
  for (let afterId: number | undefined; ;) {
    const page = await ledger.read({ org, run, ...(afterId === undefined ? {} : { afterId }) });
    if (page.length === 0) break;
    entries.push(...page.map(({ entry }) => entry));
    afterId = page.at(-1)?.id;
  }
  const execution = await describe(context, run, mode);
  const name = entries[0]?.runbook ?? execution?.type ?? 'unknown';
  const title = findRunbook(context.catalogue, name)?.spec.title ?? name;
  return lastKnown({
    run,
    mode,
    org,
    runbook: name,
    title,
    entries,
    execution,
    now: new Date().toISOString(),
  });
}

/** The answer of the run's `status` query; undefined when no worker answers in time. */
export async function askRun(client: Client, run: string): Promise<RunStatus | undefined> {
  try {
    return await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () =>
      client.workflow.getHandle(run).query<RunStatus>('status'),
    );
  } catch {
    return undefined;
  }
}
