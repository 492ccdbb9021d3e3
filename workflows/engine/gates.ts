import { msToNumber } from '@temporalio/common/lib/time.js';
import { condition, isCancellation } from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import { tagState } from './attributes.js';
import type { Arrival, Inbox, Verdict } from './inbox.js';
import { judge, type GatePolicy } from './policy.js';
import type { Journal } from './record.js';
import { isoNow, nthId, type RunState } from './state.js';
import type { Assurance, GateStatus, ReadMessage } from './types.js';

/** Who is asked when a gate's own group stays silent, unless the gate says otherwise. */
const ESCALATE_TO = 'owners';

export interface GateOptions {
  /** What is decided, in a sentence that can be answered by yes or no. */
  readonly question: string;
  readonly group: string;
  /** Distinct people who must approve. Default 1. */
  readonly quorum?: number;
  /** Time to decide; after it the gate escalates once, and then is rejected. Never approved. */
  readonly within: Duration;
  /** Moments after opening at which people are reminded. Default: half of `within`. */
  readonly remindAt?: readonly Duration[];
  /** Who else may decide after `within`; null: nobody, the gate is rejected then. Default `owners`. */
  readonly escalateTo?: string | null;
  /** Time to decide after the escalation. Default: `within` again. */
  readonly escalateWithin?: Duration;
  /** `high`: a reason is always needed and a click alone is not enough proof of who decides. */
  readonly risk?: 'normal' | 'high';
  readonly minimumAssurance?: Assurance;
}

export interface GateResult {
  readonly verdict: 'approved' | 'declined' | 'expired';
  /** Opaque ids of the people whose decision it was. */
  readonly by: readonly string[];
  readonly at: string;
}

interface OpenGate {
  readonly status: { -readonly [K in keyof GateStatus]: GateStatus[K] };
  readonly policy: GatePolicy & { groups: string[] };
  readonly approvals: string[];
  declinedBy: string | undefined;
  /** Set when the last timer fired: what comes now is too late. */
  over: boolean;
}

