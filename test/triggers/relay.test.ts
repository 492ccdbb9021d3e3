import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { postgresLedger } from '../../activities/ledger/postgres.js';
import { createPool } from '../../database/pool.js';
import { put, read, recordOutcome, type InboxMessage } from '../../triggers/inbox.js';
import { deliver, startRelay, type RelayOptions } from '../../triggers/relay.js';
import { newRunId } from '../../triggers/run-id.js';
import { clientAt, fixture, road, signalsOf, type Fixture } from './fixture.js';

let f: Fixture;
let grace: string;
beforeAll(async () => {
  f = await fixture();
  grace = await f.person('grace@example.com');
});
afterAll(() => f.close());

const quiet = { info: () => undefined, warn: () => undefined };
const options = (more: Partial<RelayOptions> = {}): RelayOptions => ({
  pool: f.pool,
  ledger: f.ledger,
  databaseUrl: f.databaseUrl,
  clients: { live: f.live.client },
  log: quiet,
  ...more,
});

/** An open run; no worker executes it, so every signal stays in its history. */
async function openRun(): Promise<string> {
  const run = newRunId({ org: 'default', runbook: 'changeKey', at: new Date() });
  await f.live.client.workflow.start('changeKey', { workflowId: run, taskQueue: `nobody-${randomUUID()}` });
  return run;
}
const decision = (run: string, more: object = {}): InboxMessage => ({
  kind: 'decide',
  org: 'default',
  mode: 'live',
  run,
  target: 'revoke',
  verdict: 'approve',
  person: grace,
  assurance: 'slack',
  channel: 'slack',
  ...more,
});
const send = async (message: InboxMessage): Promise<string> => (await put(f.pool, f.ledger, message)).id;
const kindsOf = async (run: string) =>
  (await f.ledger.read({ org: 'default', run })).map(({ entry }) =>
    'code' in entry ? `${entry.kind} ${entry.code}` : entry.kind,
  );
const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 50 });

test('each kind of message becomes the signal of that name, with nothing but the id in it', async () => {
  const run = await openRun();
  const relay = startRelay(options());
  const common = {
    org: 'default',
    mode: 'live',
    run,
    person: grace,
    assurance: 'slack',
    channel: 'slack',
  } as const;
  const ids = [
    await send(decision(run, { reason: 'looks good' })),
    await send({ ...common, kind: 'operate', target: 'openai.createKey#1', choice: 'retry' }),
    await send({ ...common, kind: 'note', reason: 'called the vendor' }),
    await send({ ...common, kind: 'cancel' }),
  ];
  await until(async () => expect(await signalsOf(f.live, run)).toHaveLength(4));
  await relay.stop();
  expect(await signalsOf(f.live, run)).toEqual(
    ['decide', 'operate', 'note', 'cancel'].map((name, index) => ({ name, inboxId: ids[index] })),
  );
});

test('a row written while nobody relayed is relayed, and its notification is heard at once', async () => {
  const run = await openRun();
  await send(decision(run));
  const relay = startRelay(options({ pollMs: 3_600_000 }));
  await until(async () => expect(await signalsOf(f.live, run)).toHaveLength(1));
  await send(decision(run));
  await until(async () => expect(await signalsOf(f.live, run)).toHaveLength(2));
  await relay.stop();
});

test('without notifications a row is found by polling', async () => {
  const run = await openRun();
  const { pool, ledger, clients, log } = { ...options(), log: quiet };
  const relay = startRelay({ pool, ledger, clients, log });
  await send(decision(run));
  await until(async () => expect(await signalsOf(f.live, run)).toHaveLength(1));
  await relay.stop();
});

