import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  inWorkflowContext,
  isCancellation,
  setHandler,
  sleep,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import type { z } from 'zod';
import type { StepCalls } from '../../activities/index.js';
import type { Admission, EvidenceSource, Report } from '../../activities/engine/contract.js';
import { tagRun, tagSeverity, tagState } from './attributes.js';
import { runInBackground } from './background.js';
import { Children, type ChildEnd, type ChildResult } from './children.js';
import { Deadlines, type Deadline, type DeadlineOptions } from './deadlines.js';
import { engine } from './engine-activities.js';
import { Evidence } from './evidence.js';
import { Gates, type GateOptions, type GateResult } from './gates.js';
import { Inbox, type Verdict } from './inbox.js';
import { Locks } from './locks.js';
import { status as statusQuery } from './messages.js';
import { identify } from './policy.js';
import { Questions, type QuestionAnswer, type Rung } from './questions.js';
import { Journal, untilRecorded } from './record.js';
import { isoNow, nthId, RunState } from './state.js';
import { aborted, stepCalls, type StepTimeouts } from './steps.js';
import type {
  DecisionStatus,
  DeclaredSpec,
  EvidenceStatus,
  ReadMessage,
  RefusalCode,
  RunOutcome,
  RunRequest,
  Severity,
  StepStatus,
} from './types.js';
import { Waits, type Watch } from './waits.js';

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
   * and ends the work by throwing.
   */
  within<T>(id: string, until: Date, late: () => Promise<void>, work: () => Promise<T>): Promise<T>;
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
   * verb that it takes back; `fn` must be harmless when the act never happened.
   */
  undo(id: string, what: string, fn: () => Promise<unknown>): void;
  /** From here on nothing is undone any more: the step before was the point of no return. */
  keep(): void;
}

export type Body<I extends z.ZodObject, C, R> = (input: z.output<I>, run: Run<C>) => Promise<R>;

/** A runbook is at once a Temporal workflow and its entry in the catalogue. */
export type Runbook = ((request: RunRequest) => Promise<unknown>) & { readonly spec: DeclaredSpec };

/** Makes a workflow of a runbook: admission, plan, record, steps, gates, questions, undo and a defined end. */
export function runbook<I extends z.ZodObject, C, R>(
  declared: DeclaredSpec<I, C>,
  body: Body<I, C, R>,
): Runbook {
  // Every cached run has a copy of its module, and never reads the scripts of its rehearsals.
  const spec = inWorkflowContext() ? { ...declared, rehearsals: [] } : declared;
  const workflow = (request: RunRequest) => new Execution(spec, body).execute(request);
  Object.defineProperty(workflow, 'name', { value: spec.name });
  return Object.assign(workflow, { spec: spec as unknown as DeclaredSpec });
}

type Admitted = Extract<Admission, { admitted: true }>;

class Execution<I extends z.ZodObject, C, R> {
  private readonly state: RunState;
  private readonly journal: Journal;
  private readonly gates: Gates;
  private readonly questions: Questions;
  private readonly waits: Waits;
  private readonly inbox: Inbox;
  private readonly deadlines: Deadlines;
  private readonly evidence: Evidence;
  private readonly children: Children;
  private readonly locks: Locks;
  private readonly bodyScope = new CancellationScope();
  private readonly manualSteps: string[] = [];
  private cancelledBy: string | undefined;
  private readonly background: Promise<unknown>[] = [];

  constructor(
    private readonly spec: DeclaredSpec<I, C>,
    private readonly body: Body<I, C, R>,
  ) {
    this.state = new RunState(spec.name, spec.title);
    this.journal = new Journal(this.state);
    this.gates = new Gates(this.state, this.journal, () => this.inbox);
    this.questions = new Questions(this.state, this.journal, this.gates);
    this.waits = new Waits(this.state, this.journal, this.gates, 'owners');
    this.inbox = new Inbox(this.state, this.journal, () => this.gates.openIds());
    this.deadlines = new Deadlines(this.state, this.journal, this.questions);
    this.evidence = new Evidence(this.state, this.journal);
    this.children = new Children(this.state, this.journal);
    this.locks = new Locks(this.state, this.journal);
    setHandler(statusQuery, () => this.state.snapshot());
  }

