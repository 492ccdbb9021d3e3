import { workflowInfo } from '@temporalio/workflow';
import { modeOf, type Mode } from './mode.js';
import type {
  ChildStatus,
  DeadlineStatus,
  DecisionStatus,
  EvidenceStatus,
  GateStatus,
  LockStatus,
  Origin,
  Plan,
  QuestionStatus,
  RunOutcome,
  RunStatus,
  Severity,
  StepStatus,
  WaitStatus,
} from './types.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** ISO 8601, UTC, by the run's own clock (virtual in a rehearsal). */
export function isoNow(): string {
  return new Date(Date.now()).toISOString();
}

/** `id` for its first use in a run, `id#2` for the second, ... */
export function nthId(id: string, used: readonly string[]): string {
  const earlier = used.filter((other) => other === id || other.startsWith(`${id}#`)).length;
  return earlier === 0 ? id : `${id}#${earlier + 1}`;
}

/** Everything about a run that the `status` query shows. */
export class RunState {
  readonly run = workflowInfo().workflowId;
  /** From admission on as it is on record: a replay has no namespace to tell it from. */
  mode: Mode = modeOf(workflowInfo().namespace);
  readonly startedAt = isoNow();
  org = 'default';
  phase: 'admitting' | 'running' | 'undoing' | RunOutcome = 'admitting';
  origin: Origin | null = null;
  requesters: string[] = [];
  plan: Plan = [];
  planDigest: string | null = null;
  closedAt: string | undefined;
  notes = 0;
  readonly steps: Writable<StepStatus>[] = [];
  readonly gates: Writable<GateStatus>[] = [];
  readonly waits: Writable<WaitStatus>[] = [];
  readonly questions: QuestionStatus[] = [];
  readonly decisions: DecisionStatus[] = [];
  readonly deadlines: Writable<DeadlineStatus>[] = [];
  readonly evidence: EvidenceStatus[] = [];
  readonly children: Writable<ChildStatus>[] = [];
  readonly locks: Writable<LockStatus>[] = [];
  readonly parent = workflowInfo().parent?.workflowId ?? null;
  severity: Severity | null = null;
  inCharge: string | null = null;
  problem: string | null = null;
  readonly undoStack: { readonly id: string; readonly what: string; readonly fn: () => Promise<unknown> }[] =
    [];

  constructor(
    readonly runbook: string,
    readonly title: string,
  ) {}

  snapshot(): RunStatus {
    return {
      run: this.run,
      runbook: this.runbook,
      title: this.title,
      org: this.org,
      mode: this.mode,
      state: this.visibleState(),
      origin: this.origin,
      requesters: this.requesters,
      startedAt: this.startedAt,
      now: isoNow(),
      ...(this.closedAt === undefined ? {} : { closedAt: this.closedAt }),
      planDigest: this.planDigest,
      plan: this.plan,
      steps: this.steps,
      gates: this.gates,
      waits: this.waits,
      questions: this.questions,
      decisions: this.decisions,
      deadlines: this.deadlines,
      evidence: this.evidence,
      children: this.children,
      locks: this.locks,
      parent: this.parent,
      severity: this.severity,
      inCharge: this.inCharge,
      problem: this.problem,
      undo: this.undoStack.map(({ what }) => what).reverse(),
      notes: this.notes,
    };
  }

  visibleState(): RunStatus['state'] {
    if (this.phase !== 'running') return this.phase;
    if (this.questions.length > 0) return 'asking';
    const waits =
      this.gates.some((gate) => gate.state === 'open') ||
      this.waits.some((wait) => wait.state === 'waiting') ||
      this.locks.some((lock) => lock.state === 'waiting');
    return waits ? 'waiting' : 'running';
  }

  awaitsApproval(): boolean {
    return this.gates.some((gate) => gate.state === 'open');
  }
}
