import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { EngineActivities } from '../../activities/engine/contract.js';
import type { Mode } from './mode.js';

/** No answer of the database in this time: the same read is made as a normal activity, which waits for it. */
const READ_LOCALLY_WITHIN = '5 seconds';
/** An attempt whose worker died is noticed after this: a record must not wait for it longer than need be. */
const ATTEMPT_WITHIN = '15 seconds';
/** Slack may take 10 s for one request, and looking for an earlier message needs several. */
const ANNOUNCE_WITHIN = '1 minute';
const RETRY = { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' } as const;

const local = proxyLocalActivities<EngineActivities>({
  scheduleToCloseTimeout: READ_LOCALLY_WITHIN,
  retry: { ...RETRY, maximumAttempts: 3 },
});

/** Engine activities have no schedule-to-close time-out: nothing can go on without the record. */
const remote = proxyActivities<EngineActivities>({ startToCloseTimeout: ATTEMPT_WITHIN, retry: RETRY });

/** However long another run holds a lock: the activity says that it is alive, and goes on elsewhere when it is not. */
const waiting = proxyActivities<EngineActivities>({
  startToCloseTimeout: '3650 days',
  heartbeatTimeout: '1 minute',
  retry: RETRY,
});

/** A message to people must not hold a closed run's worker busy for ever. */
const announcing = proxyActivities<EngineActivities>({
  startToCloseTimeout: ANNOUNCE_WITHIN,
  scheduleToCloseTimeout: '1 day',
  retry: RETRY,
});

export const engine = {
  admit: remote['engine.admit'],
  record: remote['engine.record'],
  answer: remote['engine.answer'],
  amend: remote['engine.amend'],
  announce: announcing['engine.announce'],
  keepEvidence: remote['engine.keepEvidence'],
  draftReport: remote['engine.draftReport'],
  takeLock: remote['engine.takeLock'],
  waitForLock: waiting['engine.waitForLock'],
  /**
   * Reads an inbox row: locally, or as a normal activity when that takes too long. Never locally where time is skipped:
   * the SDK takes the run's clock for its own, gives the workflow task back too early on a slow machine, and the
   * history then does not replay.
   */
  readMessage: async (inboxId: string, run: string, mode: Mode) => {
    if (mode === 'rehearsal') return await remote['engine.readMessage']({ inboxId, run });
    try {
      return await local['engine.readMessage']({ inboxId, run });
    } catch {
      return await remote['engine.readMessage']({ inboxId, run });
    }
  },
};
