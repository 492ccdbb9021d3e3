import canonicalize from 'canonicalize';
import { ApplicationFailure } from '@temporalio/common';
import type { Pool } from 'pg';
import { isValid, ulid } from 'ulid';
import { z } from 'zod';
import type { Ledger } from '../activities/ledger/contract.js';
import '../config/plain-words.js';
import { eventKey, type EntryOf } from '../activities/ledger/entry.js';
import {
  ASSURANCES,
  OPERATOR_CHOICES,
  SEVERITIES,
  type Assurance,
  type Mode,
  type Origin,
} from '../workflows/engine/types.js';
import { parseRunId } from './run-id.js';

/** Characters; a longer reason belongs into the evidence. */
export const MAX_REASON = 2_000;
export const MAX_EVIDENCE = 10_000;
/** Bytes of JSON of an input or a result. */
export const MAX_JSON_BYTES = 65_536;

/** PostgreSQL's jsonb holds neither NUL nor half of a surrogate pair. */
const UNSTORABLE = /\0|\p{Cs}/u;
const storable = (text: string): boolean => !UNSTORABLE.test(text);
const UNSTORABLE_MESSAGE = 'holds a NUL or half of a character';

const text = (what: string, max: number) =>
  z
    .string()
    .trim()
    .min(1, `${what} is empty`)
    .max(max, `${what} is longer than ${max} characters: put the rest behind a link`)
    .refine(storable, UNSTORABLE_MESSAGE);
const name = z
  .string()
  .min(1)
  .max(300)
  .refine((value) => !/\p{Cc}|\p{Cs}/u.test(value), 'holds a control character');
const json = z.json().superRefine((value, context) => {
  let clean = true;
  const serialised = JSON.stringify(value, (key, part: unknown) => {
    clean &&= storable(key) && (typeof part !== 'string' || storable(part));
    return part;
  });
  if (!clean) context.addIssue({ code: 'custom', message: UNSTORABLE_MESSAGE });
  if (Buffer.byteLength(serialised) > MAX_JSON_BYTES) {
    context.addIssue({ code: 'custom', message: `is longer than ${MAX_JSON_BYTES} bytes of JSON` });
  }
});
const planDigest = z.string().regex(/^[0-9a-f]{64}$/, 'is not the digest of a plan');
const reason = text('reason', MAX_REASON).optional();
const evidence = text('evidence', MAX_EVIDENCE).optional();

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

/** One of the choices of a decision: what the runbook says, so nothing personal. */
const option = z.string().regex(/^[a-z0-9][a-z0-9 -]{0,49}$/, 'is not a choice: short words in lower case');
const personId = z.string().regex(/^p_[0-9A-HJKMNP-TV-Z]{26}$/, 'is not the id of a person');

const common = {
  org: name,
  mode: z.enum(['live', 'rehearsal']),
  /** Workflow id of the run. */
  run: name,
  /** Default: the runbook that the run id names. */
  runbook: name.optional(),
  person: personId.nullable(),
  assurance: z.enum(ASSURANCES),
  channel: z.enum(ORIGINS),
  /** The same key again is the same message: a double click, a repeated request. */
  dedupeKey: name.optional(),
  /** The run's own clock, where it isn't the wall clock: in a rehearsal. */
  virtual: z.iso.datetime().optional(),
};

/** What a surface hands in. */
export const InboxMessage = z.discriminatedUnion('kind', [
  z.strictObject({ ...common, kind: z.literal('start'), input: json, reason }),
  z.strictObject({
    ...common,
    kind: z.literal('decide'),
    target: name,
    verdict: z.enum(['approve', 'decline']),
    reason,
    planDigest: planDigest.optional(),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('operate'),
    target: name,
    choice: z.enum(OPERATOR_CHOICES),
    option: option.optional(),
    reason,
    evidence,
    input: json.optional(),
    result: json.optional(),
    planDigest: planDigest.optional(),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('note'),
    target: name.optional(),
    reason: text('note', MAX_REASON),
    evidence,
  }),
  z.strictObject({ ...common, kind: z.literal('cancel'), reason }),
  z.strictObject({
    ...common,
    kind: z.literal('evidence'),
    evidence: text('evidence', MAX_EVIDENCE),
    reason,
  }),
  z.strictObject({ ...common, kind: z.literal('hand-over'), to: personId, reason }),
  z.strictObject({ ...common, kind: z.literal('severity'), severity: z.enum(SEVERITIES), reason }),
]);
export type InboxMessage = z.input<typeof InboxMessage>;
export type InboxKind = InboxMessage['kind'];

/** The erasable part of a row. */
const MessageBody = z.object({
  verdict: z.enum(['approve', 'decline']).optional(),
  choice: z.enum(OPERATOR_CHOICES).optional(),
  option: z.string().optional(),
  to: z.string().optional(),
  severity: z.enum(SEVERITIES).optional(),
  reason: z.string().optional(),
  evidence: z.string().optional(),
  input: z.json().optional(),
  result: z.json().optional(),
  planDigest: z.string().optional(),
});
export type MessageBody = z.output<typeof MessageBody>;

