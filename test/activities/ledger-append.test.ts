import { ApplicationFailure } from '@temporalio/common';
import { createHash, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Ledger, StoredEntry } from '../../activities/ledger/contract.js';
import { eventKey, leafBytes, type EntryOf } from '../../activities/ledger/entry.js';
import { postgresLedger } from '../../activities/ledger/postgres.js';
import { createPool } from '../../database/pool.js';
import { asSuperuser } from '../database/fresh.js';
import { freshDatabase, type TestDatabase } from '../helpers/stack.js';
import { postgresProxy, type Proxy } from './ledger-proxy.js';
import { common, everyKind, intent, keyed, outcome } from './ledger-sample.js';

let database: TestDatabase;
let pool: pg.Pool;
let ledger: Ledger;
let run: string;

beforeAll(async () => {
  database = await freshDatabase();
  pool = createPool(database.appUrl, 'test');
  ledger = postgresLedger(pool);
});
afterAll(() => pool.end());
beforeEach(() => {
  run = `run-${randomUUID()}`;
});

const read = (): Promise<StoredEntry[]> => ledger.read({ org: common.org, run });

async function failure(promise: Promise<unknown>): Promise<ApplicationFailure> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ApplicationFailure);
  return error as ApplicationFailure;
}

describe('appending', () => {
  test('stores the exact canonical bytes and their RFC 6962 hash', async () => {
    const entry = intent({ run });
    await ledger.append([keyed(entry)]);
    const [stored] = await read();
    const leaf = leafBytes(entry);
    expect(stored).toMatchObject({ entry, eventKey: eventKey(entry) });
    expect(stored?.leaf).toEqual(leaf);
    expect(stored?.leafHash).toBe(
      createHash('sha256')
        .update(Buffer.concat([Buffer.of(0), leaf]))
        .digest('hex'),
    );
  });

  test('accepts every kind of entry, and keeps the order of one call', async () => {
    const entries = Object.values(everyKind).map((entry, n) => ({
      eventKey: `${run}/${n}`,
      entry: { ...entry, run },
    }));
    await ledger.append(entries);
    expect((await read()).map(({ entry }) => entry)).toEqual(entries.map(({ entry }) => entry));
  });

  test('again under the same key is one entry', async () => {
    await ledger.append([keyed(intent({ run }))]);
    await ledger.append([keyed(intent({ run })), keyed(intent({ run })), keyed(outcome({ run }))]);
    expect((await read()).map(({ entry }) => entry.kind)).toEqual(['step.intent', 'step.outcome']);
  });

  test('again a moment later is still one entry, with the time of the first', async () => {
    await ledger.append([keyed(intent({ run }))]);
    await ledger.append([keyed(intent({ run, at: '2026-08-21T09:00:07.000Z' }))]);
    expect((await read()).map(({ entry }) => entry.at)).toEqual([common.at]);
  });

  test('twice at once under the same key, from two processes, is one entry', async () => {
    const other = createPool(database.appUrl, 'other process');
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        (n % 2 === 0 ? ledger : postgresLedger(other)).append([keyed(intent({ run }))]),
      ),
    );
    await other.end();
    expect(await read()).toHaveLength(1);
  });

  test('two calls that meet in opposite order both succeed', async () => {
    const other = createPool(database.appUrl, 'other process');
    const entries = Array.from({ length: 200 }, (_, n) => keyed(intent({ run, attempt: n + 1 })));
    await Promise.all([ledger.append(entries), postgresLedger(other).append([...entries].reverse())]);
    await other.end();
    expect(await read()).toHaveLength(200);
  });

  test.each<[string, Partial<EntryOf<'step.intent'>>]>([
    ['another input', { inputHash: 'b'.repeat(64) }],
    ['another mode', { mode: 'live' }],
    ['another virtual time', { virtual: '2026-08-23T09:00:00.000Z' }],
  ])('%s under the same key is refused, and nothing of that call is stored', async (_, change) => {
    await ledger.append([keyed(intent({ run }))]);
    const error = await failure(ledger.append([keyed(outcome({ run })), keyed(intent({ run, ...change }))]));
    expect(error).toMatchObject({ type: 'EventKeyReused', nonRetryable: true });
    expect(error.message).toContain(eventKey(intent({ run })));
    expect((await read()).map(({ entry }) => entry)).toEqual([intent({ run })]);
  });

  test('a refused entry does not harm the calls that came at the same moment', async () => {
    await ledger.append([keyed(intent({ run }))]);
    const results = await Promise.allSettled([
      ledger.append([keyed(intent({ run, attempt: 2 }))]),
      ledger.append([keyed(intent({ run, inputHash: 'b'.repeat(64) }))]),
      ledger.append([keyed(intent({ run, attempt: 3 }))]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await read()).toHaveLength(3);
  });

  test('calls of one moment share a commit', async () => {
    const before = await commits();
    await Promise.all(
      Array.from({ length: 200 }, (_, n) => ledger.append([keyed(intent({ run, attempt: n + 1 }))])),
    );
    expect((await commits()) - before).toBeLessThan(20);
    expect(await read()).toHaveLength(200);
  });

  test('an entry that does not fit its schema is refused before it is sent', async () => {
    const entry = { ...intent({ run }), comment: 'canary' };
    const error = await failure(ledger.append([keyed(entry)]));
    expect(error).toMatchObject({ type: 'LedgerEntryInvalid', nonRetryable: true });
    expect(error.message).toContain('unknown field comment');
    expect(error.message).not.toContain('canary');
    expect(await read()).toEqual([]);
  });

  /** Transactions that wrote: distinct ones among the stored rows of this run. */
  async function commits(): Promise<number> {
    const [result] = await asSuperuser(
      'SELECT count(DISTINCT xmin::text) AS n FROM ledger.leaf',
      database.adminUrl,
    );
    return Number(result?.rows[0]?.['n']);
  }
});

