import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  ApplicationFailure,
  CancellationScope,
  inWorkflowContext,
  isCancellation,
  setHandler,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import type { z } from 'zod';
import type { StepCalls } from '../../activities/index.js';
import type { Admission } from '../../activities/engine/contract.js';
import { tagRun, tagState } from './attributes.js';
import { engine } from './engine-activities.js';
import { Gates, type GateOptions, type GateResult } from './gates.js';
import { Inbox, type Verdict } from './inbox.js';
import { status as statusQuery } from './messages.js';
import { identify } from './policy.js';
import { Questions, type QuestionAnswer } from './questions.js';
import { Journal, untilRecorded } from './record.js';
import { isoNow, nthId, RunState } from './state.js';
import { aborted, stepCalls, type StepTimeouts } from './steps.js';
import type { ReadMessage, RunbookSpec, RunOutcome, RunRequest } from './types.js';
import { Waits, type Watch } from './waits.js';

export interface ManualOptions {
  /** What a person does, so exact that nobody has to ask. */
  readonly instruction: string;
  readonly group?: string;
  /** Skipping it takes a second person. Default true. */
  readonly critical?: boolean;
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
   * Registers how to undo the next step: before the act, so that it is there when the answer is lost. `id` is the
   * verb that it takes back; `fn` must be harmless when the act never happened.
   */
  undo(id: string, what: string, fn: () => Promise<unknown>): void;
  /** From here on nothing is undone any more: the step before was the point of no return. */
  keep(): void;
}

export type Body<I extends z.ZodObject, C, R> = (input: z.output<I>, run: Run<C>) => Promise<R>;

/** A runbook is at once a Temporal workflow and its entry in the catalogue. */
export type Runbook = ((request: RunRequest) => Promise<unknown>) & { readonly spec: RunbookSpec };

/** Makes a workflow of a runbook: admission, plan, record, steps, gates, questions, undo and a defined end. */
export function runbook<I extends z.ZodObject, C, R>(
  declared: RunbookSpec<I, C>,
  body: Body<I, C, R>,
): Runbook {
  // Every cached run has a copy of its module, and never reads the scripts of its rehearsals.
  const spec = inWorkflowContext() ? { ...declared, rehearsals: [] } : declared;
  const workflow = (request: RunRequest) => new Execution(spec, body).execute(request);
  Object.defineProperty(workflow, 'name', { value: spec.name });
  return Object.assign(workflow, { spec: spec as unknown as RunbookSpec });
}

type Admitted = Extract<Admission, { admitted: true }>;

class Execution<I extends z.ZodObject, C, R> {
  private readonly state: RunState;
  private readonly journal: Journal;
  private readonly gates: Gates;
  private readonly questions: Questions;
  private readonly waits: Waits;
  private readonly inbox: Inbox;
  private readonly bodyScope = new CancellationScope();
  private readonly manualSteps: string[] = [];
  private cancelledBy: string | undefined;

  constructor(
    private readonly spec: RunbookSpec<I, C>,
    private readonly body: Body<I, C, R>,
  ) {
    this.state = new RunState(spec.name, spec.title);
    this.journal = new Journal(this.state);
    this.gates = new Gates(this.state, this.journal, () => this.inbox);
    this.questions = new Questions(this.state, this.journal, this.gates);
    this.waits = new Waits(this.state, this.journal, this.gates, 'owners');
    this.inbox = new Inbox(this.state, this.journal, () => this.gates.openIds());
    setHandler(statusQuery, () => this.state.snapshot());
  }

  async execute(request: RunRequest): Promise<R> {
    const admission = await this.admit(request);
    this.inbox.open({
      decide: (message, arrival) => this.gates.decide(message, arrival),
      operate: (message) => this.operate(message),
      note: (message) => this.note(message),
      cancel: (message) => this.cancel(message),
    });
    const input = admission.input as z.output<I>;
    let result: R;
    try {
      result = await this.bodyScope.run(() => this.body(input, this.handle(admission.config as C)));
    } catch (error) {
      // A plain error is a mistake in the code: the workflow task fails and is repeated once the code is mended.
      if (!(error instanceof TemporalFailure)) throw error;
      const outcome = outcomeOf(error);
      await CancellationScope.nonCancellable(async () => {
        await this.undoAll();
        await this.close(outcome);
      });
      throw outcome === 'cancelled' && !isCancellation(error)
        ? ApplicationFailure.nonRetryable(`${this.cancelledBy ?? 'Somebody'} cancelled the run.`, 'Cancelled')
        : error;
    }
    await CancellationScope.nonCancellable(() => this.close('completed', result));
    return result;
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
    tagRun(state);
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
    return {
      id: this.state.run,
      mode: this.state.mode,
      config,
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

  private async manual(base: string, options: ManualOptions): Promise<QuestionAnswer> {
    this.manualSteps.push(nthId(base, this.manualSteps));
    const id = this.manualSteps.at(-1) ?? base;
    const answer = await this.questions.ask({
      id,
      kind: 'manual step',
      what: options.instruction,
      group: options.group ?? this.spec.start,
      choices: ['done', 'skip', 'abort'],
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

  /** Whoever may start a runbook, and whoever started this run, may stop it. */
  private cancel(message: ReadMessage): Verdict {
    const who = identify(message);
    if ('refused' in who) return who;
    const may = message.groups.includes(this.spec.start) || this.state.requesters.includes(who.person);
    if (!may) return { refused: 'NotInGroup' };
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

function outcomeOf(error: TemporalFailure): RunOutcome {
  if (isCancellation(error)) return 'cancelled';
  const type = error instanceof ApplicationFailure ? error.type : undefined;
  return type === 'Rejected' ? 'rejected' : type === 'Aborted' ? 'aborted' : 'failed';
}
