import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  rootCause,
  TimeoutFailure,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { StepCalls } from '../../activities/index.js';
import type { VerbInfo } from '../../activities/verb-info.js';
import { verbs } from '../../activities/verbs.js';
import { inBackground } from './background.js';
import { engine } from './engine-activities.js';
import type { QuestionAnswer, Questions } from './questions.js';
import { isLedgerUnavailable, LedgerPatience, type Journal } from './record.js';
import { fillTitle } from './sentences.js';
import { isoNow, type RunState } from './state.js';
import { LOOKED, type Looked } from './step-header.js';
import type { OperatorChoice, StepStatus } from './types.js';

const DEFAULT_WITHIN = '1 minute';
const DEFAULT_GIVE_UP_AFTER = '10 minutes';
/** What fails for about an hour is a question for people, however long one attempt may take. */
const RETRY = {
  initialInterval: '1 second',
  backoffCoefficient: 2,
  maximumInterval: '1 minute',
  maximumAttempts: 60,
} as const;

/** Per-call deviations from what the verb declares. */
export type StepTimeouts = Partial<Pick<VerbInfo, 'within' | 'giveUpAfter' | 'heartbeat'>>;

export interface StepServices {
  readonly state: RunState;
  readonly journal: Journal;
  readonly questions: Questions;
  /** Group that is asked when a step fails. */
  readonly operators: string;
  /** @throws ApplicationFailure `NotInPlan` */
  readonly assertPlanned: (id: string) => void;
}

type Outcome = { readonly result: unknown } | { readonly question: FailedStep };

interface FailedStep {
  readonly problem: string;
  /** What a person does by hand, for a verb that nobody has automated yet. */
  readonly instruction?: string;
  /** Nobody can tell from here whether an earlier attempt took effect. */
  readonly unknown?: boolean;
}

/**
 * The typed step calls: `await netlify.deploy({ site })` schedules the activity `netlify.deploy` with the activity
 * id `netlify.deploy#n`, and asks a person when its own retries are exhausted.
 */
export function stepCalls(services: StepServices, timeouts: StepTimeouts = {}): StepCalls {
  // Made when a runbook takes it out: every waiting run would keep the calls of all systems.
  const callsOf = (system: string, infos: Readonly<Record<string, VerbInfo>>) =>
    Object.fromEntries(
      Object.entries(infos).map(([name, info]) => [
        name,
        (input: unknown) => new Step(services, `${system}.${name}`, { ...info, ...timeouts }).run(input),
      ]),
    );
  return new Proxy(verbs, {
    get: (all, system) =>
      system in all ? callsOf(String(system), all[system as keyof typeof all]) : undefined,
  }) as unknown as StepCalls;
}

/** One step from its first attempt to its final outcome. */
class Step {
  private readonly id: string;
  private readonly undo: boolean;
  private revision = 1;
  private resolved = false;
  /** A person looked at the system and wants the step to act. */
  private looked = false;

  constructor(
    private readonly services: StepServices,
    private readonly activity: string,
    private readonly info: VerbInfo,
  ) {
    const { state, assertPlanned } = services;
    assertPlanned(activity);
    this.undo = state.phase === 'undoing';
    const base = this.undo ? `undo/${activity}` : activity;
    const earlier = state.steps.filter((step) => step.id.startsWith(`${base}#`)).length;
    this.id = `${base}#${earlier + 1}`;
  }

  async run(firstInput: unknown): Promise<unknown> {
    const status: { -readonly [K in keyof StepStatus]: StepStatus[K] } = {
      id: this.id,
      title: fillTitle(this.info.title, firstInput),
      state: 'running',
      undo: this.undo,
      ...(inBackground() ? { background: true } : {}),
      startedAt: isoNow(),
    };
    this.services.state.steps.push(status);
    const finish = (state: StepStatus['state']) => {
      status.state = state;
      status.endedAt = isoNow();
    };
    let input = firstInput;
    try {
      for (;;) {
        status.state = 'running';
        const outcome = await this.attempt(input, status);
        if ('result' in outcome) {
          finish('done');
          return outcome.result;
        }
        status.state = 'failed';
        const answer = await this.ask(status.title, outcome.question);
        switch (answer.choice) {
          case 'retry':
            this.looked = outcome.question.unknown === true;
            if (answer.input !== undefined) input = await this.changeInput(answer);
            break;
          case 'skip':
            finish('skipped');
            this.resolve('skipped', answer);
            return undefined;
          case 'done':
            finish('done by hand');
            this.resolve('done by hand', answer);
            return answer.result;
          case 'abort':
            this.resolve('aborted', answer);
            throw aborted(status.title, answer);
          case 'cut-short':
          case 'choose':
          case 'acknowledge':
          case 'justify':
            break;
          default:
            answer.choice satisfies never;
        }
      }
    } catch (error) {
      finish('aborted');
      if (!this.resolved) this.resolve('aborted');
      throw error;
    }
  }