/** What became of a message. */
export const InboxOutcome = z.object({
  /** Code of the refusal; null when it was accepted. */
  refused: z.string().max(100).nullable(),
  /** What the person is told. */
  sentence: z.string().max(2_000),
});
export type InboxOutcome = z.output<typeof InboxOutcome>;

/** A stored message. Times are ISO 8601, UTC. */
export interface InboxRow {
  readonly id: string;
  readonly org: string;
  readonly mode: Mode;
  readonly run: string;
  readonly runbook: string;
  readonly kind: InboxKind;
  readonly target: string | null;
  readonly person: string | null;
  readonly assurance: Assurance;
  readonly channel: Origin;
  readonly body: MessageBody;
  readonly reasonCommitment: string | null;
  readonly evidenceCommitment: string | null;
  readonly receivedAt: string;
  readonly virtualAt: string;
  readonly recordedAt: string | null;
  readonly relayedAt: string | null;
  readonly relayAttempts: number;
  readonly outcome: InboxOutcome | null;
  readonly outcomeAt: string | null;
}

/** A message that can't be taken. The sentence is for the person who sent it. */
export class InboxError extends Error {
  override readonly name = 'InboxError';
  constructor(
    readonly code: 'InvalidMessage' | 'DedupeKeyReused',
    message: string,
  ) {
    super(message);
  }
}

export interface PutResult {
  readonly id: string;
  /** The run of the row: for a repeated start the run that was started before. */
  readonly run: string;
  readonly duplicate: boolean;
  /** Whether its ledger entry is durable. If not, the relay writes it before it relays: nothing is lost. */
  readonly recorded: boolean;
}

/** Channel of NOTIFY: a row waits to be relayed. */
export const INBOX_CHANNEL = 'runbook_inbox';

/**
 * Takes a message: when this resolves, the person may be told "received".
 *
 * The row comes first, with the commitments in it; then the ledger entry, under a key made of the row's id; then the
 * row is marked as recorded, and only a recorded row is relayed. A crash in between leaves a row from which the relay
 * writes exactly that entry. One transaction would tie the row to a ledger in the same database; an entry without
 * its row would be a message that the record has and the run never gets.
 * @throws InboxError; ApplicationFailure `LedgerUnavailable` when nothing was stored
 */
export async function put(pool: Pool, ledger: Ledger, message: InboxMessage): Promise<PutResult> {
  const parsed = InboxMessage.safeParse(message);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'message'}: ${issue.message}`,
    );
    throw new InboxError(
      'InvalidMessage',
      `The message was not taken: ${issues.join('; ')}. Correct it and send it again.`,
    );
  }
  const { org, mode, run, runbook, kind, person, assurance, channel, dedupeKey, virtual, ...rest } =
    parsed.data;
  const target = 'target' in rest ? (rest.target ?? null) : null;
  const body = MessageBody.parse(rest);

  const earlier = await findDuplicate(pool, parsed.data, target, body);
  if (earlier !== undefined) return earlier;

  const commit = async (content: string | undefined): Promise<string | null> =>
    content === undefined
      ? null
      : (await ledger.disclose({ org, content, subject: person ?? undefined })).commitment;
  const receivedAt = new Date().toISOString();
  const { rows } = await pool.query<DatabaseRow>(
    `INSERT INTO engine.inbox (id, org, mode, run, runbook, kind, target, person, assurance, channel, body,
       reason_commitment, evidence_commitment, dedupe_key, received_at, virtual_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
     ON CONFLICT (org, dedupe_key) DO NOTHING
     RETURNING *`,
    [
      ulid(),
      org,
      mode,
      run,
      runbook ?? runbookOf(run),
      kind,
      target,
      person,
      assurance,
      channel,
      JSON.stringify(body),
      await commit(body.reason),
      await commit(body.evidence),
      dedupeKey ?? null,
      receivedAt,
      virtual ?? receivedAt,
    ],
  );
  const [row] = rows;
  if (row === undefined) {
    const other = await findDuplicate(pool, parsed.data, target, body);
    if (other === undefined)
      throw new Error(`The inbox has no row with the dedupe key ${dedupeKey} although it refused one.`);
    return other;
  }
  return {
    id: row.id,
    run,
    duplicate: false,
    recorded: await recordIfPossible(pool, ledger, fromDatabase(row)),
  };
}

/** Writes the ledger entry of a row, unless it is there, and lets the row be relayed. */
export async function record(pool: Pool, ledger: Ledger, row: InboxRow): Promise<void> {
  const entry: EntryOf<'message.received'> = {
    v: 1,
    kind: 'message.received',
    org: row.org,
    mode: row.mode,
    run: row.run,
    runbook: row.runbook,
    at: row.receivedAt,
    virtual: row.virtualAt,
    inbox: row.id,
    message: row.kind,
    target: row.target,
    person: row.person,
    assurance: row.assurance,
    channel: row.channel,
    verdict: row.body.verdict ?? null,
    choice: row.body.choice ?? null,
    reason: row.reasonCommitment,
    evidence: row.evidenceCommitment,
  };
  await ledger.append([{ eventKey: eventKey(entry), entry }]);
  await pool.query(
    'UPDATE engine.inbox SET recorded_at = clock_timestamp() WHERE id = $1 AND recorded_at IS NULL',
    [row.id],
  );
  await pool.query('SELECT pg_notify($1, $2)', [INBOX_CHANNEL, row.id]);
}

/** The row is durable: without the ledger it waits for the relay, and the message is not lost. */
async function recordIfPossible(pool: Pool, ledger: Ledger, row: InboxRow): Promise<boolean> {
  try {
    await record(pool, ledger, row);
    return true;
  } catch (error) {
    if (error instanceof ApplicationFailure && error.type === 'LedgerUnavailable') return false;
    throw error;
  }
}

/** A message by its id; undefined when there is none. The id may be anything: signals and starts carry what was sent. */
export async function read(pool: Pool, id: string): Promise<InboxRow | undefined> {
  if (!isValid(id)) return undefined;
  const { rows } = await pool.query<DatabaseRow>('SELECT * FROM engine.inbox WHERE id = $1', [id]);
  return rows[0] === undefined ? undefined : fromDatabase(rows[0]);
}

/**
 * Notes what became of a message. The first outcome stays.
 * @returns whether this outcome was the first
 */
export async function recordOutcome(pool: Pool, id: string, outcome: InboxOutcome): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE engine.inbox SET outcome = $2, outcome_at = clock_timestamp() WHERE id = $1 AND outcome_at IS NULL`,
    [id, JSON.stringify(InboxOutcome.parse(outcome))],
  );
  return rowCount === 1;
}

