import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import { Announcements } from './announcements.js';
import { AppendQueue, retried } from './append-queue.js';
import type { Ledger, NewEntry, OfRun, StoredEntry } from './contract.js';
import { InvalidEntry, leafBytes, parseLeaf } from './entry.js';
import { asFailure } from './failures.js';
import { commitmentOf, hex, newSalt } from './hash.js';

const DEFAULT_LIMIT = 1_000;
const MAX_DISCLOSURE_BYTES = 1_048_576;
/**
 * An append may commit after one with a higher id. The database ends each statement after 5 s (database/pool.ts), so
 * after this long every lower id is there or never will be.
 */
const SETTLED_AFTER_MS = 10_000;

/** The ledger in Postgres, as the app role. The pool stays the caller's. */
export function postgresLedger(pool: pg.Pool): Ledger {
  const queue = new AppendQueue(pool);
  const announcements = new Announcements(pool);

  const ledger: Ledger = {
    async append(entries) {
      await queue.append(entries.map(toLeaf));
      for (const { entry } of entries) announcements.announce(entry);
    },

    async read({ org, run, afterId = 0, limit = DEFAULT_LIMIT }) {
      const rows = await query<LeafRow>(pool, `read the ledger of run ${run}`, 'ledger.read', [
        org,
        run,
        afterId,
        limit,
      ]);
      return rows.map(toStoredEntry);
    },

    async disclose({ org, content, subject }) {
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
      if (bytes.length > MAX_DISCLOSURE_BYTES) {
        throw ApplicationFailure.nonRetryable(
          `This text or file has ${bytes.length} bytes, more than 1 MiB. Keep it elsewhere and hand in a link and its hash.`,
          'DisclosureTooLong',
        );
      }
      const salt = newSalt();
      const commitment = await commitmentOf(salt, bytes);
      const values = [org, Buffer.from(commitment, 'hex'), salt, bytes, subject ?? null];
      await query(pool, 'keep the text of a ledger entry', 'ledger.disclose', values);
      return { commitment };
    },

    async disclosed(org, commitment) {
      const values = [org, Buffer.from(commitment, 'hex')];
      const [row] = await query<DisclosureRow>(
        pool,
        'read the text of a ledger entry',
        'ledger.disclosed',
        values,
      );
      if (row === undefined) return undefined;
      if ((await commitmentOf(row.salt, row.content)) !== commitment) {
        throw ApplicationFailure.nonRetryable(
          `The text kept for commitment ${commitment} is not the one that the ledger entry commits to: it was changed. ` +
            'Do not rely on it; tell the auditor.',
          'DisclosureChanged',
        );
      }
      return Uint8Array.from(row.content);
    },

    follow: (of, signal) => follow(ledger, announcements, of, signal),
  };
  return ledger;
}

async function* follow(
  ledger: Ledger,
  announcements: Announcements,
  of: OfRun,
  signal: AbortSignal,
): AsyncGenerator<StoredEntry> {
  const leave = announcements.join();
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  /** Entries above `settled` that were handed out already, and when. */
  const seen = new Map<number, number>();
  let settled = 0;
  try {
    while (!signal.aborted) {
      // Before reading, so that nothing can be announced unheard in between.
      const announced = announcements.next(of, until);
      const fresh = (await readOn(ledger, of, settled)).filter(({ id }) => !seen.has(id));
      const now = performance.now();
      for (const entry of fresh) {
        if (signal.aborted) return;
        yield entry;
        seen.set(entry.id, now);
      }
      for (const [id, at] of seen) if (at < now - SETTLED_AFTER_MS) settled = Math.max(settled, id);
      for (const id of seen.keys()) if (id <= settled) seen.delete(id);
      if (fresh.length === 0) await announced;
    }
  } finally {
    ended.abort();
    leave();
  }
}

/** Everything above an id; nothing while the database cannot be reached. */
async function readOn(ledger: Ledger, of: OfRun, afterId: number): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  try {
    for (;;) {
      const page = await ledger.read({ ...of, afterId: entries.at(-1)?.id ?? afterId });
      entries.push(...page);
      if (page.length < DEFAULT_LIMIT) return entries;
    }
  } catch (error) {
    if (error instanceof ApplicationFailure && error.type === 'LedgerUnavailable') return entries;
    throw error;
  }
}

type SqlFunction = 'ledger.read' | 'ledger.disclose' | 'ledger.disclosed';

async function query<R extends pg.QueryResultRow>(
  pool: pg.Pool,
  what: string,
  name: SqlFunction,
  values: unknown[],
): Promise<R[]> {
  const text = `SELECT * FROM ${name}(${values.map((_, index) => `$${index + 1}`).join(', ')})`;
  try {
    const { rows } = await retried(() => pool.query<R>({ name, text, values }));
    return rows;
  } catch (error) {
    throw asFailure(error, what);
  }
}

function toLeaf({ eventKey, entry }: NewEntry): { eventKey: string; bytes: Uint8Array } {
  try {
    return { eventKey, bytes: leafBytes(entry) };
  } catch (error) {
    if (!(error instanceof InvalidEntry)) throw error;
    throw ApplicationFailure.nonRetryable(
      `append ledger entry ${eventKey}: ${error.message}`,
      'LedgerEntryInvalid',
    );
  }
}

interface LeafRow extends pg.QueryResultRow {
  id: string;
  event_key: string;
  leaf: Buffer;
  leaf_hash: Buffer;
  appended_at: Date;
}

interface DisclosureRow extends pg.QueryResultRow {
  salt: Buffer;
  content: Buffer;
}

function toStoredEntry(row: LeafRow): StoredEntry {
  let entry;
  try {
    entry = parseLeaf(row.leaf);
  } catch (error) {
    if (!(error instanceof InvalidEntry)) throw error;
    throw ApplicationFailure.nonRetryable(
      `Ledger entry ${row.id} cannot be read: ${error.message} It was changed, or a newer version of this program wrote it.`,
      'LedgerEntryUnreadable',
    );
  }
  return {
    id: Number(row.id),
    eventKey: row.event_key,
    entry,
    leaf: Uint8Array.from(row.leaf),
    leafHash: hex(row.leaf_hash),
    appendedAt: row.appended_at.toISOString(),
  };
}