  async execute(request: RunRequest): Promise<R | ChildEnd> {
    const admission = await this.admit(request);
    this.inbox.open({
      decide: (message, arrival) => this.gates.decide(message, arrival),
      operate: (message) => this.operate(message),
      note: (message) => this.note(message),
      cancel: (message) => this.cancel(message),
      evidence: (message) => this.evidence.receive(message),
      'hand-over': (message) => this.handOver(message),
      severity: (message) => this.changeSeverity(message),
    });
    const input = admission.input as z.output<I>;
    let result: R;
    try {
      result = await this.bodyScope.run(async () => {
        await this.lock(admission);
        const returned = await this.body(input, this.handle(admission.config as C));
        await this.backgroundDone();
        await this.deadlines.settle();
        return returned;
      });
    } catch (error) {
      // A plain error is a mistake in the code: the workflow task fails and is repeated once the code is mended.
      if (!(error instanceof TemporalFailure)) throw error;
      const outcome = outcomeOf(error);
      await CancellationScope.nonCancellable(async () => {
        this.deadlines.abandon();
        // What goes on in parallel ends before anything is taken back.
        this.bodyScope.cancel();
        await Promise.allSettled(this.background);
        await condition(() => !this.state.steps.some(isUnderWay));
        await this.undoAll();
        await this.close(outcome);
      });
      throw this.failureOf(error, outcome);
    }
    await CancellationScope.nonCancellable(() => this.close('completed', result));
    return this.state.parent === null ? result : { closedAt: this.state.closedAt ?? isoNow(), result };
  }

  /** What was begun in the background may begin more. */
  private async backgroundDone(): Promise<void> {
    for (let next = this.background.shift(); next !== undefined; next = this.background.shift()) await next;
  }

  /** A parent reads from the failure when its child ended, by the child's own clock. */
  private failureOf(error: TemporalFailure, outcome: RunOutcome): TemporalFailure {
    const { parent, closedAt = isoNow() } = this.state;
    if (parent !== null && !(isCancellation(error) && this.cancelledBy === undefined)) {
      const type =
        outcome === 'cancelled' ? 'Cancelled' : error instanceof ApplicationFailure ? error.type : null;
      return ApplicationFailure.nonRetryable(error.message, type ?? 'Failed', { closedAt });
    }
    if (outcome !== 'cancelled' || isCancellation(error)) return error;
    return ApplicationFailure.nonRetryable(
      `${this.cancelledBy ?? 'Somebody'} cancelled the run.`,
      'Cancelled',
    );
  }

  /** Admission took the lock, or says that another run has it and this one waits. */
  private async lock({ lock }: Admitted): Promise<void> {
    if (lock === null) return;
    if ('heldBy' in lock) await this.locks.waitFor(lock.resource, lock.heldBy);
    else this.locks.taken(lock);
  }

  private async admit(request: RunRequest): Promise<Admitted> {
    const { state } = this;
    const parent = workflowInfo().parent?.workflowId ?? null;
    const admission = await CancellationScope.nonCancellable(() =>
      untilRecorded(() =>
        engine.admit.executeWithOptions({ activityId: 'engine.admit', summary: 'May this run start?' }, [
          { run: state.run, runbook: this.spec.name, mode: state.mode, request, parent, virtual: isoNow() },
        ]),
      ),
    );
    if (!admission.admitted) {
      state.phase = 'refused';
      state.closedAt = isoNow();
      tagRun(state);
      this.inbox.close();
      await this.inbox.answered();
      throw ApplicationFailure.nonRetryable(admission.sentence, 'NotAdmitted', { code: admission.code });
    }
    state.org = admission.org;
    state.origin = admission.origin;
    state.requesters = [...admission.requesters];
    state.planDigest = admission.planDigest;
    state.plan = admission.plan;
    const ours = this.spec.plan(admission.input as z.output<I>, admission.config as C);
    if (JSON.stringify(ours) !== JSON.stringify(admission.plan)) {
      throw ApplicationFailure.nonRetryable(
        'The code changed between the start and the admission of this run. Start it again.',
        'PlanChanged',
      );
    }
    state.phase = 'running';
    state.inCharge = admission.requesters[0] ?? null;
    tagRun(state);
    if (state.parent !== null) {
      this.journal.announce({
        about: 'child started',
        target: null,
        groups: [this.spec.start],
        person: null,
        text: `${this.spec.title}: part of ${state.parent}`,
      });
    }
    return admission;
  }

