import type { LedgerEntry } from '../../activities/ledger/entry.js';
import type {
  ChildStatus,
  DeadlineStatus,
  DecisionStatus,
  EvidenceStatus,
  GateStatus,
  LockStatus,
  Mode,
  QuestionStatus,
  RunStatus,
  StepStatus,
  WaitStatus,
} from '../../workflows/engine/types.js';
import { parseRunId } from '../run-id.js';
import type { Execution } from './run-status.js';
import { stepTitle, verbOf } from './titles.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export interface KnownFacts {
  readonly run: string;
  readonly mode: Mode;
  readonly org: string;
  readonly runbook: string;
  readonly title: string;
  readonly entries: readonly LedgerEntry[];
  readonly execution: Execution | undefined;
  readonly now: string;
}

/** The picture of a run as far as the ledger knows it: titles without values, gates without their questions. */
export function lastKnown({ entries, execution, now, ...identity }: KnownFacts): RunStatus {
  const steps = new Map<string, Writable<StepStatus>>();
  const gates = new Map<string, Writable<GateStatus> & { approvals: string[]; groups: string[] }>();
  const waits = new Map<string, Writable<WaitStatus>>();
  const questions = new Map<string, Writable<QuestionStatus> & { groups: string[] }>();
  const notes = new Set<string>();
  const decisions: DecisionStatus[] = [];
  const deadlines = new Map<string, Writable<DeadlineStatus>>();
  const evidence: EvidenceStatus[] = [];
  const children = new Map<string, Writable<ChildStatus>>();
  const locks = new Map<string, LockStatus>();
  const known: Writable<
    Pick<RunStatus, 'state' | 'origin' | 'requesters' | 'planDigest' | 'severity' | 'inCharge'>
  > & {
    closedAt?: string;
  } = {
    state: 'admitting',
    origin: null,
    requesters: [],
    planDigest: null,
    severity: null,
    inCharge: null,
  };
  let isUndoing = false;

  for (const entry of entries) {
    switch (entry.kind) {
      case 'run.admitted':
        Object.assign(known, {
          state: 'running',
          origin: entry.origin,
          requesters: entry.requesters,
          planDigest: entry.planDigest,
          inCharge: entry.requesters[0] ?? null,
        });
        break;
      case 'run.refused':
        Object.assign(known, { state: 'refused', origin: entry.origin, closedAt: entry.virtual });
        break;
      case 'run.closed':
        Object.assign(known, { state: entry.outcome, closedAt: entry.virtual });
        break;
      case 'step.intent': {
        const id = baseOf(entry.step);
        const startedAt = steps.get(id)?.startedAt ?? entry.virtual;
        steps.set(id, {
          id,
          title: stepTitle(id),
          state: 'running',
          undo: id.startsWith('undo/'),
          startedAt,
        });
        break;
      }
      case 'step.outcome': {
        const step = steps.get(baseOf(entry.step));
        if (step !== undefined && entry.final) Object.assign(step, { state: 'done', endedAt: entry.virtual });
        break;
      }
      case 'step.resolved': {
        const step = steps.get(baseOf(entry.step));
        if (step !== undefined) Object.assign(step, { state: entry.choice, endedAt: entry.virtual });
        break;
      }
      case 'gate.opened':
        gates.set(entry.gate, {
          id: entry.gate,
          question: '',
          groups: [...entry.groups],
          quorum: entry.quorum,
          risk: entry.risk,
          state: 'open',
          openedAt: entry.virtual,
          deadline: entry.deadline,
          approvals: [],
          review: entry.review,
        });
        // A changed input joins the plan: the newest digest counts.
        known.planDigest = entry.planDigest;
        break;
      case 'gate.escalated': {
        const gate = gates.get(entry.gate);
        if (gate === undefined) break;
        gate.groups.push(entry.group);
        gate.deadline = entry.deadline;
        break;
      }
      case 'gate.closed': {
        const gate = gates.get(entry.gate);
        if (gate !== undefined) {
          Object.assign(gate, { state: entry.outcome, closedAt: entry.virtual });
          if (entry.outcome === 'approved') gate.approvals = [...entry.people];
        }
        break;
      }
      case 'message.accepted': {
        const gate = entry.target === null ? undefined : gates.get(entry.target);
        if (gate?.state === 'open') gate.approvals.push(entry.person);
        break;
      }
      case 'message.received':
        if (entry.message === 'note') notes.add(entry.inbox);
        break;
      case 'message.refused':
        notes.delete(entry.inbox);
        break;
      case 'wait.started':
        waits.set(entry.wait, { id: entry.wait, why: '', until: entry.until, state: 'waiting' });
        break;
      case 'wait.ended': {
        const wait = waits.get(entry.wait);
        if (wait !== undefined) wait.state = entry.cutShort ? 'cut short' : 'over';
        break;
      }
      case 'question.asked': {
        const step = steps.get(entry.target);
        if (step !== undefined) step.state = 'failed';
        questions.set(entry.target, {
          id: entry.target,
          kind: entry.question,
          what: stepTitle(entry.target),
          groups: [],
          choices: entry.choices,
          // Who can't skip a step must bring its result.
          needsResult: verbOf(entry.target) !== undefined && !entry.choices.includes('skip'),
          askedAt: entry.virtual,
        });
        break;
      }
      case 'question.escalated':
        questions.get(entry.target)?.groups.push(entry.group);
        break;
      case 'question.answered':
        questions.delete(entry.target);
        break;
      case 'undo.started':
        isUndoing = true;
        break;
      case 'undo.ended':
        isUndoing = false;
        break;
      case 'decision.made':
        decisions.push({
          id: entry.decision,
          question: '',
          option: entry.option,
          by: entry.person,
          at: entry.virtual,
        });
        break;
      case 'charge.taken':
        known.inCharge = entry.person;
        break;
      case 'severity.set':
        known.severity = entry.severity;
        break;
      case 'deadline.started':
        deadlines.set(entry.deadline, {
          id: entry.deadline,
          what: '',
          from: entry.from,
          due: entry.due,
          state: 'running',
        });
        break;
      case 'deadline.missed':
      case 'deadline.ended': {
        const state = entry.kind === 'deadline.missed' ? 'missed' : entry.outcome;
        const deadline = deadlines.get(entry.deadline);
        if (deadline !== undefined) Object.assign(deadline, { state, endedAt: entry.virtual });
        break;
      }
      case 'evidence.kept':
        evidence.push({
          id: entry.evidence,
          what: entry.evidence,
          source: 'file',
          hash: entry.sha256,
          at: entry.virtual,
        });
        break;
      case 'child.started':
        children.set(entry.child, {
          id: entry.child.slice(entry.run.length + 1),
          run: entry.child,
          runbook: entry.sub,
          state: 'open',
          startedAt: entry.virtual,
        });
        break;
      case 'secret.stored':
        break;
      case 'child.ended': {
        const child = children.get(entry.child);
        if (child !== undefined) Object.assign(child, { state: entry.outcome, closedAt: entry.virtual });
        break;
      }
      case 'lock.waiting':
        locks.set(entry.resource, {
          resource: entry.resource,
          state: 'waiting',
          since: entry.virtual,
          heldBy: entry.holder,
        });
        break;
      case 'lock.acquired':
      case 'lock.released': {
        const state = entry.kind === 'lock.acquired' ? 'held' : 'released';
        locks.set(entry.resource, { resource: entry.resource, state, since: entry.virtual });
        break;
      }
      case 'step.evidence':
      case 'deadline.reminded':
      case 'gate.reminded':
      case 'question.reminded':
        break;
      default:
        entry satisfies never;
    }
  }

  // Temporal may have ended a run that could not write its own end.
  const isEnded = execution !== undefined && !['RUNNING', 'PAUSED'].includes(execution.status);
  if (known.state === 'running') {
    if (isEnded) known.state = 'failed';
    else if (isUndoing) known.state = 'undoing';
    else if (questions.size > 0) known.state = 'asking';
    else if ([...gates.values()].some(({ state }) => state === 'open')) known.state = 'waiting';
    else if ([...waits.values()].some(({ state }) => state === 'waiting')) known.state = 'waiting';
  }
  const [first] = entries;
  return {
    ...identity,
    ...known,
    startedAt: first?.virtual ?? execution?.startedAt ?? now,
    now: identity.mode === 'live' ? now : (entries.at(-1)?.virtual ?? now),
    plan: [],
    steps: [...steps.values()],
    gates: [...gates.values()],
    waits: [...waits.values()],
    questions: [...questions.values()],
    decisions,
    deadlines: [...deadlines.values()],
    evidence,
    children: [...children.values()],
    locks: [...locks.values()],
    parent: parentOf(identity.run),
    problem: null,
    undo: [],
    notes: notes.size,
    stale: true,
  };
}

function parentOf(run: string): string | null {
  const parts = parseRunId(run);
  return parts === undefined || parts.children.length === 0 ? null : run.slice(0, run.lastIndexOf('.'));
}

/** A step with a changed input is the same step. */
function baseOf(step: string): string {
  return step.replace(/~r\d+$/, '');
}
