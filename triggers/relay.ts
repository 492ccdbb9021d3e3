import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import pg from 'pg';
import { pino } from 'pino';
import type { Ledger } from '../activities/ledger/contract.js';
import { eventKey, type EntryOf } from '../activities/ledger/entry.js';
import { REFUSALS } from '../workflows/engine/sentences.js';
import type { Mode } from '../workflows/engine/types.js';
import { fromDatabase, INBOX_CHANNEL, read, record, type DatabaseRow, type InboxRow } from './inbox.js';
import { startLeft, takeLeftStarts, type LeftStarts } from './left-starts.js';

/** Limit of one call to Temporal. */
const SIGNAL_TIMEOUT_MS = 5_000;
/** How long a row belongs to the relay that took it; longer than its call may last. */
const LEASE_SECONDS = 10;
/** A row whose ledger entry is missing for so long was left by a process that died. */
const ABANDONED_SECONDS = 5;
const POLL_MS = 1_000;
/** The longest pause between two attempts: Temporal is back, the decision should not wait much longer. */
const MAX_BACKOFF_MS = 5_000;
const BATCH = 20;

export interface RelayLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface DeliveryOptions {
  readonly pool: pg.Pool;
  readonly ledger: Ledger;
  /** One client per mode that is relayed, of that mode's namespace. */
  readonly clients: Readonly<Partial<Record<Mode, Client>>>;
}

export interface RelayOptions extends DeliveryOptions {
  /** For LISTEN, which needs a session of its own. Without it rows are found by polling, within a second. */
  readonly databaseUrl?: string;
  readonly log?: RelayLog;
  /** Starts live runs whose caller died before Temporal was reached. Without it they wait for the same request. */
  readonly starts?: LeftStarts;
  /** Milliseconds between two looks at the inbox. Default: 1,000. */
  readonly pollMs?: number;
}

export interface Relay {
  /** Stops after the deliveries that are under way. */
  stop(): Promise<void>;
}

export type Delivery = 'relayed' | 'refused';

/**
 * Delivers one row now: for the rehearsal driver.
 * @throws Error when there is no such row or no client of its mode; the client's error when Temporal does not answer
 * (the row stays for the next attempt)
 */
export async function deliver(options: DeliveryOptions, id: string): Promise<Delivery> {
  const row = await read(options.pool, id);
  if (row === undefined) throw new Error(`The inbox has no row ${id}.`);
  if (row.kind === 'start') throw new Error(`Inbox row ${id} is a start, which is not signalled.`);
  if (row.outcome !== null) return row.outcome.refused === 'RunClosed' ? 'refused' : 'relayed';
  return row.relayedAt === null ? await deliverRow(options, row) : 'relayed';
}

/**
 * Relays rows of the inbox as signals for as long as the process lives, and starts what its caller left. Several
 * relays share the work: a row belongs to one of them for a while, and a row that is relayed twice counts once (the
 * run looks at its id).
 */
export function startRelay(options: RelayOptions): Relay {
  const { log = pino({ name: 'relay' }), pollMs = POLL_MS } = options;
  const stopping = new AbortController();
  let wake: () => void = () => undefined;
  let isAwake = false;
  const listener = listen(options.databaseUrl, stopping.signal, log, () => {
    isAwake = true;
    wake();
  });
  const loop = (async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      isAwake = false;
      let pause = pollMs;
      try {
        const { taken, failed } = await relayBatch(options, log);
        failures = 0;
        if (taken > 0 && failed === 0) continue;
      } catch (error) {
        // The database is away: nothing can be lost, rows are relayed when it is back.
        failures += 1;
        pause = backoffMs(failures);
        log.warn({ error: describe(error) }, 'the inbox could not be read; trying again');
      }
      if (isAwake) continue;
      await Promise.race([
        sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined),
        new Promise<void>((resolve) => (wake = resolve)),
      ]);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await loop;
      await listener;
    },
  };
}

async function relayBatch(options: RelayOptions, log: RelayLog): Promise<{ taken: number; failed: number }> {
  const { pool, ledger, clients, starts } = options;
  const { live: client } = clients;
  const rows = await take(pool, Object.keys(clients));
  const tasks = rows.map((row) => ({
    row,
    act: async (): Promise<unknown> =>
      row.kind === 'start' ? await record(pool, ledger, row) : await deliverRow(options, row),
  }));
  if (starts !== undefined && client !== undefined) {
    for (const row of await takeLeftStarts(pool, starts)) {
      tasks.push({ row, act: () => startLeft({ pool, ledger, client }, starts, row) });
    }
  }
  const outcomes = await Promise.all(
    tasks.map(async ({ row, act }) => {
      try {
        await act();
        return true;
      } catch (error) {
        const pause = backoffMs(row.relayAttempts);
        log.warn(
          { inbox: row.id, run: row.run, error: describe(error), pause },
          row.kind === 'start' ? 'a start waits for Temporal' : 'a message waits to be relayed',
        );
        await pool.query(
          `UPDATE engine.inbox SET next_relay_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE id = $1`,
          [row.id, pause],
        );
        return false;
      }
    }),
  );
  return { taken: tasks.length, failed: outcomes.filter((ok) => !ok).length };
}

