import type { EntryOf, LedgerEntry } from './entry.js';

export type FindingCode =
  | 'Empty'
  | 'MixedRuns'
  | 'NoStart'
  | 'NoClose'
  | 'StartedTwice'
  | 'ClosedTwice'
  | 'EntryAfterClose'
  | 'IntentTwice'
  | 'OutcomeTwice'
  | 'OutcomeWithoutIntent'
  | 'NoFinal'
  | 'FinalTwice'
  | 'GateNotOpened'
  | 'GateOpenedTwice'
  | 'GateClosedTwice'
  | 'GateNotClosed'
  | 'DecisionAfterGate';

/** Something in the record of a run that cannot be. */
export interface Finding {
  readonly code: FindingCode;
  /** Id of the entry where it shows; null when an entry is missing. */
  readonly id: number | null;
  readonly message: string;
}

export interface RecordedEntry {
  readonly id: number;
  readonly entry: LedgerEntry;
}

/**
 * Checks that the entries of one run tell a possible story: it started and closed once; each attempt of a step has one
 * intent, before its outcome, and at most one outcome; each step ended exactly once; gates were opened once and closed
 * once, before the run closed, and nobody's decision counted after that.
 * @param entries all entries of one run, in the order of their ids.
 * @param expect.closed false for a run that is still going on: what is missing is then no finding.
 */
export function checkRun(
  entries: readonly RecordedEntry[],
  expect: { readonly closed: boolean } = { closed: true },
): Finding[] {
  const first = entries[0];
  if (first === undefined)
    return [{ code: 'Empty', id: null, message: 'The ledger has no entry of this run.' }];
  const mixed = entries.find(({ entry }) => entry.run !== first.entry.run || entry.org !== first.entry.org);
  if (mixed !== undefined) {
    return [
      {
        code: 'MixedRuns',
        id: mixed.id,
        message: `These entries belong to ${first.entry.run} and ${mixed.entry.run}.`,
      },
    ];
  }
  // Handing in a value belongs to no run.
  if (entries.every(({ entry }) => entry.kind === 'secret.stored')) return [];
  return [
    ...checkFrame(entries, expect.closed),
    ...checkSteps(entries, expect.closed),
    ...checkGates(entries),
  ];
}

/** Kinds that may come after the close: what people send to a run that is over, and that it was refused. */
const AFTER_CLOSE: ReadonlySet<LedgerEntry['kind']> = new Set(['message.received', 'message.refused']);

function checkFrame(entries: readonly RecordedEntry[], closed: boolean): Finding[] {
  const findings: Finding[] = [];
  let starts = 0;
  let closes = 0;
  let refused = false;
  for (const { id, entry } of entries) {
    switch (entry.kind) {
      case 'run.admitted':
      case 'run.refused':
        starts += 1;
        refused ||= entry.kind === 'run.refused';
        if (starts > 1)
          findings.push({ code: 'StartedTwice', id, message: 'The run was admitted or refused again.' });
        break;
      case 'run.closed':
        closes += 1;
        if (closes > 1) findings.push({ code: 'ClosedTwice', id, message: 'The run was closed again.' });
        break;
      default:
        if (closes > 0 && !AFTER_CLOSE.has(entry.kind)) {
          findings.push({
            code: 'EntryAfterClose',
            id,
            message: `${entry.kind} comes after the run was closed.`,
          });
        }
    }
  }
  if (starts === 0)
    findings.push({
      code: 'NoStart',
      id: null,
      message: 'No entry says that the run was admitted or refused.',
    });
  // A refused run may end with its refusal.
  if (closed && closes === 0 && !refused) {
    findings.push({ code: 'NoClose', id: null, message: 'No entry says that the run was closed.' });
  }
  return findings;
}

function checkSteps(entries: readonly RecordedEntry[], closed: boolean): Finding[] {
  const findings: Finding[] = [];
  const intents = new Set<string>();
  const outcomes = new Set<string>();
  const finals = new Map<string, number>();
  const final = (step: string, id: number): void => {
    const count = (finals.get(step) ?? 0) + 1;
    finals.set(step, count);
    if (count > 1) findings.push({ code: 'FinalTwice', id, message: `Step ${step} ended again.` });
  };
  for (const { id, entry } of entries) {
    if (entry.kind === 'step.intent') {
      const attempt = attemptOf(entry);
      if (intents.has(attempt))
        findings.push({ code: 'IntentTwice', id, message: `${attempt} was begun again.` });
      intents.add(attempt);
      if (!finals.has(entry.step)) finals.set(entry.step, 0);
    } else if (entry.kind === 'step.outcome') {
      const attempt = attemptOf(entry);
      if (!intents.has(attempt)) {
        findings.push({
          code: 'OutcomeWithoutIntent',
          id,
          message: `${attempt} ended, but nothing says that it began.`,
        });
      }
      if (outcomes.has(attempt))
        findings.push({ code: 'OutcomeTwice', id, message: `${attempt} ended again.` });
      outcomes.add(attempt);
      if (entry.final) final(entry.step, id);
    } else if (entry.kind === 'step.resolved') {
      final(entry.step, id);
    }
  }
  for (const [step, count] of finals) {
    if (closed && count === 0) {
      findings.push({
        code: 'NoFinal',
        id: null,
        message: `Step ${step} began, but nothing says how it ended.`,
      });
    }
  }
  return findings;
}

function attemptOf(entry: EntryOf<'step.intent' | 'step.outcome'>): string {
  return `attempt ${entry.round}.${entry.attempt} of step ${entry.step}`;
}

/**
 * By the run's own clock and not by the order of ids: what the workflow decided at once may be appended at once, in
 * either order.
 */
function checkGates(entries: readonly RecordedEntry[]): Finding[] {
  const findings: Finding[] = [];
  const opened = new Set<string>();
  const closedAt = new Map<string, string>();
  /** `message.accepted` alone does not say that it answers a decision. */
  const decisions = new Set<string>();
  for (const { id, entry } of entries) {
    if (entry.kind === 'gate.opened') {
      if (opened.has(entry.gate)) {
        findings.push({ code: 'GateOpenedTwice', id, message: `Gate ${entry.gate} was opened again.` });
      }
      opened.add(entry.gate);
    } else if (entry.kind === 'gate.closed') {
      if (closedAt.has(entry.gate)) {
        findings.push({ code: 'GateClosedTwice', id, message: `Gate ${entry.gate} was closed again.` });
      }
      closedAt.set(entry.gate, entry.virtual);
    } else if (entry.kind === 'message.received' && entry.message === 'decide') {
      decisions.add(entry.inbox);
    }
  }
  for (const { id, entry } of entries) {
    if (entry.kind === 'gate.closed' && !opened.has(entry.gate)) {
      findings.push({
        code: 'GateNotOpened',
        id,
        message: `Gate ${entry.gate} was closed, but never opened.`,
      });
    } else if (entry.kind === 'message.accepted' && entry.target !== null && decisions.has(entry.inbox)) {
      const closed = closedAt.get(entry.target);
      if (closed !== undefined && Date.parse(entry.virtual) > Date.parse(closed)) {
        const message = `A decision on gate ${entry.target} counted after it was closed.`;
        findings.push({ code: 'DecisionAfterGate', id, message });
      }
    } else if (entry.kind === 'run.closed') {
      for (const gate of opened) {
        if (!closedAt.has(gate)) {
          findings.push({
            code: 'GateNotClosed',
            id,
            message: `The run closed while gate ${gate} was open.`,
          });
        }
      }
    }
  }
  return findings;
}