test('a decision made while Temporal is down is relayed when it is back', async () => {
  const run = await openRun();
  const toTemporal = await road();
  const detour = clientAt(toTemporal.address);
  await toTemporal.close();
  const warnings: string[] = [];
  const relay = startRelay(
    options({
      clients: { live: detour.client },
      log: { ...quiet, warn: (_, message) => warnings.push(message) },
    }),
  );
  const id = await send(decision(run));
  await until(async () => expect(warnings).toContain('a message waits to be relayed'));
  expect(await signalsOf(f.live, run)).toEqual([]);
  expect((await read(f.pool, id))?.relayedAt).toBeNull();
  await toTemporal.open();
  await until(async () => expect((await read(f.pool, id))?.relayedAt).not.toBeNull());
  expect((await signalsOf(f.live, run)).every(({ inboxId }) => inboxId === id)).toBe(true);
  await relay.stop();
  await detour.close();
  await toTemporal.close();
}, 60_000);

test('several relays relay each row, in the order of each run', async () => {
  const runs = await Promise.all([openRun(), openRun(), openRun()]);
  const sent = new Map<string, string[]>(runs.map((run) => [run, []]));
  for (let n = 0; n < 8; n += 1) for (const run of runs) sent.get(run)?.push(await send(decision(run)));
  const relays = [startRelay(options()), startRelay(options()), startRelay(options())];
  for (const run of runs)
    await until(async () => expect((await signalsOf(f.live, run)).length).toBeGreaterThanOrEqual(8));
  await Promise.all(relays.map((relay) => relay.stop()));
  for (const run of runs) {
    expect((await signalsOf(f.live, run)).map(({ inboxId }) => inboxId)).toEqual(sent.get(run));
  }
});

test('a late decision on a closed run is refused, and the refusal is on record', async () => {
  const run = await openRun();
  await f.live.client.workflow.getHandle(run).terminate();
  const relay = startRelay(options());
  const id = await send(decision(run));
  await until(async () => expect((await read(f.pool, id))?.outcome).toMatchObject({ refused: 'RunClosed' }));
  await relay.stop();
  expect(await kindsOf(run)).toEqual(['message.received', 'message.refused RunClosed']);
});

test('a decision on a run that never was is refused at once, and again the same', async () => {
  const run = newRunId({ org: 'default', runbook: 'changeKey', at: new Date() });
  const id = await send(decision(run));
  expect(await deliver(options(), id)).toBe('refused');
  expect(await deliver(options(), id)).toBe('refused');
  expect(await kindsOf(run)).toEqual(['message.received', 'message.refused RunClosed']);
});

test('a message that the run has answered is never refused for being late', async () => {
  const run = newRunId({ org: 'default', runbook: 'changeKey', at: new Date() });
  const id = await send(decision(run));
  await recordOutcome(f.pool, id, { refused: null, sentence: 'Counted.' });
  expect(await deliver(options(), id)).toBe('relayed');
  expect(await kindsOf(run)).toEqual(['message.received']);
});

test('a row whose entry was never written gets it before it is relayed', async () => {
  const run = await openRun();
  // What a process leaves that dies between its row and the entry.
  const dead = createPool('postgres://runbook_app@127.0.0.1:1/none', 'runbook-test');
  const down = { ...f.ledger, append: postgresLedger(dead).append };
  const { id, recorded } = await put(f.pool, down, decision(run, { reason: 'because' }));
  await dead.end();
  expect(recorded).toBe(false);
  expect(await kindsOf(run)).toEqual([]);
  const relay = startRelay(options());
  await until(async () => expect(await signalsOf(f.live, run)).toEqual([{ name: 'decide', inboxId: id }]));
  await relay.stop();
  expect(await kindsOf(run)).toEqual(['message.received']);
}, 60_000);

test('a relay stops at once and leaves nothing behind', async () => {
  const relay = startRelay(options());
  const before = performance.now();
  await relay.stop();
  expect(performance.now() - before).toBeLessThan(2_000);
  await until(async () => {
    const { rows } = await f.pool.query(
      `SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE application_name = 'runbook-relay' AND datname = current_database()`,
    );
    expect(rows).toEqual([{ sessions: 0 }]);
  });
});