/** Takes due rows. Messages to one run are relayed one after the other, in the order in which they came. */
async function take(pool: pg.Pool, modes: readonly string[]): Promise<InboxRow[]> {
  const { rows } = await pool.query<DatabaseRow>(
    `UPDATE engine.inbox SET relay_attempts = relay_attempts + 1,
       next_relay_at = clock_timestamp() + ${LEASE_SECONDS} * interval '1 second'
     WHERE id IN (
       SELECT i.id FROM engine.inbox AS i
       WHERE i.mode = ANY ($1) AND i.next_relay_at <= clock_timestamp()
         AND (i.recorded_at IS NULL OR (i.kind <> 'start' AND i.relayed_at IS NULL AND i.outcome_at IS NULL))
         AND (i.recorded_at IS NOT NULL
           OR i.received_at < clock_timestamp() - ${ABANDONED_SECONDS} * interval '1 second')
         AND NOT EXISTS (
           SELECT FROM engine.inbox AS e
           WHERE e.org = i.org AND e.run = i.run AND e.id < i.id
             AND e.kind <> 'start' AND e.relayed_at IS NULL AND e.outcome_at IS NULL)
       ORDER BY i.id LIMIT ${BATCH}
       FOR UPDATE SKIP LOCKED)
     RETURNING *`,
    [modes],
  );
  return rows.map(fromDatabase);
}

async function deliverRow(options: DeliveryOptions, row: InboxRow): Promise<Delivery> {
  const { pool, ledger } = options;
  const client = options.clients[row.mode];
  if (client === undefined)
    throw new Error(`Inbox row ${row.id}: no connection to Temporal for mode ${row.mode}.`);
  if (row.recordedAt === null) await record(pool, ledger, row);
  try {
    await client.withDeadline(Date.now() + SIGNAL_TIMEOUT_MS, () =>
      client.workflow.getHandle(row.run).signal(row.kind, { inboxId: row.id }),
    );
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    return (await refuse(options, row)) ? 'refused' : 'relayed';
  }
  await pool.query(
    'UPDATE engine.inbox SET relayed_at = clock_timestamp() WHERE id = $1 AND relayed_at IS NULL',
    [row.id],
  );
  return 'relayed';
}

/**
 * Refuses a message to a run that is over or never was. A run answers every message before it closes, so where the row
 * has an outcome the message was delivered by another relay and counted.
 */
async function refuse({ pool, ledger }: DeliveryOptions, row: InboxRow): Promise<boolean> {
  const entry: EntryOf<'message.refused'> = {
    v: 1,
    kind: 'message.refused',
    org: row.org,
    mode: row.mode,
    run: row.run,
    runbook: row.runbook,
    at: new Date().toISOString(),
    // A repeated attempt must write the same entry, so this is not the time of the attempt.
    virtual: row.virtualAt,
    inbox: row.id,
    target: row.target,
    person: row.person,
    code: 'RunClosed',
  };
  const connection = await pool.connect();
  try {
    await connection.query('BEGIN');
    const { rowCount } = await connection.query(
      `UPDATE engine.inbox SET outcome = $2, outcome_at = clock_timestamp() WHERE id = $1 AND outcome_at IS NULL`,
      [row.id, JSON.stringify({ refused: 'RunClosed', sentence: REFUSALS.RunClosed })],
    );
    if (rowCount === 1) await ledger.append([{ eventKey: eventKey(entry), entry }]);
    await connection.query('COMMIT');
    connection.release();
    return rowCount === 1;
  } catch (error) {
    connection.release(true);
    throw error;
  }
}

/** Calls back for every NOTIFY, and after every new connection: something may have come in between. */
async function listen(
  databaseUrl: string | undefined,
  signal: AbortSignal,
  log: RelayLog,
  notified: () => void,
): Promise<void> {
  if (databaseUrl === undefined) return;
  for (let failures = 0; !signal.aborted; failures += 1) {
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: 'runbook-relay',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    const over = new Promise<void>((resolve) => {
      client.on('error', () => resolve());
      client.on('end', () => resolve());
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      client.on('notification', notified);
      await client.connect();
      await client.query(`LISTEN ${INBOX_CHANNEL}`);
      failures = 0;
      notified();
      await over;
    } catch (error) {
      log.warn({ error: describe(error) }, 'no notifications of the inbox; it is polled every second');
    }
    await client.end().catch(() => undefined);
    if (!signal.aborted) await sleep(backoffMs(failures + 1), undefined, { signal }).catch(() => undefined);
  }
}

/** Doubles from a quarter of a second, with a spread of a quarter so that relays don't move in step. */
function backoffMs(attempts: number): number {
  const base = Math.min(MAX_BACKOFF_MS, 250 * 2 ** Math.min(attempts - 1, 10));
  return Math.round(base * (0.75 + Math.random() * 0.5));
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