async function findDuplicate(
  pool: Pool,
  message: z.output<typeof InboxMessage>,
  target: string | null,
  body: MessageBody,
): Promise<PutResult | undefined> {
  const { org, dedupeKey, kind, person, run } = message;
  if (dedupeKey === undefined) return undefined;
  const { rows } = await pool.query<DatabaseRow>(
    'SELECT * FROM engine.inbox WHERE org = $1 AND dedupe_key = $2',
    [org, dedupeKey],
  );
  if (rows[0] === undefined) return undefined;
  const row = fromDatabase(rows[0]);
  const isSame =
    row.kind === kind &&
    row.target === target &&
    row.person === person &&
    (kind === 'start' || row.run === run) &&
    canonicalize(row.body) === canonicalize(body);
  if (!isSame) {
    throw new InboxError(
      'DedupeKeyReused',
      'The message was not taken: its request id already belongs to another message. Send it with a new one.',
    );
  }
  return { id: row.id, run: row.run, duplicate: true, recorded: row.recordedAt !== null };
}

/** `default.secret-rotation.20261120-...` -> `secretRotation`. */
function runbookOf(run: string): string {
  const command = parseRunId(run)?.command;
  return command?.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) ?? 'unknown';
}

/** A row as the driver returns it. */
export interface DatabaseRow {
  id: string;
  org: string;
  mode: Mode;
  run: string;
  runbook: string;
  kind: InboxKind;
  target: string | null;
  person: string | null;
  assurance: Assurance;
  channel: Origin;
  body: unknown;
  reason_commitment: string | null;
  evidence_commitment: string | null;
  received_at: Date;
  virtual_at: Date;
  recorded_at: Date | null;
  relayed_at: Date | null;
  relay_attempts: number;
  outcome: unknown;
  outcome_at: Date | null;
}

/** Parses what may have been written by another version; the other columns are held by the table's constraints. */
export function fromDatabase(row: DatabaseRow): InboxRow {
  return {
    id: row.id,
    org: row.org,
    mode: row.mode,
    run: row.run,
    runbook: row.runbook,
    kind: row.kind,
    target: row.target,
    person: row.person,
    assurance: row.assurance,
    channel: row.channel,
    body: MessageBody.parse(row.body),
    reasonCommitment: row.reason_commitment,
    evidenceCommitment: row.evidence_commitment,
    receivedAt: row.received_at.toISOString(),
    virtualAt: row.virtual_at.toISOString(),
    recordedAt: row.recorded_at?.toISOString() ?? null,
    relayedAt: row.relayed_at?.toISOString() ?? null,
    relayAttempts: row.relay_attempts,
    outcome: row.outcome === null ? null : InboxOutcome.parse(row.outcome),
    outcomeAt: row.outcome_at?.toISOString() ?? null,
  };
}
