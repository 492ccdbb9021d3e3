import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  sleep,
} from '@temporalio/workflow';
import type { Notice, RunEntry, RunIdentity } from '../../activities/engine/contract.js';
import { engine } from './engine-activities.js';
import { isoNow, type RunState } from './state.js';

type Unstamped = RunEntry extends infer E ? (E extends RunEntry ? Omit<E, 'virtual'> : never) : never;

/** How often the ledger is tried while it is away: it never gives up, and nobody is asked. */
const LEDGER_RETRY_FROM_MS = 1_000;
const LEDGER_RETRY_TO_MS = 60_000;
/** How long a closing run waits for its last messages to people. */
const LAST_MESSAGES_WITHIN = '1 minute';

/** Whether a step or the engine could not write its record; nothing took effect then. */
export function isLedgerUnavailable(error: unknown): boolean {
  return (
    error instanceof ActivityFailure &&
    error.cause instanceof ApplicationFailure &&
    error.cause.type === 'LedgerUnavailable'
  );
}

/** Waits that grow from a second to a minute, for as long as the ledger is away. */
export class LedgerPatience {
  private delayMs = LEDGER_RETRY_FROM_MS;

  async pause(): Promise<void> {
    await sleep(this.delayMs, { summary: 'the ledger is not available' });
    this.delayMs = Math.min(this.delayMs * 2, LEDGER_RETRY_TO_MS);
  }
}

/**
 * Repeats an engine activity for as long as the ledger is away.
 * @param onAway called once, when the first attempt found it away
 */
export async function untilRecorded<T>(
  attempt: () => Promise<T>,
  onAway: () => void = () => undefined,
): Promise<T> {
  const patience = new LedgerPatience();
  for (let first = true; ; first = false) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLedgerUnavailable(error)) throw error;
      if (first) onAway();
      await patience.pause();
    }
  }
}

/**
 * What the run writes down and tells people. Both go on in the background, in order, while the run goes on:
 * no gate and no step waits for a message, and the decisions that a step needs were recorded when they came in.
 */
export class Journal {
  private sequence = 0;
  private notices = 0;
  private pendingNotices = 0;
  private queue: { eventKey: string; entry: RunEntry }[] = [];
  private writing = false;
  private ledgerAway = false;

  constructor(private readonly state: RunState) {}

  get identity(): RunIdentity {
    const { org, mode, run, runbook } = this.state;
    return { org, mode, run, runbook };
  }

  /** Puts an entry in the queue, stamped with the run's clock. */
  record(entry: Unstamped): void {
    this.sequence += 1;
    this.queue.push({
      eventKey: `${this.state.run}/engine/${this.sequence}`,
      entry: { ...entry, virtual: isoNow() },
    });
    if (!this.writing) this.inBackground(() => this.write());
  }

  /** Tells people, without waiting for it. */
  announce(notice: Omit<Notice, 'virtual'>): void {
    this.notices += 1;
    const key = `${this.state.run}/notice/${this.notices}`;
    const stamped: Notice = { ...notice, virtual: isoNow() };
    this.inBackground(async () => {
      this.pendingNotices += 1;
      try {
        await engine.announce.executeWithOptions(
          { activityId: `engine.announce#${key.split('/').pop()}`, summary: notice.about },
          [{ identity: this.identity, notice: stamped, key }],
        );
      } catch {
        // Whoever could not be told here sees it in `runbook status`; the run itself does not depend on it.
      } finally {
        this.pendingNotices -= 1;
      }
    });
  }

  /** Said once while the ledger is away, not at every attempt. */
  announceLedgerAway(): void {
    if (this.ledgerAway) return;
    this.ledgerAway = true;
    this.announce({
      about: 'record unavailable',
      target: null,
      groups: ['owners'],
      person: null,
      text: 'The ledger does not answer. The run waits and goes on by itself: no step acts without its record.',
    });
  }

  announceLedgerBack(): void {
    this.ledgerAway = false;
  }

  /** Settles when everything recorded so far is in the ledger. */
  async written(): Promise<void> {
    await condition(() => !this.writing && this.queue.length === 0);
  }

  /** Settles when people were told everything, or after a minute. */
  async announced(): Promise<void> {
    if (this.pendingNotices === 0) return;
    await condition(() => this.pendingNotices === 0, LAST_MESSAGES_WITHIN);
  }

  private async write(): Promise<void> {
    this.writing = true;
    // Lets everything that this workflow task records go out as one batch.
    await Promise.resolve();
    while (this.queue.length > 0) {
      const entries = this.queue;
      this.queue = [];
      await untilRecorded(
        () =>
          engine.record.executeWithOptions(
            {
              activityId: `engine.record#${entries[0]?.eventKey.split('/').pop()}`,
              summary: `record ${entries.length} entries`,
            },
            [{ identity: this.identity, entries }],
          ),
        () => this.announceLedgerAway(),
      );
      this.announceLedgerBack();
    }
    this.writing = false;
  }

  private inBackground(work: () => Promise<void>): void {
    // eslint-disable-next-line @typescript-eslint/no-floating-promises -- an unexpected error must fail the workflow task
    CancellationScope.nonCancellable(work);
  }
}
