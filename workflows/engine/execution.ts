import { msToNumber } from '@temporalio/common/lib/time.js';
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
  sleep,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { z } from 'zod';
import type { Admission } from '../../activities/engine/contract.js';
import { tagRun, tagState } from './attributes.js';
import { runInBackground } from './background.js';
import { Children, type ChildEnd } from './children.js';
import { Deadlines } from './deadlines.js';
import { Direction } from './direction.js';
import { engine } from './engine-activities.js';
import { Evidence } from './evidence.js';
import { Gates } from './gates.js';
import { Inbox, type Verdict } from './inbox.js';
import { Locks } from './locks.js';
import { status as statusQuery } from './messages.js';
import { Questions, type QuestionAnswer } from './questions.js';
import { Journal, untilRecorded } from './record.js';
import type { AcknowledgeOptions, DecideOptions, ManualOptions, Run } from './run.js';
import { isoNow, nthId, RunState } from './state.js';
import { aborted, stepCalls } from './steps.js';
import type {
  DecisionStatus,
  DeclaredSpec,
  ReadMessage,
  RunOutcome,
  RunRequest,
  StepStatus,
} from './types.js';
import { Waits } from './waits.js';

export type Body<I extends z.ZodObject, C, R> = (input: z.output<I>, run: Run<C>) => Promise<R>;

type Admitted = Extract<Admission, { admitted: true }>;

/** One run of a runbook: admission, body, undo and a defined end. */
export class Execution<I extends z.ZodObject, C, R> {
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
  private readonly direction: Direction;
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
    this.direction = new Direction(this.state, this.journal, spec.start, () => this.bodyScope.cancel());
    setHandler(statusQuery, () => this.state.snapshot());
  }

  async execute(request: RunRequest): Promise<R | ChildEnd> {
    const admission = await this.admit(request);
    this.inbox.open({
      decide: (message, arrival) => this.gates.decide(message, arrival),
      operate: (message) => this.operate(message),
      note: (message) => this.direction.note(message),
      cancel: (message) => this.direction.cancel(message),
      evidence: (message) => this.evidence.receive(message),
      'hand-over': (message) => this.direction.handOver(message),
      severity: (message) => this.direction.changeSeverity(message),
    });
    const input = admission.input as z.output<I>;
    let result: R;
    try {
      result = await this.bodyScope.run(async () => {
        await this.lock(admission);
        const returned = await this.body(input, this.handle(admission.config as C));
        await this.backgroundDone();
        await this.deadlines.settle();
        await this.backgroundDone();
        return returned;
      });
    } catch (error) {
      // A plain error is a mistake in the code: the workflow task fails and is repeated once the code is mended.
      if (!(error instanceof TemporalFailure)) throw error;
      const outcome = outcomeOf(error);
      this.state.problem = this.direction.cancelledBy === undefined ? error.message : 'It was cancelled.';
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
    if (parent !== null && !(isCancellation(error) && this.direction.cancelledBy === undefined)) {
      const type =
        outcome === 'cancelled' ? 'Cancelled' : error instanceof ApplicationFailure ? error.type : null;
      return ApplicationFailure.nonRetryable(error.message, type ?? 'Failed', { closedAt });
    }
    if (outcome !== 'cancelled' || isCancellation(error)) return error;
    return ApplicationFailure.nonRetryable(
      `${this.direction.cancelledBy ?? 'Somebody'} cancelled the run.`,
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
    state.mode = admission.mode;
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
      within,
      lock: (resource) => this.locks.take(resource),
      setSeverity: (severity) => this.direction.setSeverity(severity, null),
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
    this.direction.takeCharge(answer.person);
    return answer;
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
    const isLeft = this.state.steps.some(({ undo, state }) => undo && state === 'skipped');
    this.journal.record({ kind: 'undo.ended', outcome: isLeft ? 'partly' : 'undone' });
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
      text: `${this.spec.title}: ${outcome}${state.problem === null ? '' : `: ${state.problem}`}`,
    });
    tagState(state);
    await this.inbox.answered();
    await this.journal.written();
    await this.journal.announced();
    await this.inbox.answered();
  }
}

async function within<T>(
  what: string,
  until: Date,
  late: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const watch = new CancellationScope();
  const never = new Promise<never>(() => undefined);
  const ended = watch
    .run(async () => {
      const left = until.getTime() - Date.now();
      if (left > 0) await sleep(left, { summary: what });
      await late();
      return await never;
    })
    .catch((error: unknown) => {
      if (isCancellation(error)) return never;
      throw error;
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