describe('when the database fails', () => {
  let proxy: Proxy;
  let proxied: pg.Pool;
  let faulty: Ledger;
  beforeEach(async () => {
    proxy = await postgresProxy(database.appUrl);
    proxied = createPool(proxy.url, 'proxied', { onIdleError: () => undefined });
    faulty = postgresLedger(proxied);
  });
  afterEach(async () => {
    await proxied.end();
    await proxy.close();
  });

  test.each(['request', 'answer'] as const)(
    'an append whose %s is lost is repeated and ends as exactly one entry',
    async (what) => {
      await faulty.append([keyed(intent({ run }))]);
      proxy.cut(what, eventKey(outcome({ run })));
      await faulty.append([keyed(outcome({ run }))]);
      expect(proxy.injected[what]).toBe(1);
      expect((await read()).map(({ entry }) => entry.kind)).toEqual(['step.intent', 'step.outcome']);
    },
  );

  test('a lost answer means that the entry was stored before the repetition', async () => {
    proxy.cut('answer', eventKey(intent({ run })));
    const appending = faulty.append([keyed(intent({ run }))]);
    await expect.poll(() => proxy.injected.answer, { interval: 1 }).toBe(1);
    proxy.down();
    expect(await read()).toHaveLength(1);
    expect((await failure(appending)).type).toBe('LedgerUnavailable');
    proxy.up();
    await faulty.append([keyed(intent({ run }))]);
    expect(await read()).toHaveLength(1);
  });

  test('a ledger that stays away is LedgerUnavailable after about two seconds, and not retryable', async () => {
    proxy.down();
    const start = performance.now();
    const error = await failure(faulty.append([keyed(intent({ run }))]));
    expect(error).toMatchObject({ type: 'LedgerUnavailable', nonRetryable: true });
    expect(performance.now() - start).toBeGreaterThan(1_000);
    expect(performance.now() - start).toBeLessThan(4_000);
    expect(error.message).not.toContain(new URL(proxy.url).password);
    expect(await read()).toEqual([]);
  });

  test('a ledger that comes back within that time is not noticed', async () => {
    proxy.down();
    const appending = faulty.append([keyed(intent({ run }))]);
    setTimeout(() => proxy.up(), 500);
    await appending;
    expect(await read()).toHaveLength(1);
  });

  test('a server process that is killed under an append is not noticed', async () => {
    await faulty.append([keyed(intent({ run }))]);
    const ended = await asSuperuser(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'proxied'`,
      database.adminUrl,
    );
    expect(ended[0]?.rowCount).toBeGreaterThan(0);
    await faulty.append([keyed(outcome({ run }))]);
    expect(await read()).toHaveLength(2);
  });

  test('reading and disclosing fail in the same way', async () => {
    proxy.down();
    const failures = await Promise.all([
      failure(faulty.read({ org: common.org, run })),
      failure(faulty.disclose({ org: common.org, content: 'canary' })),
      failure(faulty.disclosed(common.org, 'a'.repeat(64))),
    ]);
    for (const error of failures) {
      expect(error).toMatchObject({ type: 'LedgerUnavailable', nonRetryable: true });
      expect(error.message).not.toContain('canary');
    }
  });
});

test('rights that were taken away are LedgerUnavailable: no step may act without its record', async () => {
  const own = await freshDatabase();
  const other = createPool(own.appUrl, 'test');
  await asSuperuser(
    'REVOKE EXECUTE ON FUNCTION ledger.append(text[], bytea[]) FROM runbook_app',
    own.adminUrl,
  );
  const error = await failure(postgresLedger(other).append([keyed(intent({ run }))]));
  expect(error).toMatchObject({ type: 'LedgerUnavailable', nonRetryable: true });
  expect(error.message).toContain('42501');
  await other.end();
});

describe('reading', () => {
  test('pages, and never shows another run or organisation', async () => {
    const entries = Array.from({ length: 5 }, (_, n) => keyed(intent({ run, attempt: n + 1 })));
    await ledger.append([
      ...entries,
      keyed(intent({ run, org: 'other' })),
      keyed(intent({ run: `${run}x` })),
    ]);
    const first = await ledger.read({ org: common.org, run, limit: 2 });
    const rest = await ledger.read({ org: common.org, run, afterId: first[1]?.id ?? 0 });
    expect([...first, ...rest].map(({ eventKey: key }) => key)).toEqual(
      entries.map(({ eventKey: key }) => key),
    );
  });

  test('an entry that was changed by the database administrator is not read as if it were one', async () => {
    await ledger.append([keyed(intent({ run }))]);
    await asSuperuser(
      `UPDATE ledger.leaf SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"round":1', '"round": 1'), 'UTF8')
       WHERE run = '${run}'`,
      database.adminUrl,
    );
    const error = await failure(read());
    expect(error).toMatchObject({ type: 'LedgerEntryUnreadable', nonRetryable: true });
  });
});

describe('texts', () => {
  test('stand outside of the record, and are found by their commitment until they are erased', async () => {
    const { commitment } = await ledger.disclose({
      org: common.org,
      content: 'canary: wegen Störung',
      subject: 'p_x',
    });
    const content = await ledger.disclosed(common.org, commitment);
    expect(new TextDecoder().decode(content)).toBe('canary: wegen Störung');
    expect(await ledger.disclosed('other', commitment)).toBeUndefined();

    const received = { ...everyKind['message.received'], run, reason: commitment };
    await ledger.append([keyed(received)]);
    const [leaves] = await asSuperuser(
      `SELECT string_agg(encode(leaf, 'escape'), '') AS all FROM ledger.leaf`,
      database.adminUrl,
    );
    expect(String(leaves?.rows[0]?.['all'])).toContain(commitment);
    expect(String(leaves?.rows[0]?.['all'])).not.toContain('canary');

    await asSuperuser(`DELETE FROM ledger.disclosure WHERE subject = 'p_x'`, database.adminUrl);
    expect(await ledger.disclosed(common.org, commitment)).toBeUndefined();
    expect((await read()).map(({ entry }) => entry)).toEqual([received]);
  });

  test('the same text twice has two commitments: nobody can guess it by comparing', async () => {
    const one = await ledger.disclose({ org: common.org, content: 'same' });
    const two = await ledger.disclose({ org: common.org, content: 'same' });
    expect(one.commitment).not.toBe(two.commitment);
  });

  test('a text that was changed behind its commitment is not shown', async () => {
    const { commitment } = await ledger.disclose({
      org: common.org,
      content: 'what was said',
      subject: 'p_y',
    });
    await asSuperuser(
      `UPDATE ledger.disclosure SET content = 'other' WHERE subject = 'p_y'`,
      database.adminUrl,
    );
    expect((await failure(ledger.disclosed(common.org, commitment))).type).toBe('DisclosureChanged');
  });

  test('more than 1 MiB is refused with what to do instead', async () => {
    const error = await failure(ledger.disclose({ org: common.org, content: new Uint8Array(1_048_577) }));
    expect(error.type).toBe('DisclosureTooLong');
    expect(error.message).toContain('link');
  });
});

describe('following', () => {
  async function collect(of: Ledger, count: number, stop: AbortController): Promise<string[]> {
    const keys: string[] = [];
    for await (const { eventKey: key } of of.follow({ org: common.org, run }, stop.signal)) {
      keys.push(key);
      if (keys.length === count) break;
    }
    stop.abort();
    return keys;
  }

  test('shows what is there and then what other processes append, each once', async () => {
    const other = createPool(database.appUrl, 'other process');
    const writer = postgresLedger(other);
    const entries = Array.from({ length: 6 }, (_, n) => keyed(intent({ run, attempt: n + 1 })));
    await writer.append(entries.slice(0, 2));
    const following = collect(ledger, entries.length, new AbortController());
    for (const entry of entries.slice(2)) await writer.append([entry]);
    expect(await following).toEqual(entries.map(({ eventKey: key }) => key));
    await other.end();
  });

  test('shows an entry that commits after one with a higher id', async () => {
    const late = await pool.connect();
    const [early, higher] = [keyed(intent({ run, attempt: 1 })), keyed(intent({ run, attempt: 2 }))];
    await late.query('BEGIN');
    await late.query('SELECT ledger.append($1, $2)', [[early.eventKey], [leafBytes(early.entry)]]);
    const shown: string[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const { eventKey: key } of ledger.follow({ org: common.org, run }, stop.signal))
        shown.push(key);
    })();
    await ledger.append([higher]);
    await expect.poll(() => shown).toEqual([higher.eventKey]);
    await late.query('COMMIT');
    late.release();
    await expect.poll(() => shown, { timeout: 5_000 }).toEqual([higher.eventKey, early.eventKey]);
    stop.abort();
    await following;
  });

  test('ends without an error when it is told to, and leaves no connection behind', async () => {
    const own = createPool(database.appUrl, 'follower');
    const stop = new AbortController();
    const following = collect(postgresLedger(own), 1, stop);
    const listening = async () => {
      const [result] = await asSuperuser(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'follower' AND query LIKE 'LISTEN%'`,
        database.adminUrl,
      );
      return result?.rows[0]?.['n'];
    };
    await expect.poll(listening).toBe(1);
    stop.abort();
    expect(await following).toEqual([]);
    await expect.poll(listening).toBe(0);
    await own.end();
  });

  test('goes on after the database was away', async () => {
    const proxy = await postgresProxy(database.appUrl);
    const own = createPool(proxy.url, 'follower', { onIdleError: () => undefined });
    const following = collect(postgresLedger(own), 2, new AbortController());
    await ledger.append([keyed(intent({ run }))]);
    proxy.down();
    await ledger.append([keyed(outcome({ run }))]);
    setTimeout(() => proxy.up(), 300);
    expect(await following).toHaveLength(2);
    await own.end();
    await proxy.close();
  });
});
