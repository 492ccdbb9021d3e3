import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { rootOf } from '../../triggers/run-id.js';
import type { LockHolder } from '../../workflows/engine/lock.js';
import type { LockAwaited, LockTaken } from './contract.js';

/** How often somebody who waits looks whether the holder is still there. */
const LOOK_EVERY_MS = 5_000;
const ATTEMPTS = 5;

export interface LockServices {
  /** Client of the namespace that the run is in. */
  readonly temporal: Client;
  /** Runs of one scope exclude each other: the organisation; in a rehearsal the rehearsal itself. */
  readonly lockScope: (run: string) => string;
}

export interface LockInfo {
  readonly workflowId: string;
  readonly runId: string;
  /** Workflow id of the run that holds it. */
  readonly holder: string;
  readonly since: string;
}

/**
 * Takes a lock for a run, or says who holds it. A lock whose holder has closed is taken over. Taking it again, or
 * under a parent that holds it, changes nothing.
 */
export async function takeLock(
  services: LockServices,
  run: string,
  resource: string,
): Promise<LockTaken | LockAwaited> {
  const { temporal, lockScope } = services;
  const workflowId = lockId(lockScope(run), resource);
  for (let attempt = 1; ; attempt += 1) {
    const since = new Date().toISOString();
    const holder: LockHolder = { holder: run };
    try {
      await temporal.workflow.start('lock', {
        workflowId,
        taskQueue: activityInfo().taskQueue,
        workflowIdConflictPolicy: 'FAIL',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        args: [holder],
        memo: { ...holder, resource, since },
        staticSummary: `${resource} is held by ${run}`,
      });
      return { resource, workflowId, since };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const held = await lookAtLock(temporal, workflowId);
    if (held?.holder === run) return { resource, workflowId, since: held.since };
    if (held !== undefined && rootOf(held.holder) === rootOf(run))
      return { resource, workflowId: null, since: held.since };
    if (held !== undefined && ((await isOpen(temporal, held.holder)) || attempt === ATTEMPTS)) {
      return { resource, heldBy: held.holder };
    }
    if (held !== undefined) await endLock(temporal, held);
  }
}

/** Waits until the run holds the lock, and tells Temporal meanwhile that it is alive. */
export async function waitForLock(services: LockServices, run: string, resource: string): Promise<LockTaken> {
  for (;;) {
    heartbeat();
    const lock = await takeLock(services, run, resource);
    if (!('heldBy' in lock)) return lock;
    await sleep(LOOK_EVERY_MS, undefined, { signal: cancellationSignal() });
  }
}

/** Who holds a lock; undefined when nobody does. */
export async function lookAtLock(temporal: Client, workflowId: string): Promise<LockInfo | undefined> {
  try {
    const { status, memo, runId } = await temporal.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING') return undefined;
    return {
      workflowId,
      runId,
      holder: textIn(memo, 'holder'),
      since: textIn(memo, 'since'),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Workflow id of the lock on a resource. */
export function lockId(scope: string, resource: string): string {
  return `lock.${scope}.${resource}`;
}

async function isOpen(temporal: Client, run: string): Promise<boolean> {
  try {
    return (await temporal.workflow.getHandle(run).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** Ends exactly the lock that was looked at: another run may have taken it over meanwhile. */
async function endLock(temporal: Client, { workflowId, runId, holder }: LockInfo): Promise<void> {
  try {
    await temporal.workflow.getHandle(workflowId, runId).terminate(`its holder ${holder} has closed`);
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** A text of a memo; empty when it has none of that name. */
export function textIn(memo: Readonly<Record<string, unknown>> | undefined, name: string): string {
  const value = memo?.[name];
  return typeof value === 'string' ? value : '';
}
