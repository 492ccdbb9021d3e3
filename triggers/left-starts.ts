import type { Client } from '@temporalio/client';
import type pg from 'pg';
import { encodeTime } from 'ulid';
import type { Ledger } from '../activities/ledger/contract.js';
import type { Catalogue } from './catalogue.js';
import { fromDatabase, record, type DatabaseRow, type InboxRow } from './inbox.js';
import { startStored } from './start.js';

/** After so long a start was left by its caller: longer than the caller's own call to Temporal may last. */
const LEFT_AFTER_MS = 12_000;
/** A start that comes later is a surprise: it is left to whoever asks again with its request id. */
const WITHIN_MS = 3_600_000;
/** How long a row belongs to the relay that took it; longer than its two calls may last. */
const LEASE_SECONDS = 25;
const BATCH = 20;

export interface LeftStarts {
  readonly catalogue: Catalogue;
  /** Default: `runbooks`. */
  readonly taskQueue?: string;
  /** Milliseconds after which a start counts as left by its caller. Default: 12,000. */
  readonly leftAfterMs?: number;
}

/** Takes live starts of the last hour that nobody brought to Temporal. Rehearsals end with their process. */
export async function takeLeftStarts(
  pool: pg.Pool,
  { leftAfterMs = LEFT_AFTER_MS }: LeftStarts,
): Promise<InboxRow[]> {
  // By id, which begins with the time: the primary key finds the last hour without an index of its own.
  const oldest = `${encodeTime(Date.now() - WITHIN_MS, 10)}${'0'.repeat(16)}`;
  const { rows } = await pool.query<DatabaseRow>(
    `UPDATE engine.inbox SET relay_attempts = relay_attempts + 1,
       next_relay_at = clock_timestamp() + ${LEASE_SECONDS} * interval '1 second'
     WHERE id IN (
       SELECT id FROM engine.inbox
       WHERE id > $1 AND kind = 'start' AND mode = 'live' AND relayed_at IS NULL AND outcome_at IS NULL
         AND next_relay_at <= clock_timestamp()
         AND received_at < clock_timestamp() - $2::float8 * interval '1 millisecond'
       ORDER BY id LIMIT ${BATCH}
       FOR UPDATE SKIP LOCKED)
     RETURNING *`,
    [oldest, leftAfterMs],
  );
  return rows.map(fromDatabase);
}

/** @throws StartUnknown when Temporal does not answer; Error when this version has no such runbook */
export async function startLeft(
  { pool, ledger, client }: { readonly pool: pg.Pool; readonly ledger: Ledger; readonly client: Client },
  starts: LeftStarts,
  row: InboxRow,
): Promise<void> {
  if (row.recordedAt === null) await record(pool, ledger, row);
  await startStored({ pool, client, ...starts }, row);
}
