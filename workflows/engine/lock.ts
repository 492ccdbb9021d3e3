import { condition, setHandler, setWorkflowOptions, workflowInfo } from '@temporalio/workflow';
import { releaseLock } from './messages.js';
import { modeOf } from './mode.js';

/** What a lock's workflow is started with. */
export interface LockHolder {
  /** Workflow id of the run that holds it. */
  readonly holder: string;
}

// A lock may outlive the code of the run that took it, and must never keep old code alive. Rehearsals have no versions.
setWorkflowOptions(
  () => (modeOf(workflowInfo().namespace) === 'rehearsal' ? {} : { versioningBehavior: 'AUTO_UPGRADE' }),
  lock,
);

/**
 * A lock is a workflow: it is open for as long as somebody holds it, and its id makes that one run at a time.
 * When the holder ended without releasing it, whoever wants the lock next ends this workflow.
 */
export async function lock({ holder }: LockHolder): Promise<void> {
  let released = false;
  setHandler(releaseLock, (by) => {
    released ||= by === holder;
  });
  await condition(() => released);
}
