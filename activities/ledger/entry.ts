import canonicalize from 'canonicalize';
import { z } from 'zod';
import {
  ASSURANCES,
  MESSAGE_KINDS,
  OPERATOR_CHOICES,
  SEVERITIES,
  type Origin,
  type RunOutcome,
} from '../../workflows/engine/types.js';

/** C2SP tlog-tiles carries the length of an entry in 16 bits: https://c2sp.org/tlog-tiles */
export const MAX_LEAF_BYTES = 65_535;

const ORIGINS = [
  'slack',
  'alert',
  'schedule',
  'cli',
  'api',
  'console',
  'rehearsal',
  'parent',
  'temporal',
] as const satisfies readonly Origin[];
const OUTCOMES = [
  'completed',
  'rejected',
  'aborted',
  'cancelled',
  'failed',
  'refused',
] as const satisfies readonly RunOutcome[];

/** The name of something: no control characters, no half of a surrogate pair. Texts that people write stay outside. */
const id = z
  .string()
  .min(1)
  .max(300)
  .refine((text) => !/\p{Cc}|\p{Cs}/u.test(text), 'control character or lone surrogate');
/** A type or code, never a sentence: a message could hold personal data or a secret. */
const code = z.string().regex(/^[A-Za-z][A-Za-z0-9_.:-]{0,99}$/, 'a name without spaces');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits');
const person = z.string().regex(/^p_[0-9A-HJKMNP-TV-Z]{26}$/i, 'p_ and a ULID');
const time = z.iso.datetime();
const count = z.int().min(1);

/** What every entry says. `at` is wall time, `virtual` the run's own clock: in a rehearsal they differ. */
const common = {
  v: z.literal(1),
  org: id,
  mode: z.enum(['live', 'rehearsal']),
  run: id,
  runbook: id,
  at: time,
  virtual: time,
};
const attempt = { step: id, round: count, attempt: count, activity: id };

const kind = <K extends string, S extends z.ZodRawShape>(name: K, fields: S) =>
  z.strictObject({ ...common, kind: z.literal(name), ...fields });

/**
 * Every kind of entry. A field that is not named here is refused: an entry can never be changed or migrated, and
 * nothing personal may slip in. New kinds and `v: 2` may be added, existing ones stay as they are for ever.
 */
export const LedgerEntry = z.discriminatedUnion('kind', [
  kind('run.admitted', {
    person: person.nullable(),
    origin: z.enum(ORIGINS),
    assurance: z.enum(ASSURANCES),
    requesters: z.array(person),
    inputHash: sha256,
    configHash: sha256,
    planDigest: sha256,
    buildId: id,
    inbox: id.nullable(),
  }),
  kind('run.refused', {
    person: person.nullable(),
    origin: z.enum(ORIGINS),
    assurance: z.enum(ASSURANCES),
    code,
    inbox: id.nullable(),
  }),
  kind('run.closed', { outcome: z.enum(OUTCOMES), resultHash: sha256.nullable() }),

  kind('step.intent', { ...attempt, key: id, inputHash: sha256 }),
  kind('step.outcome', {
    ...attempt,
    outcome: z.enum(['ok', 'failed', 'unknown']),
    outputHash: sha256.nullable(),
    error: code.nullable(),
    final: z.boolean(),
  }),
  kind('step.resolved', {
    step: id,
    choice: z.enum(['skipped', 'done by hand', 'aborted']),
    person: person.nullable(),
    inbox: id.nullable(),
    evidence: sha256.nullable(),
    resultHash: sha256.nullable(),
    final: z.literal(true),
  }),

  /** What a command printed: its hash, and the commitment to the redacted output. */
  kind('step.evidence', { step: id, round: count, attempt: count, sha256, evidence: sha256 }),

  kind('gate.opened', {
    gate: id,
    groups: z.array(id).min(1),
    quorum: count,
    deadline: time,
    risk: z.enum(['normal', 'high']),
    planDigest: sha256,
    review: z.boolean(),
  }),
  kind('gate.reminded', { gate: id }),
  kind('gate.escalated', { gate: id, group: id, deadline: time }),
  kind('gate.closed', {
    gate: id,
    outcome: z.enum(['approved', 'declined', 'expired', 'cancelled']),
    people: z.array(person),
  }),

  kind('message.received', {
    inbox: id,
    message: z.enum(['start', ...MESSAGE_KINDS]),
    target: id.nullable(),
    person: person.nullable(),
    assurance: z.enum(ASSURANCES),
    channel: z.enum(ORIGINS),
    verdict: z.enum(['approve', 'decline']).nullable(),
    choice: z.enum(OPERATOR_CHOICES).nullable(),
    reason: sha256.nullable(),
    evidence: sha256.nullable(),
  }),
  kind('message.accepted', { inbox: id, target: id.nullable(), person }),
  kind('message.refused', { inbox: id, target: id.nullable(), person: person.nullable(), code }),

  kind('wait.started', { wait: id, until: time }),
  kind('wait.ended', { wait: id, cutShort: z.boolean() }),

  kind('question.asked', {
    target: id,
    question: z.enum(['failed step', 'manual step', 'decision', 'acknowledgement', 'justification']),
    choices: z.array(z.enum(OPERATOR_CHOICES)).min(1),
  }),
  kind('question.reminded', { target: id }),
  kind('question.escalated', { target: id, group: id }),
  kind('question.answered', { target: id, choice: z.enum(OPERATOR_CHOICES), person }),

  kind('decision.made', { decision: id, option: id, person }),
  kind('charge.taken', { person }),
  kind('severity.set', { severity: z.enum(SEVERITIES), person: person.nullable() }),

  kind('deadline.started', { deadline: id, from: time, due: time }),
  kind('deadline.reminded', { deadline: id }),
  kind('deadline.missed', { deadline: id }),
  kind('deadline.ended', { deadline: id, outcome: z.enum(['met', 'justified', 'stopped']) }),

  /** Something that belongs to the record: the hash of the content and the commitment to it. */
  kind('evidence.kept', { evidence: id, sha256, commitment: sha256 }),

  kind('lock.waiting', { resource: id, holder: id }),
  kind('lock.acquired', { resource: id }),
  kind('lock.released', { resource: id }),

  kind('child.started', { child: id, sub: id }),
  kind('child.ended', { child: id, outcome: z.enum(OUTCOMES) }),

  /**
   * A value was handed in. `run` is `secrets/<name>` and `virtual` the time of the version; null: whoever may log in
   * where the CLI runs. Neither value nor fingerprint: the entry stays for ever, and says nothing about a value.
   */
  kind('secret.stored', { secret: id, version: count, person: person.nullable() }),

  kind('undo.started', { steps: z.array(id) }),
  /** `partly`: people left something as it is. */
  kind('undo.ended', { outcome: z.enum(['undone', 'partly', 'stopped']) }),
]);
export type LedgerEntry = z.output<typeof LedgerEntry>;
export type LedgerKind = LedgerEntry['kind'];
export type EntryOf<K extends LedgerKind> = Extract<LedgerEntry, { kind: K }>;