/** Approvals: opened, reminded, escalated, decided by the policy, and closed with a clear end. */
export class Gates {
  private readonly gates = new Map<string, OpenGate>();

  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
    private readonly inbox: () => Inbox,
  ) {}

  /** Ids of the gates that still take decisions. */
  openIds(): ReadonlySet<string> {
    return new Set([...this.gates.values()].filter(takesDecisions).map((gate) => gate.status.id));
  }

  /** Opens a gate and waits for its end. `excluded` adds people who may not decide to the run's requesters. */
  async ask(
    id: string,
    options: GateOptions,
    review = false,
    excluded: readonly string[] = [],
  ): Promise<GateResult> {
    const gate = this.open(id, options, review, excluded);
    try {
      await this.runClock(gate, options);
    } catch (error) {
      if (isCancellation(error)) this.close(gate, 'cancelled');
      throw error;
    }
    return {
      verdict:
        gate.status.state === 'approved'
          ? 'approved'
          : gate.status.state === 'declined'
            ? 'declined'
            : 'expired',
      by: gate.declinedBy === undefined ? gate.approvals : [gate.declinedBy],
      at: isoNow(),
    };
  }

  /** One decision that came in. */
  decide(message: ReadMessage, arrival: Arrival): Verdict {
    const gate = message.target === null ? undefined : this.gates.get(message.target);
    if (gate === undefined) return { refused: 'NoSuchTarget' };
    if (gate.status.state !== 'open')
      return { refused: gate.status.state === 'expired' ? 'TooLate' : 'AlreadyClosed' };
    if (!arrival.openGates.has(gate.status.id)) return { refused: 'TooLate' };
    const policy = { ...gate.policy, planDigest: this.state.planDigest ?? '' };
    const judgement = judge(policy, gate.approvals, message);
    if ('refused' in judgement) return judgement;
    if (judgement.counted === 'decline') {
      gate.declinedBy = judgement.person;
      this.close(gate, 'declined');
      return { accepted: `You declined "${gate.status.question}".` };
    }
    gate.approvals.push(judgement.person);
    const missing = gate.policy.quorum - gate.approvals.length;
    if (missing > 0) return { accepted: `Your approval counts; ${missing} more needed.` };
    this.close(gate, 'approved');
    return { accepted: `You approved "${gate.status.question}".` };
  }

  private open(base: string, options: GateOptions, review: boolean, excluded: readonly string[]): OpenGate {
    // A decision meant for an earlier opening must never count for a later one.
    const id = nthId(base, [...this.gates.keys()]);
    const risk = options.risk ?? 'normal';
    const approvals: string[] = [];
    const groups = [options.group];
    const gate: OpenGate = {
      approvals,
      declinedBy: undefined,
      over: false,
      policy: {
        groups,
        quorum: options.quorum ?? 1,
        minimumAssurance: options.minimumAssurance ?? (risk === 'high' ? 'step-up' : 'claimed'),
        reasonAlways: risk === 'high',
        excluded: [...this.state.requesters, ...excluded],
        planDigest: this.state.planDigest ?? '',
      },
      status: {
        id,
        question: options.question,
        groups,
        quorum: options.quorum ?? 1,
        risk,
        state: 'open',
        openedAt: isoNow(),
        deadline: isoAfter(msToNumber(options.within)),
        approvals,
        review,
      },
    };
    this.gates.set(id, gate);
    this.state.gates.push(gate.status);
    tagState(this.state);
    this.journal.record({
      kind: 'gate.opened',
      gate: id,
      groups: [options.group],
      quorum: gate.policy.quorum,
      deadline: gate.status.deadline,
      risk,
      planDigest: gate.policy.planDigest,
      review,
    });
    this.announce(gate, 'gate opened');
    return gate;
  }

  private async runClock(gate: OpenGate, options: GateOptions): Promise<void> {
    const withinMs = msToNumber(options.within);
    const reminders = (options.remindAt ?? [withinMs / 2])
      .map((at) => msToNumber(at))
      .filter((at) => at < withinMs);
    await this.untilDecided(gate, withinMs, reminders);
    const escalateTo = options.escalateTo === undefined ? ESCALATE_TO : options.escalateTo;
    if (gate.status.state === 'open' && escalateTo !== null) {
      const moreMs = msToNumber(options.escalateWithin ?? options.within);
      this.escalate(gate, escalateTo, moreMs);
      await this.untilDecided(gate, moreMs, [moreMs / 2]);
    }
    if (gate.status.state === 'open') {
      gate.over = true;
      await this.inbox().settled();
    }
    // A decision that came before the timer may have been judged meanwhile.
    if (gate.status.state === 'open') this.close(gate, 'expired');
  }

  /** Waits until the gate is decided, reminding at the given moments, for `ms` at most. */
  private async untilDecided(gate: OpenGate, ms: number, reminders: readonly number[]): Promise<void> {
    const startedAt = Date.now();
    const decided = () => gate.status.state !== 'open';
    for (const moment of [...[...reminders].sort((a, b) => a - b), ms]) {
      const left = startedAt + moment - Date.now();
      if (left > 0 && (await condition(decided, left, { summary: `gate ${gate.status.id}` }))) return;
      if (decided()) return;
      if (moment < ms) {
        this.journal.record({ kind: 'gate.reminded', gate: gate.status.id });
        this.announce(gate, 'gate reminder');
      }
    }
  }

  private escalate(gate: OpenGate, group: string, withinMs: number): void {
    if (!gate.policy.groups.includes(group)) gate.policy.groups.push(group);
    gate.status.deadline = isoAfter(withinMs);
    this.journal.record({
      kind: 'gate.escalated',
      gate: gate.status.id,
      group,
      deadline: gate.status.deadline,
    });
    this.announce(gate, 'gate escalated');
  }

  private close(gate: OpenGate, outcome: 'approved' | 'declined' | 'expired' | 'cancelled'): void {
    gate.status.state = outcome;
    gate.status.closedAt = isoNow();
    const people = gate.declinedBy === undefined ? [...gate.approvals] : [gate.declinedBy];
    this.journal.record({ kind: 'gate.closed', gate: gate.status.id, outcome, people });
    this.announce(gate, 'gate closed');
    tagState(this.state);
  }

  private announce(
    gate: OpenGate,
    about: 'gate opened' | 'gate reminder' | 'gate escalated' | 'gate closed',
  ): void {
    const { id, question, groups, state, deadline } = gate.status;
    const text = about === 'gate closed' ? `${question}: ${state}` : `${question} (until ${deadline})`;
    this.journal.announce({ about, target: id, groups: [...groups], person: null, text });
  }
}

function takesDecisions(gate: OpenGate): boolean {
  return gate.status.state === 'open' && !gate.over;
}

function isoAfter(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}
