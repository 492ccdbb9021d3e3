import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { postgresLedger } from '../../activities/ledger/postgres.js';
import { createPool } from '../../database/pool.js';
import { put, read, recordOutcome, type InboxMessage } from '../../triggers/inbox.js';
import { newRunId } from '../../triggers/run-id.js';
import { fixture, type Fixture } from './fixture.js';

let f: Fixture;
let ada: string;
beforeAll(async () => {
  f = await fixture();
  ada = await f.person('ada@example.com');
});
afterAll(() => f.close());

const decision = (more: Partial<Extract<InboxMessage, { kind: 'decide' }>> = {}): InboxMessage => ({
  kind: 'decide',
  org: 'default',
  mode: 'live',
  run: newRunId({ org: 'default', runbook: 'changeKey', at: new Date() }),
  target: 'revoke',
  verdict: 'approve',
  person: ada,
  assurance: 'slack',
  channel: 'slack',
  reason: 'validation passed',
  ...more,
});
const entriesOf = async (run: string) =>
  (await f.ledger.read({ org: 'default', run })).map(({ entry }) => entry);

test('a message is a row and an entry that holds commitments instead of texts', async () => {
  const message = decision({ virtual: '2030-01-01T00:00:00.000Z' });
  const { id, duplicate, recorded } = await put(f.pool, f.ledger, message);
  expect({ duplicate, recorded }).toEqual({ duplicate: false, recorded: true });
  expect(await read(f.pool, id)).toMatchObject({
    run: message.run,
    runbook: 'changeKey',
    body: { verdict: 'approve', reason: 'validation passed' },
    virtualAt: '2030-01-01T00:00:00.000Z',
    outcome: null,
  });
  const [entry, ...others] = await entriesOf(message.run);
  expect(others).toEqual([]);
  expect(entry).toMatchObject({
    kind: 'message.received',
    inbox: id,
    verdict: 'approve',
    person: ada,
    evidence: null,
  });
  expect(JSON.stringify(entry)).not.toContain('validation');
  const commitment = entry?.kind === 'message.received' ? String(entry.reason) : '';
  const content = await f.ledger.disclosed('default', commitment);
  expect(Buffer.from(content ?? []).toString()).toBe('validation passed');
});

test('a double click counts once, also when both clicks arrive at the same moment', async () => {
  const message = decision({ dedupeKey: 'click-1' });
  const results = await Promise.all(Array.from({ length: 8 }, () => put(f.pool, f.ledger, message)));
  expect(new Set(results.map(({ id }) => id)).size).toBe(1);
  expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
  expect(await entriesOf(message.run)).toHaveLength(1);
});

test('a request id that belongs to another message is refused', async () => {
  const message = decision({ dedupeKey: 'click-2' });
  await put(f.pool, f.ledger, message);
  await expect(
    put(f.pool, f.ledger, decision({ run: message.run, dedupeKey: 'click-2', verdict: 'decline' })),
  ).rejects.toMatchObject({ code: 'DedupeKeyReused' });
});

test.each<[string, object, string]>([
  [
    'a reason of 2,001 characters',
    { reason: 'x'.repeat(2_001) },
    'reason: reason is longer than 2000 characters: put the rest behind a link. Correct it',
  ],
  ['a field that nobody knows', { colour: 'red' }, 'has colour, which is not known here'],
  [
    'a choice about a gate',
    { kind: 'operate', verdict: undefined, choice: 'explode' },
    'choice: must be one of retry, skip',
  ],
  [
    'an evidence of 10,001 characters',
    { kind: 'operate', verdict: undefined, choice: 'done', evidence: 'x'.repeat(10_001) },
    'evidence: evidence is longer than 10000 characters',
  ],
  [
    'an input of 64 KiB',
    { kind: 'operate', verdict: undefined, choice: 'retry', input: { a: 'x'.repeat(65_536) } },
    'input: is longer than 65536 bytes of JSON',
  ],
  [
    'a NUL deep in an input',
    { kind: 'operate', verdict: undefined, choice: 'retry', input: { a: ['\0'] } },
    'input: holds a NUL',
  ],
  ['half of a character', { reason: '\ud800' }, 'reason: holds a NUL or half of a character'],
  ['a person who is no id', { person: 'ada@example.com' }, 'person: is not the id of a person'],
])('%s is refused with a sentence, and nothing is stored', async (_, change, sentence) => {
  const message = Object.fromEntries(
    Object.entries({ ...decision(), ...change }).filter(([, value]) => value !== undefined),
  ) as unknown as InboxMessage;
  await expect(put(f.pool, f.ledger, message)).rejects.toThrow(sentence);
  expect(await entriesOf(message.run)).toEqual([]);
});

test('without the ledger nobody is told "received": nothing is stored', async () => {
  const dead = createPool('postgres://runbook_app@127.0.0.1:1/none', 'runbook-test');
  const message = decision({ dedupeKey: 'no-ledger' });
  await expect(put(f.pool, postgresLedger(dead), message)).rejects.toMatchObject({
    type: 'LedgerUnavailable',
  });
  await dead.end();
  const { rows } = await f.pool.query('SELECT id FROM engine.inbox WHERE run = $1', [message.run]);
  expect(rows).toEqual([]);
});

test('the first outcome stays', async () => {
  const { id } = await put(f.pool, f.ledger, decision());
  expect(await recordOutcome(f.pool, id, { refused: null, sentence: 'Counted.' })).toBe(true);
  expect(await recordOutcome(f.pool, id, { refused: 'RunClosed', sentence: 'Too late.' })).toBe(false);
  expect((await read(f.pool, id))?.outcome).toEqual({ refused: null, sentence: 'Counted.' });
});

test('a message that is not there is not there', async () => {
  expect(await read(f.pool, '01J00000000000000000000000')).toBeUndefined();
});

test('the processes can neither change what somebody said nor remove it', async () => {
  const { id } = await put(f.pool, f.ledger, decision());
  const attempt = (sql: string) =>
    f.pool.query(sql, [id]).catch((error: unknown) => (error as pg.DatabaseError).code);
  expect(await attempt(`UPDATE engine.inbox SET body = '{}' WHERE id = $1`)).toBe('42501');
  expect(await attempt(`UPDATE engine.inbox SET person = null WHERE id = $1`)).toBe('42501');
  expect(await attempt('DELETE FROM engine.inbox WHERE id = $1')).toBe('42501');
});
