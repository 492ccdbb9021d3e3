import { CancellationScope, condition, setHandler } from '@temporalio/workflow';
import type { Answer } from '../../activities/engine/contract.js';
import { engine } from './engine-activities.js';
import {
  cancel,
  decide,
  evidence,
  handOver,
  note,
  operate,
  severity,
  type InboxPointer,
} from './messages.js';
import type { Journal } from './record.js';
import { REFUSALS } from './sentences.js';
import { isoNow, type RunState } from './state.js';
import type { ReadMessage, RefusalCode } from './types.js';
import { untilRecorded } from './record.js';

export type Verdict =
  { readonly refused: RefusalCode; readonly detail?: string } | { readonly accepted: string };

export interface Arrival {
  readonly inboxId: string;
  readonly kind: ReadMessage['kind'];
  /** Gates that were open when the signal came: in time means that the signal precedes the gate's timer. */
  readonly openGates: ReadonlySet<string>;
}

/** What the inbox calls its rows; anybody with access to Temporal may send something else. */
const INBOX_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

export type MessageHandler = (message: ReadMessage, arrival: Arrival) => Verdict | Promise<Verdict>;

/**
 * Messages to the run: each signal names an inbox row; the row is read, judged and answered, one after the other.
 * A signal that comes twice, or a row relayed twice, counts once.
 */
export class Inbox {
  private readonly queue: Arrival[] = [];
  private readonly seen = new Set<string>();
  private strays = 0;
  private working = false;
  private closed = false;
  /** Answers to people that are under way. */
  private answers = 0;
  private handlers: { readonly [K in ReadMessage['kind']]: MessageHandler } | undefined;

  /** Signal handlers are registered in the constructor: before the run's first await. */
  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
    openGates: () => ReadonlySet<string>,
  ) {
    const receive = (kind: ReadMessage['kind']) => (pointer: InboxPointer) => {
      const inboxId = this.nameOf(pointer);
      if (this.seen.has(inboxId)) return;
      this.seen.add(inboxId);
      this.queue.push({ inboxId, kind, openGates: openGates() });
      this.work();
    };
    setHandler(decide, receive('decide'));
    setHandler(operate, receive('operate'));
    setHandler(note, receive('note'));
    setHandler(cancel, receive('cancel'));
    setHandler(evidence, receive('evidence'));
    setHandler(handOver, receive('hand-over'));
    setHandler(severity, receive('severity'));
  }

  /** Something that names no row is called by a number, so that each is refused and recorded. */
  private nameOf(pointer: unknown): string {
    const given = (pointer as Partial<InboxPointer> | null | undefined)?.inboxId as unknown;
    if (typeof given === 'string' && INBOX_ID.test(given)) return given;
    this.strays += 1;
    return `stray-${this.strays}`;
  }

  /** Messages that came before are answered from here on. */
  open(handlers: { readonly [K in ReadMessage['kind']]: MessageHandler }): void {
    this.handlers = handlers;
    this.work();
  }

  /** From here on every message is refused: the run is over. */
  close(): void {
    this.closed = true;
    this.work();
  }

  /** Settles when every message that has come so far is answered. */
  async settled(): Promise<void> {
    await condition(() => this.idle());
  }

  idle(): boolean {
    return this.queue.length === 0 && !this.working;
  }

  private work(): void {
    if (this.working || (this.handlers === undefined && !this.closed)) return;
    this.working = true;
    // eslint-disable-next-line @typescript-eslint/no-floating-promises -- an unexpected error must fail the workflow task
    CancellationScope.nonCancellable(async () => {
      for (let arrival = this.queue[0]; arrival !== undefined; arrival = this.queue[0]) {
        await this.handle(arrival);
        this.queue.shift();
      }
      this.working = false;
    });
  }

  private async handle(arrival: Arrival): Promise<void> {
    const message = await engine.readMessage(arrival.inboxId, this.state.run, this.state.mode);
    const verdict = message.found
      ? await this.judge(message, arrival)
      : ({ refused: 'NoSuchMessage' } as const);
    const refused = 'refused' in verdict ? verdict.refused : null;
    const detail = 'refused' in verdict && verdict.detail !== undefined ? ` (${verdict.detail})` : '';
    const answer: Answer = {
      inboxId: arrival.inboxId,
      target: message.found ? message.target : null,
      person: message.found ? message.person : null,
      virtual: isoNow(),
      refused,
      sentence: 'refused' in verdict ? `${REFUSALS[verdict.refused]}${detail}` : verdict.accepted,
    };
    // Not awaited: the next step must not wait for the answer to a person. `closing` waits for it.
    this.answers += 1;
    // eslint-disable-next-line @typescript-eslint/no-floating-promises -- an unexpected error must fail the workflow task
    CancellationScope.nonCancellable(async () => {
      await untilRecorded(() =>
        engine.answer.executeWithOptions(
          { activityId: `engine.answer/${arrival.inboxId}`, summary: answer.sentence },
          [{ identity: this.journal.identity, answer }],
        ),
      );
      this.answers -= 1;
    });
  }

  /** Settles when everybody who sent a message was answered. */
  async answered(): Promise<void> {
    await condition(() => this.idle() && this.answers === 0);
  }

  private async judge(message: ReadMessage, arrival: Arrival): Promise<Verdict> {
    if (message.run !== this.state.run || message.org !== this.state.org) return { refused: 'OtherRun' };
    if (message.kind !== arrival.kind) return { refused: 'NoSuchMessage' };
    if (this.closed || this.handlers === undefined) return { refused: 'RunClosed' };
    return await this.handlers[message.kind](message, arrival);
  }
}