  /** Schedules the activity until it succeeds or its retries are exhausted; an absent ledger is waited for. */
  private async attempt(input: unknown, status: { state: StepStatus['state'] }): Promise<Outcome> {
    const patience = new LedgerPatience();
    for (;;) {
      try {
        const result = await this.schedule(input, status as StepStatus);
        this.services.journal.announceLedgerBack();
        return { result };
      } catch (error) {
        if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
        if (!isLedgerUnavailable(error)) return { question: describeFailure(error) };
        status.state = 'waiting for the ledger';
        this.services.journal.announceLedgerAway();
        await patience.pause();
      }
    }
  }

  private async schedule(input: unknown, status: StepStatus): Promise<unknown> {
    const { within, giveUpAfter, heartbeat } = this.info;
    const options: ActivityOptions = {
      activityId: this.activityId(),
      summary: status.title,
      startToCloseTimeout: within ?? DEFAULT_WITHIN,
      scheduleToCloseTimeout: giveUpAfter ?? DEFAULT_GIVE_UP_AFTER,
      ...(heartbeat === undefined ? {} : { heartbeatTimeout: heartbeat }),
      retry: RETRY,
    };
    const activities =
      proxyActivities<Record<string, (input: unknown, looked?: Looked) => Promise<unknown>>>(options);
    const act = activities[this.activity];
    return await (this.looked ? act?.(input, LOOKED) : act?.(input));
  }

  /** A changed input is another request to the vendor, with a key of its own. */
  private activityId(): string {
    return this.revision === 1 ? this.id : `${this.id}~r${this.revision}`;
  }

  private async ask(title: string, failure: FailedStep): Promise<QuestionAnswer> {
    const { returns, critical = false } = this.info;
    const choices: OperatorChoice[] = ['retry', ...(returns ? [] : (['skip'] as const)), 'done'];
    // An undo is never given up silently: it is retried, done by hand, or skipped by two people.
    if (!this.undo) choices.push('abort');
    return await this.services.questions.ask({
      id: this.id,
      kind: failure.instruction === undefined ? 'failed step' : 'manual step',
      what: failure.instruction ?? title,
      problem: failure.problem,
      group: this.services.operators,
      choices,
      needsResult: returns,
      critical: critical || this.undo,
      revision: this.revision,
    });
  }

  /** The changed input joins the plan, and whoever changed it the requesters. */
  private async changeInput(answer: QuestionAnswer): Promise<unknown> {
    const { state } = this.services;
    this.revision += 1;
    const { planDigest } = await engine.amend({
      planDigest: state.planDigest ?? '',
      step: this.id,
      input: answer.input,
    });
    state.planDigest = planDigest;
    if (!state.requesters.includes(answer.person)) state.requesters.push(answer.person);
    return answer.input;
  }

  /** The final outcome of a step that did not succeed; without an answer the run was cancelled meanwhile. */
  private resolve(choice: 'skipped' | 'done by hand' | 'aborted', answer?: QuestionAnswer): void {
    this.resolved = true;
    this.services.journal.record({
      kind: 'step.resolved',
      step: this.id,
      choice,
      person: answer?.person ?? null,
      inbox: answer?.inboxId ?? null,
      result: answer?.result ?? null,
      final: true,
    });
  }
}

/** A person decided to stop the run; what was done is undone. */
export function aborted(what: string, answer: QuestionAnswer): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`${answer.person} stopped the run at "${what}".`, 'Aborted');
}

function describeFailure(error: ActivityFailure): FailedStep {
  const cause = error.cause;
  if (cause instanceof ApplicationFailure) {
    const detail =
      cause.type === 'NotConfigured'
        ? (cause.details?.[0] as { instruction?: unknown } | undefined)
        : undefined;
    return {
      problem: cause.message,
      ...(cause.type === 'OutcomeUnknown' ? { unknown: true } : {}),
      ...(typeof detail?.instruction === 'string' ? { instruction: detail.instruction } : {}),
    };
  }
  if (cause instanceof TimeoutFailure) {
    const before = cause.cause === undefined ? '' : `; before that: ${rootCause(cause) ?? ''}`;
    return {
      problem: `It did not end in time (${cause.timeoutType})${before}. Look at the system before you retry.`,
    };
  }
  return { problem: rootCause(error) ?? error.message };
}
