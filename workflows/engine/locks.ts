import { ApplicationFailure, CancellationScope, getExternalWorkflowHandle } from '@temporalio/workflow';
import type { LockTaken } from '../../activities/engine/contract.js';
import { engine } from './engine-activities.js';
import { releaseLock } from './messages.js';
import type { Journal } from './record.js';
import { isoNow, type RunState } from './state.js';
import type { LockStatus } from './types.js';

/** What this run holds, or waits for, so that no other run touches the same thing meanwhile. */
export class Locks {
  /** Workflow ids of the locks that this run took itself; those of its parents are theirs to release. */
  private readonly own: string[] = [];

  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
  ) {}

  /** Notes a lock that admission took for this run. */
  taken(lock: LockTaken): void {
    this.state.locks.push({ resource: lock.resource, state: 'held', since: lock.since });
    if (lock.workflowId !== null) this.own.push(lock.workflowId);
    this.journal.record({ kind: 'lock.acquired', resource: lock.resource });
  }

  /** Takes a lock in the middle of a run. @throws ApplicationFailure `Locked` when another run holds it */
  async take(resource: string): Promise<void> {
    if (this.state.locks.some((lock) => lock.resource === resource && lock.state === 'held')) return;
    const lock = await engine.takeLock.executeWithOptions(
      { activityId: `engine.takeLock/${resource}`, summary: `keep other runs away from ${resource}` },
      [{ run: this.state.run, resource }],
    );
    if (!('heldBy' in lock)) return this.taken(lock);
    throw ApplicationFailure.nonRetryable(
      `Run ${lock.heldBy} works on ${resource} at the moment: \`runbook status ${lock.heldBy}\` shows it.`,
      'Locked',
    );
  }

  /** Waits until nobody else holds the resource. There is no promise of order among those who wait. */
  async waitFor(resource: string, heldBy: string): Promise<void> {
    const status: { -readonly [K in keyof LockStatus]: LockStatus[K] } = {
      resource,
      state: 'waiting',
      since: isoNow(),
      heldBy,
    };
    this.state.locks.push(status);
    this.journal.record({ kind: 'lock.waiting', resource, holder: heldBy });
    const lock = await engine.waitForLock.executeWithOptions(
      { activityId: 'engine.waitForLock', summary: `wait until ${heldBy} has released ${resource}` },
      [{ run: this.state.run, org: this.state.org, mode: this.state.mode, resource }],
    );
    this.state.locks.splice(this.state.locks.indexOf(status), 1);
    this.taken(lock);
  }

  /** Gives everything back that this run took itself. Whoever waits also notices that this run has closed. */
  async release(): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      for (const workflowId of this.own.splice(0)) {
        await getExternalWorkflowHandle(workflowId)
          .signal(releaseLock, this.state.run)
          // Somebody ended the lock's workflow: there is nothing left to give back.
          .catch(() => undefined);
      }
    });
    for (const lock of this.state.locks) {
      lock.state = 'released';
      this.journal.record({ kind: 'lock.released', resource: lock.resource });
    }
  }
}