  private handle(config: C): Run<C> {
    const services = {
      state: this.state,
      journal: this.journal,
      questions: this.questions,
      operators: this.spec.start,
      assertPlanned: (id: string) => this.assertPlanned(id),
    };
    const { state } = this;
    return {
      id: state.run,
      mode: state.mode,
      config,
      get severity() {
        return state.severity;
      },
      get inCharge() {
        return state.inCharge;
      },
      meanwhile: (work) => {
        const done = runInBackground(work);
        done.catch(() => undefined);
        this.background.push(done);
      },
      within: async (id, until, late, work) => {
        this.assertPlanned(id);
        return await within(id, until, late, work);
      },
      lock: (resource) => this.locks.take(resource),
      setSeverity: (severity) => this.setSeverity(severity, null),
      deadline: (id, options) => {
        this.assertPlanned(id);
        return this.deadlines.start(id, options);
      },
      decide: async (id, options) => {
        this.assertPlanned(id);
        return await this.decide(id, options);
      },
      acknowledge: async (id, options) => {
        this.assertPlanned(id);
        return await this.acknowledge(id, options);
      },
      evidence: async (id, what, source) => {
        this.assertPlanned(id);
        return await this.evidence.keep(id, what, source);
      },
      report: async (id, what, report) => {
        this.assertPlanned(id);
        return await this.evidence.report(id, what, report);
      },
      child: async (id, sub, input) => {
        this.assertPlanned(id);
        return await this.children.run(id, sub, input);
      },
      now: () => new Date(Date.now()),
      steps: stepCalls(services),
      stepsWithin: (timeouts) => stepCalls(services, timeouts),
      approve: async (id, options) => {
        this.assertPlanned(id);
        const result = await this.gates.ask(id, options);
        if (result.verdict === 'approved') return result;
        const why =
          result.verdict === 'declined' ? `${result.by.join(', ')} declined it` : 'nobody decided in time';
        throw ApplicationFailure.nonRetryable(`"${options.question}": ${why}.`, 'Rejected', { gate: id });
      },
      review: async (id, options) => {
        this.assertPlanned(id);
        return await this.gates.ask(id, options, true);
      },
      manual: async (id, options) => {
        this.assertPlanned(id);
        return await this.manual(id, options);
      },
      wait: async (id, until, why, watch) => {
        this.assertPlanned(id);
        const untilMs = until instanceof Date ? until.getTime() : Date.now() + msToNumber(until);
        await this.waits.wait(id, untilMs, why, watch);
      },
      undo: (id, what, fn) => {
        this.assertPlanned(id);
        this.state.undoStack.push({ id, what, fn });
      },
      keep: () => {
        this.state.undoStack.length = 0;
      },
    };
  }

  private assertPlanned(id: string): void {
    if (this.state.plan.some((section) => section.uses.includes(id))) return;
    throw ApplicationFailure.nonRetryable(
      `"${id}" is not in the plan that was approved. Add it to the plan of ${this.spec.name}.`,
      'NotInPlan',
    );
  }

  private async decide<O extends string>(
    base: string,
    { question, choices, group, within }: DecideOptions<O>,
  ): Promise<DecisionStatus & { option: O }> {
    const id = nthId(
      base,
      this.state.decisions.map((decision) => decision.id),
    );
    const answer = await this.questions.ask({
      id,
      kind: 'decision',
      what: question,
      group,
      choices: ['choose'],
      options: choices,
      needsResult: false,
      critical: true,
      ladder: [{ group: 'owners', after: within }],
    });
    const { person, at } = answer;
    const decided = { id, question, option: answer.option as O, by: person, at };
    this.state.decisions.push(decided);
    this.journal.record({ kind: 'decision.made', decision: id, option: decided.option, person });
    return decided;
  }

  private async acknowledge(
    id: string,
    { what, group, ladder }: AcknowledgeOptions,
  ): Promise<QuestionAnswer> {
    const answer = await this.questions.ask({
      id,
      kind: 'acknowledgement',
      what,
      group,
      choices: ['acknowledge'],
      needsResult: false,
      critical: true,
      ladder,
    });
    this.takeCharge(answer.person);
    return answer;
  }

  private takeCharge(person: string): void {
    this.state.inCharge = person;
    this.journal.record({ kind: 'charge.taken', person });
  }

  private setSeverity(severity: Severity, person: string | null): void {
    if (this.state.severity === severity) return;
    this.state.severity = severity;
    this.journal.record({ kind: 'severity.set', severity, person });
    tagSeverity(severity);
  }

  private async manual(base: string, options: ManualOptions): Promise<QuestionAnswer> {
    this.manualSteps.push(nthId(base, this.manualSteps));
    const id = this.manualSteps.at(-1) ?? base;
    const answer = await this.questions.ask({
      id,
      kind: 'manual step',
      what: options.instruction,
      group: options.group ?? this.spec.start,
      // An undo is never given up silently.
      choices: this.state.phase === 'undoing' ? ['done', 'skip'] : ['done', 'skip', 'abort'],
      needsResult: false,
      critical: options.critical ?? true,
    });
    if (answer.choice === 'abort') throw aborted(options.instruction, answer);
    return answer;
  }