/** Kinds that happen once for the thing they name. The others get their key from whoever appends them. */
export type OnceKind =
  | 'run.admitted'
  | 'run.refused'
  | 'run.closed'
  | 'step.intent'
  | 'step.outcome'
  | 'step.resolved'
  | 'step.evidence'
  | 'gate.opened'
  | 'gate.closed'
  | 'message.received'
  | 'message.accepted'
  | 'message.refused'
  | 'wait.started'
  | 'wait.ended'
  | 'evidence.kept'
  | 'secret.stored'
  | 'undo.started'
  | 'undo.ended';

/** The key under which an entry that happens once is appended once, however often that is tried. */
export function eventKey(entry: EntryOf<OnceKind>): string {
  switch (entry.kind) {
    case 'run.admitted':
    case 'run.refused':
    case 'run.closed':
    case 'undo.started':
    case 'undo.ended':
      return `${entry.run}/${entry.kind.replace('.', '/')}`;
    case 'step.intent':
      return `${entry.run}/step/${entry.step}/${entry.round}.${entry.attempt}/intent`;
    case 'step.outcome':
      return `${entry.run}/step/${entry.step}/${entry.round}.${entry.attempt}/outcome`;
    case 'step.resolved':
      return `${entry.run}/step/${entry.step}/resolved`;
    case 'step.evidence':
      return `${entry.run}/step/${entry.step}/${entry.round}.${entry.attempt}/evidence`;
    case 'gate.opened':
      return `${entry.run}/gate/${entry.gate}/opened`;
    case 'gate.closed':
      return `${entry.run}/gate/${entry.gate}/closed`;
    case 'evidence.kept':
      return `${entry.run}/evidence/${entry.evidence}`;
    case 'secret.stored':
      return `${entry.run}/v${entry.version}/stored/${entry.person ?? 'host'}`;
    case 'wait.started':
      return `${entry.run}/wait/${entry.wait}/started`;
    case 'wait.ended':
      return `${entry.run}/wait/${entry.wait}/ended`;
    case 'message.received':
      return `${entry.run}/inbox/${entry.inbox}/received`;
    case 'message.accepted':
      return `${entry.run}/inbox/${entry.inbox}/accepted`;
    case 'message.refused':
      return `${entry.run}/inbox/${entry.inbox}/refused`;
    default:
      return entry satisfies never;
  }
}

/** An entry that must not get into the ledger. The message names fields, never values. */
export class InvalidEntry extends Error {
  override readonly name = 'InvalidEntry';
}

/**
 * The bytes of an entry as they are stored and hashed for ever: RFC 8785 canonical JSON in UTF-8.
 * @throws InvalidEntry when the entry does not fit its schema or is longer than 65,535 bytes.
 */
export function leafBytes(entry: LedgerEntry): Uint8Array {
  const text = canonicalize(parseEntry(entry, 'this ledger entry'));
  if (text === undefined) throw new InvalidEntry('This ledger entry is no JSON object.');
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > MAX_LEAF_BYTES) {
    throw new InvalidEntry(
      `This ledger entry (${entry.kind}) has ${bytes.length} bytes, more than ${MAX_LEAF_BYTES}. ` +
        'Keep long content outside and put its commitment into the entry.',
    );
  }
  return bytes;
}

/**
 * The entry that stored bytes hold.
 * @throws InvalidEntry when they are not the canonical JSON of an entry.
 */
export function parseLeaf(leaf: Uint8Array): LedgerEntry {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(leaf);
    value = JSON.parse(text);
  } catch {
    throw new InvalidEntry('The stored leaf is no JSON in UTF-8.');
  }
  const entry = parseEntry(value, 'the stored leaf');
  if (canonicalize(entry) !== text)
    throw new InvalidEntry('The stored leaf is not canonical JSON (RFC 8785).');
  return entry;
}

function parseEntry(value: unknown, what: string): LedgerEntry {
  const parsed = LedgerEntry.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? `unknown field ${issue.keys.join(', ')}`
      : `${issue.path.join('.') || 'entry'}: ${issue.message}`,
  );
  throw new InvalidEntry(`${what} does not fit its schema: ${fields.join('; ')}.`);
}
