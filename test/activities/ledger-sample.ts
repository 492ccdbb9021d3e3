import { eventKey, type EntryOf, type LedgerEntry } from '../../activities/ledger/entry.js';
import type { NewEntry } from '../../activities/ledger/contract.js';

export const HASH = 'a'.repeat(64);
export const PERSON = 'p_01JABCDEFGHJKMNPQRSTVWXYZ0';

export const common = {
  v: 1,
  org: 'default',
  mode: 'rehearsal',
  run: 'default.secret-rotation.20260821-abcdefgh',
  runbook: 'secretRotation',
  at: '2026-08-21T09:00:00.000Z',
  virtual: '2026-08-22T09:00:00.000Z',
} as const;

export function intent(change: Partial<EntryOf<'step.intent'>> = {}): EntryOf<'step.intent'> {
  return {
    ...common,
    kind: 'step.intent',
    step: 'openai.createKey#1',
    round: 1,
    attempt: 1,
    activity: 'openai.createKey',
    key: 'k',
    inputHash: HASH,
    ...change,
  };
}

export function outcome(change: Partial<EntryOf<'step.outcome'>> = {}): EntryOf<'step.outcome'> {
  return {
    ...common,
    kind: 'step.outcome',
    step: 'openai.createKey#1',
    round: 1,
    attempt: 1,
    activity: 'openai.createKey',
    outcome: 'ok',
    outputHash: HASH,
    error: null,
    final: true,
    ...change,
  };
}

/** One entry of every kind. */
export const everyKind: { readonly [K in LedgerEntry['kind']]: EntryOf<K> } = {
  'run.admitted': {
    ...common,
    kind: 'run.admitted',
    person: PERSON,
    origin: 'cli',
    assurance: 'claimed',
    requesters: [PERSON],
    inputHash: HASH,
    configHash: HASH,
    planDigest: HASH,
    buildId: 'b1',
    inbox: '01J',
  },
  'run.refused': {
    ...common,
    kind: 'run.refused',
    person: null,
    origin: 'temporal',
    assurance: 'claimed',
    code: 'UnknownPerson',
    inbox: null,
  },
  'run.closed': { ...common, kind: 'run.closed', outcome: 'completed', resultHash: null },
  'step.intent': intent(),
  'step.outcome': outcome(),
  'step.resolved': {
    ...common,
    kind: 'step.resolved',
    step: 'openai.createKey#1',
    choice: 'skipped',
    person: PERSON,
    inbox: '01J',
    evidence: null,
    resultHash: null,
    final: true,
  },
  'step.evidence': {
    ...common,
    kind: 'step.evidence',
    step: 'application.reencrypt#1',
    round: 1,
    attempt: 1,
    sha256: HASH,
    evidence: HASH,
  },
  'gate.opened': {
    ...common,
    kind: 'gate.opened',
    gate: 'revoke',
    groups: ['security'],
    quorum: 1,
    deadline: common.virtual,
    risk: 'high',
    planDigest: HASH,
    review: false,
  },
  'gate.reminded': { ...common, kind: 'gate.reminded', gate: 'revoke' },
  'gate.escalated': {
    ...common,
    kind: 'gate.escalated',
    gate: 'revoke',
    group: 'leads',
    deadline: common.virtual,
  },
  'gate.closed': { ...common, kind: 'gate.closed', gate: 'revoke', outcome: 'approved', people: [PERSON] },
  'message.received': {
    ...common,
    kind: 'message.received',
    inbox: '01J',
    message: 'decide',
    target: 'revoke',
    person: PERSON,
    assurance: 'slack',
    channel: 'slack',
    verdict: 'approve',
    choice: null,
    reason: HASH,
    evidence: null,
  },
  'message.accepted': { ...common, kind: 'message.accepted', inbox: '01J', target: 'revoke', person: PERSON },
  'message.refused': {
    ...common,
    kind: 'message.refused',
    inbox: '01J',
    target: 'revoke',
    person: null,
    code: 'TooLate',
  },
  'wait.started': { ...common, kind: 'wait.started', wait: 'overlap', until: common.virtual },
  'wait.ended': { ...common, kind: 'wait.ended', wait: 'overlap', cutShort: false },
  'question.asked': {
    ...common,
    kind: 'question.asked',
    target: 'openai.createKey#1',
    question: 'failed step',
    choices: ['retry', 'abort'],
  },
  'question.reminded': { ...common, kind: 'question.reminded', target: 'openai.createKey#1' },
  'question.escalated': {
    ...common,
    kind: 'question.escalated',
    target: 'openai.createKey#1',
    group: 'leads',
  },
  'question.answered': {
    ...common,
    kind: 'question.answered',
    target: 'openai.createKey#1',
    choice: 'retry',
    person: PERSON,
  },
  'decision.made': { ...common, kind: 'decision.made', decision: 'd', option: 'required', person: PERSON },
  'charge.taken': { ...common, kind: 'charge.taken', person: PERSON },
  'severity.set': { ...common, kind: 'severity.set', severity: 'sev1', person: null },
  'deadline.started': {
    ...common,
    kind: 'deadline.started',
    deadline: 'd',
    from: common.virtual,
    due: common.virtual,
  },
  'deadline.reminded': { ...common, kind: 'deadline.reminded', deadline: 'd' },
  'deadline.missed': { ...common, kind: 'deadline.missed', deadline: 'd' },
  'deadline.ended': { ...common, kind: 'deadline.ended', deadline: 'd', outcome: 'met' },
  'evidence.kept': { ...common, kind: 'evidence.kept', evidence: 'e', sha256: HASH, commitment: HASH },
  'lock.waiting': { ...common, kind: 'lock.waiting', resource: 'service/shop', holder: 'default.x' },
  'lock.acquired': { ...common, kind: 'lock.acquired', resource: 'service/shop' },
  'lock.released': { ...common, kind: 'lock.released', resource: 'service/shop' },
  'child.started': { ...common, kind: 'child.started', child: 'default.x.y', sub: 'secretRotation' },
  'child.ended': { ...common, kind: 'child.ended', child: 'default.x.y', outcome: 'completed' },
  'secret.stored': { ...common, kind: 'secret.stored', secret: 'openai/api-key', version: 2, person: PERSON },
  'undo.started': { ...common, kind: 'undo.started', steps: ['undo/openai.createKey#1'] },
  'undo.ended': { ...common, kind: 'undo.ended', outcome: 'undone' },
};

export function keyed(entry: Parameters<typeof eventKey>[0]): NewEntry {
  return { eventKey: eventKey(entry), entry };
}