  private operate(message: ReadMessage): Verdict {
    if (this.questions.has(message.target)) return this.questions.operate(message);
    return this.waits.operate(message);
  }

  private note(message: ReadMessage): Verdict {
    const who = identify(message);
    if ('refused' in who) return who;
    if (!message.hasReason) return { refused: 'ReasonRequired' };
    this.state.notes += 1;
    return { accepted: 'Your note is on the record.' };
  }

  /** Whoever may start a runbook, started this run, or is in charge of it. */
  private mayDirect(message: ReadMessage): { refused: RefusalCode } | { person: string } {
    const who = identify(message);
    if ('refused' in who) return who;
    const { requesters, inCharge } = this.state;
    const may =
      message.groups.includes(this.spec.start) || requesters.includes(who.person) || inCharge === who.person;
    return may ? who : { refused: 'NotInGroup' };
  }

  private handOver(message: ReadMessage): Verdict {
    const who = this.mayDirect(message);
    if ('refused' in who) return who;
    const { to } = message;
    if (to === undefined || to === null) return { refused: 'UnknownSuccessor' };
    this.takeCharge(to);
    return { accepted: 'The run is handed over.' };
  }

  private changeSeverity(message: ReadMessage): Verdict {
    const who = this.mayDirect(message);
    if ('refused' in who) return who;
    if (message.severity === undefined) return { refused: 'BadValue' };
    if (!message.hasReason) return { refused: 'ReasonRequired' };
    this.setSeverity(message.severity, who.person);
    return { accepted: `The severity is ${message.severity} now.` };
  }

  private cancel(message: ReadMessage): Verdict {
    const who = this.mayDirect(message);
    if ('refused' in who) return who;
    if (!message.hasReason) return { refused: 'ReasonRequired' };
    if (this.state.phase !== 'running') return { refused: 'AlreadyClosed' };
    this.cancelledBy = who.person;
    this.bodyScope.cancel();
    return { accepted: 'The run is cancelled; what it did is undone now.' };
  }

  /** Runs the registered undo steps, last first. A failing one asks people and is never passed over. */
  private async undoAll(): Promise<void> {
    const { undoStack } = this.state;
    if (undoStack.length === 0) return;
    this.state.phase = 'undoing';
    tagState(this.state);
    this.journal.record({ kind: 'undo.started', steps: undoStack.map(({ id }) => id).reverse() });
    try {
      for (let next = undoStack.at(-1); next !== undefined; next = undoStack.at(-1)) {
        await next.fn();
        undoStack.pop();
      }
    } catch (error) {
      this.journal.record({ kind: 'undo.ended', outcome: 'stopped' });
      await this.close('failed');
      throw error;
    }
    this.journal.record({ kind: 'undo.ended', outcome: 'undone' });
  }

  private async close(outcome: RunOutcome, result?: unknown): Promise<void> {
    const { state } = this;
    state.phase = outcome;
    state.closedAt = isoNow();
    this.inbox.close();
    // What people were told comes before the close on the record.
    await this.inbox.answered();
    await this.locks.release();
    this.journal.record({ kind: 'run.closed', outcome, result: result ?? null });
    this.journal.announce({
      about: 'run closed',
      target: null,
      groups: [this.spec.start],
      person: null,
      text: `${this.spec.title}: ${outcome}`,
    });
    tagState(state);
    await this.inbox.answered();
    await this.journal.written();
    await this.journal.announced();
    await this.inbox.answered();
  }
}

async function within<T>(
  id: string,
  until: Date,
  late: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const watch = new CancellationScope();
  const ended = new Promise<never>((_resolve, reject) => {
    watch
      .run(async () => {
        const left = until.getTime() - Date.now();
        if (left > 0) await sleep(left, { summary: id });
        await late();
      })
      .catch((error: unknown) => {
        if (!isCancellation(error)) reject(error as Error);
      });
  });
  try {
    return await Promise.race([work(), ended]);
  } finally {
    watch.cancel();
  }
}

function isUnderWay({ state }: StepStatus): boolean {
  return state === 'running' || state === 'failed' || state === 'waiting for the ledger';
}

function outcomeOf(error: TemporalFailure): RunOutcome {
  if (isCancellation(error)) return 'cancelled';
  const type = error instanceof ApplicationFailure ? error.type : undefined;
  return type === 'Rejected' ? 'rejected' : type === 'Aborted' ? 'aborted' : 'failed';
}
