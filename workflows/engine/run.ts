import type { Duration } from '@temporalio/common';
import type { StepCalls } from '../../activities/index.js';
import type { EvidenceSource, Report } from '../../activities/engine/contract.js';
import type { ChildResult } from './children.js';
import type { Deadline, DeadlineOptions } from './deadlines.js';
import type { GateOptions, GateResult } from './gates.js';
import type { QuestionAnswer, Rung } from './questions.js';
import type { Runbook } from './runbook.js';
import type { StepTimeouts } from './steps.js';
import type { DecisionStatus, EvidenceStatus, Severity } from './types.js';
import type { Watch } from './waits.js';

export interface ManualOptions {
  /** What a person does, so exact that nobody has to ask. */
  readonly instruction: string;
  readonly group?: string;
  /** Skipping it takes a second person. Default true. */
  readonly critical?: boolean;
}

export interface DecideOptions<O extends string> {
  readonly question: string;
  /** What can be chosen; short words, since people type them. */
  readonly choices: readonly O[];
  readonly group: string;
  /** After it the owners are asked as well. A decision is never made by the passing of time. */
  readonly within: Duration;
}

export interface AcknowledgeOptions {
  /** What somebody must take charge of. */
  readonly what: string;
  /** Asked at once. */
  readonly group: string;
  /** Asked later, for as long as nobody has acknowledged. */
  readonly ladder: readonly Rung[];
}

/** What a runbook's body works with. */
export interface Run<C = unknown> {
  readonly id: string;
  readonly mode: 'live' | 'rehearsal';
  /** Configuration as it was at admission; part of the plan's digest. */
  readonly config: C;
  /** The run's clock. */
  now(): Date;
  /** The steps: `const { openai } = run.steps`. */
  readonly steps: StepCalls;
  /** The steps with other time-outs than their verbs declare. */
  stepsWithin(timeouts: StepTimeouts): StepCalls;
  /**
   * Asks for approval before something happens.
   * @throws ApplicationFailure `Rejected` when it is declined or nobody decides: what was done is undone.
   */
  approve(id: string, options: GateOptions): Promise<GateResult>;
  /** Asks for a verdict after the fact; never undoes anything. */
  review(id: string, options: GateOptions): Promise<GateResult>;
  /** A step that a person does, with evidence. @throws ApplicationFailure `Aborted` when it can't be done. */
  manual(id: string, options: ManualOptions): Promise<QuestionAnswer>;
  /** A durable wait with an end that people see; `watch` looks at something in between. */
  wait(id: string, until: Duration | Date, why: string, watch?: Watch): Promise<void>;
  /**
   * Starts a clock that people must beat: reminders at 50, 80 and 95 %, and a justification that goes on record when
   * it is missed. It never ends the run.
   */
  deadline(id: string, options: DeadlineOptions): Deadline;
  /** A decision that is not yes or no. */
  decide<O extends string>(id: string, options: DecideOptions<O>): Promise<DecisionStatus & { option: O }>;
  /** Somebody takes charge: the first who acknowledges ends the escalation, and is in charge from then on. */
  acknowledge(id: string, options: AcknowledgeOptions): Promise<QuestionAnswer>;
  /** Keeps something for the record, outside the history: a text, a link, or the name and hash of a file. */
  evidence(id: string, what: string, source: EvidenceSource): Promise<EvidenceStatus>;
  /** Drafts a report from the record so far, and keeps it as evidence. */
  report(id: string, what: string, report: Report): Promise<EvidenceStatus>;
  /**
   * Runs another runbook as a part of this one, with its own gates and record, and waits for its end. What it did is
   * its own to undo; the outcome is returned, not thrown.
   */
  child(id: string, runbook: Runbook, input: Readonly<Record<string, unknown>>): Promise<ChildResult>;
  /**
   * Does something in the background: the body goes on, and the run does not complete before it is done. When the run
   * fails or is cancelled, it is cancelled too.
   */
  meanwhile(work: () => Promise<unknown>): void;
  /**
   * Does work that should be over by `until`. When it is not, `late` is called: it may ask people or page somebody,
   * and ends the work by throwing. `what` is what the timer is called.
   */
  within<T>(what: string, until: Date, late: () => Promise<void>, work: () => Promise<T>): Promise<T>;
  /**
   * From here on no other run may touch the resource; given back when this run closes.
   * @throws ApplicationFailure `Locked` when another run holds it
   */
  lock(resource: string): Promise<void>;
  /** How severe it is; people may change it while the run is under way. */
  readonly severity: Severity | null;
  setSeverity(severity: Severity): void;
  /** Who is in charge: the person who started the run, acknowledged it, or took it over. */
  readonly inCharge: string | null;
  /**
   * Registers how to undo the next step: before the act, so that it is there when the answer is lost. `id` is the
   * verb by which it is taken back; `fn` must be harmless when the act never happened.
   */
  undo(id: string, what: string, fn: () => Promise<unknown>): void;
  /** From here on nothing is undone any more: the step before was the point of no return. */
  keep(): void;
}
