import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { OfRun } from './contract.js';

const CHANNEL = 'ledger';
/** Followers look anyway after this time: an announcement is a courtesy and may be lost. */
const LOOK_AGAIN_MS = 1_000;
/** Announcements of this long go together. */
const COLLECT_MS = 20;

/** NOTIFY writes to the log; without waiting for the disk it does not compete with the appends for it. */
const ANNOUNCE = `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, payload)
  FROM unnest($2::text[]) AS payload`;

/**
 * Tells followers, also in other processes, that a run has new entries. Not part of the appending transaction on
 * purpose: NOTIFY holds a lock of the whole server until its commit is on disk, and appends could no longer share a
 * commit (PostgreSQL, src/backend/commands/async.c, PreCommit_Notify).
 */
export class Announcements {
  readonly #pool: pg.Pool;
  readonly #heard = new EventEmitter().setMaxListeners(0);
  readonly #due = new Set<string>();
  #followers = 0;
  #listener: pg.Client | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  announce(run: OfRun): void {
    const payload = payloadOf(run);
    this.#heard.emit(payload);
    if (this.#due.size === 0) setTimeout(() => this.#send(), COLLECT_MS).unref();
    this.#due.add(payload);
  }

  #send(): void {
    const payloads = [...this.#due];
    this.#due.clear();
    this.#pool
      .query({ name: 'ledger.announce', text: ANNOUNCE, values: [CHANNEL, payloads] })
      .catch(() => undefined); // Followers look again by themselves.
  }

  /** Keeps one connection that listens for all followers of this process. Call the result when done. */
  join(): () => void {
    this.#followers += 1;
    return () => {
      this.#followers -= 1;
      if (this.#followers === 0 && this.#listener !== undefined) this.#drop(this.#listener);
    };
  }

  /** Resolves when the run may have new entries, after a second at the latest, or when the signal fires. */
  async next(run: OfRun, signal: AbortSignal): Promise<void> {
    this.#listen();
    const done = new AbortController();
    const options = { signal: AbortSignal.any([signal, done.signal]) };
    const ended = (): undefined => undefined;
    await Promise.race([
      once(this.#heard, payloadOf(run), options).catch(ended),
      sleep(LOOK_AGAIN_MS, undefined, options).catch(ended),
    ]);
    done.abort();
  }

  #listen(): void {
    if (this.#listener !== undefined || this.#followers === 0) return;
    const client = new pg.Client(this.#pool.options);
    this.#listener = client;
    client.on('notification', ({ payload }) => {
      if (payload !== undefined) this.#heard.emit(payload);
    });
    client.on('error', () => this.#drop(client));
    client
      .connect()
      .then(() => client.query(`LISTEN ${CHANNEL}`))
      .catch(() => this.#drop(client));
  }

  #drop(client: pg.Client): void {
    if (this.#listener === client) this.#listener = undefined;
    client.end().catch(() => undefined);
  }
}

function payloadOf({ org, run }: OfRun): string {
  return `${org}/${run}`;
}
