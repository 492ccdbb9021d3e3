import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import { tagState } from './attributes.js';
import type { Gates } from './gates.js';
import type { Verdict } from './inbox.js';
import { identify } from './policy.js';
import type { Journal } from './record.js';
import { isoNow, nthId, type RunState } from './state.js';
import type { ReadMessage, WaitStatus } from './types.js';

/** Time to decide whether a wait is cut short. */
const DECIDE_WITHIN = '4 hours';

export interface Watch {
  readonly every: Duration;
  /** Looks whether all is well; may ask people, or end the run by throwing. */
  readonly look: () => Promise<void>;
}

interface OpenWait {
  readonly status: { -readonly [K in keyof WaitStatus]: WaitStatus[K] };
  cut: boolean;
  /** The gate in which people decide whether to cut it short. */
  deciding: CancellationScope | undefined;
}

/** Durable waits that people see and that only a gate can cut short. */
export class Waits {
  private readonly waits = new Map<string, OpenWait>();

  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
    private readonly gates: Gates,
    private readonly approvers: string,
  ) {}

  has(id: string | null): boolean {
    return id !== null && this.waits.has(id);
  }

  /** Waits until `untilMs` (epoch, the run's clock), looking at `watch` in between. */
  async wait(base: string, untilMs: number, why: string, watch?: Watch): Promise<void> {
    const id = nthId(base, [...this.waits.keys()]);
    const until = new Date(untilMs).toISOString();
    const open: OpenWait = { cut: false, deciding: undefined, status: { id, why, until, state: 'waiting' } };
    this.waits.set(id, open);
    this.state.waits.push(open.status);
    this.journal.record({ kind: 'wait.started', wait: id, until });
    tagState(this.state);
    const everyMs = watch === undefined ? Infinity : msToNumber(watch.every);
    try {
      while (!open.cut && Date.now() < untilMs) {
        const ms = Math.min(everyMs, untilMs - Date.now());
        await condition(() => open.cut, ms, { summary: `${why} (until ${until})` });
        if (!open.cut && Date.now() < untilMs) await watch?.look();
      }
    } finally {
      const cutShort = open.cut || Date.now() < untilMs;
      open.deciding?.cancel();
      open.status.state = cutShort ? 'cut short' : 'over';
      this.journal.record({ kind: 'wait.ended', wait: id, cutShort });
      tagState(this.state);
    }
  }

  /** "cut-short" that came in: it opens a gate. */
  operate(message: ReadMessage): Verdict {
    const open = message.target === null ? undefined : this.waits.get(message.target);
    if (open === undefined) return { refused: 'NoSuchTarget' };
    if (open.status.state !== 'waiting') return { refused: 'AlreadyClosed' };
    if (message.choice !== 'cut-short') return { refused: 'ChoiceNotOffered' };
    const who = identify(message);
    if ('refused' in who) return who;
    if (!message.hasReason) return { refused: 'ReasonRequired' };
    const gateId = `${open.status.id}/cut-short`;
    if (this.gates.openIds().has(gateId))
      return { refused: 'AlreadyVoted', detail: `decide the gate ${gateId}` };
    open.deciding = new CancellationScope();
    void open.deciding
      .run(async () => {
        const question = `End the wait "${open.status.why}" now (${isoNow()}) instead of ${open.status.until}?`;
        const options = { question, group: this.approvers, within: DECIDE_WITHIN, escalateTo: null } as const;
        const { verdict } = await this.gates.ask(gateId, options, false, [who.person]);
        if (verdict === 'approved') open.cut = true;
      })
      .catch((error: unknown) => {
        if (!isCancellation(error)) throw error;
      });
    return { accepted: `The gate ${gateId} is open: another person decides.` };
  }
}
