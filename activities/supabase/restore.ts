import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { Found, StepContext } from '../step.js';
import type { Supabase } from './contract.js';

/** Looks until a restore that was ordered has to show in the status: five minutes at the usual interval. */
const LOOKS_FOR_START = 60;

/** Answers in a row that may fail before a look is given up: five minutes at the usual interval. */
const PATIENCE = 60;

/** How often a restore is ordered when Supabase does not answer and nothing starts. */
const ORDERS = 3;

/** A project that is in one of these does not come back by itself. Same source as `ProjectAnswer`. */
const FAILED: readonly string[] = ['RESTORE_FAILED', 'INIT_FAILED', 'PAUSE_FAILED', 'REMOVED', 'INACTIVE'];

/**
 * Sets a project back to a moment and follows it until the project is healthy again.
 * @throws ApplicationFailure (not retryable) `RestoreImpossible` when nothing was started, `RestoreFailed`,
 * `RestoreNotSeen` when Supabase took the order and nothing happens, and what the client throws
 */
export async function restore(
  supabase: Supabase,
  project: string,
  at: Date,
  step: StepContext,
): Promise<void> {
  const before = await checkPossible(supabase, project, at, step);
  await order(supabase, project, at, before, step);
  await follow(supabase, project, step);
}

/**
 * What became of an earlier attempt. While the project is being restored, that is the restore of the earlier attempt,
 * because no attempt starts one during another one: it is followed to its end. Otherwise nobody can tell whether it
 * is over or was never started, and starting a second one would lose what was written since.
 */
export async function checkRestore(
  supabase: Supabase,
  project: string,
  step: StepContext,
): Promise<Found<void>> {
  const status = await supabase.status(project, step);
  if (status === 'RESTORE_FAILED') throw restoreFailed(project, status);
  if (status !== 'RESTORING') return 'unknown';
  await follow(supabase, project, step);
  return { done: undefined };
}

/** Returns the status before anything is done. */
async function checkPossible(
  supabase: Supabase,
  project: string,
  at: Date,
  step: StepContext,
): Promise<string> {
  const impossible = (reason: string): ApplicationFailure =>
    ApplicationFailure.nonRetryable(
      `restore Supabase project ${project} to ${at.toISOString()}: ${reason} Nothing was started.`,
      'RestoreImpossible',
    );
  let status;
  let backups;
  try {
    status = await patiently(supabase, step, () => supabase.status(project, step));
    backups = await patiently(supabase, step, () => supabase.backups(project, step));
  } catch (error) {
    if (!canPass(error)) throw error;
    throw impossible('Supabase does not answer. Retry when it does.');
  }
  if (status === 'RESTORING')
    throw impossible('another restore is under way. Wait for its end, then decide whether to retry.');
  const { pointInTime, earliest, latest } = backups;
  if (!pointInTime || earliest === undefined || latest === undefined)
    throw impossible('it has no point-in-time recovery. Restore a daily backup in the dashboard instead.');
  if (at < earliest || at > latest) {
    const range = `${earliest.toISOString()} to ${latest.toISOString()}`;
    throw impossible(`only moments from ${range} can be restored. Retry with one of them.`);
  }
  return status;
}

/** Orders the restore, and again only when Supabase failed to answer and the project shows that nothing started. */
async function order(
  supabase: Supabase,
  project: string,
  at: Date,
  before: string,
  step: StepContext,
): Promise<void> {
  let taken = false;
  for (let orders = 0; orders < ORDERS && !taken; orders += 1) {
    try {
      await supabase.restorePointInTime(project, at, step);
      taken = true;
    } catch (error) {
      if (!canPass(error)) throw error;
    }
    if (await starts(supabase, project, before, step)) return;
  }
  const said = taken ? 'Supabase took the order' : 'Supabase did not answer the order';
  throw ApplicationFailure.nonRetryable(
    `restore Supabase project ${project}: ${said}, and the project does not show a restore. Look at the database ` +
      'backups in the dashboard. When nothing is restored there, retry; when it is, mark the step as done by hand.',
    'RestoreNotSeen',
  );
}

/** Whether a restore shows. A failure that was there before is not one of this restore. */
async function starts(
  supabase: Supabase,
  project: string,
  before: string,
  step: StepContext,
): Promise<boolean> {
  for (let looks = 0; looks < LOOKS_FOR_START; looks += 1) {
    const status = await patiently(supabase, step, () => supabase.status(project, step));
    step.heartbeat({ status });
    if (status === 'RESTORING' || (FAILED.includes(status) && status !== before)) return true;
    await pause(supabase.pollIntervalMs, undefined, { signal: step.signal });
  }
  return false;
}

async function follow(supabase: Supabase, project: string, step: StepContext): Promise<void> {
  for (;;) {
    const status = await patiently(supabase, step, () => supabase.status(project, step));
    step.heartbeat({ status });
    if (status === 'ACTIVE_HEALTHY') return;
    if (FAILED.includes(status)) throw restoreFailed(project, status);
    await pause(supabase.pollIntervalMs, undefined, { signal: step.signal });
  }
}

const restoreFailed = (project: string, status: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(
    `restore Supabase project ${project}: its status is ${status}. Open a ticket with Supabase support, and look at ` +
      'the database backups in the dashboard before you restore again.',
    'RestoreFailed',
  );

const canPass = (error: unknown): error is ApplicationFailure =>
  error instanceof ApplicationFailure && error.nonRetryable !== true;

/** A look that is repeated here: another attempt of the whole step could not tell what this one has started. */
async function patiently<T>(supabase: Supabase, step: StepContext, look: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await look();
    } catch (error) {
      if (!canPass(error) || failures >= PATIENCE) throw error;
      step.heartbeat({ failures });
      await pause(supabase.pollIntervalMs, undefined, { signal: step.signal });
    }
  }
}
