import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { put, read, recordOutcome } from '../../triggers/inbox.js';
import { databaseDirectory } from '../../triggers/people.js';
import { startRelay, type Relay, type RelayOptions } from '../../triggers/relay.js';
import { newRunId } from '../../triggers/run-id.js';
import { start } from '../../triggers/start.js';
import { catalogue, clientAt, fixture, road, type Fixture } from './fixture.js';

const DIES = fileURLToPath(new URL('dies-before-start.ts', import.meta.url));
const QUEUE = 'nobody-works-here';
const INPUT = { secret: 'openai/api-key' };

let f: Fixture;
let ada: string;
beforeAll(async () => {
  f = await fixture();
  ada = await f.person('ada@example.com');
});
afterAll(() => f.close());

const relayWith = (leftAfterMs: number, more: Partial<RelayOptions> = {}): Relay =>
  startRelay({
    pool: f.pool,
    ledger: f.ledger,
    clients: { live: f.live.client },
    starts: { catalogue, taskQueue: QUEUE, leftAfterMs },
    log: { info: () => undefined, warn: () => undefined },
    pollMs: 100,
    ...more,
  });
const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 50 });

/** Asks for a run in a process that is killed between its row and Temporal. @returns the id of the row and of the run */
async function leftStart(requestId: string): Promise<{ id: string; run: string }> {
  const run = newRunId({ org: 'default', runbook: 'changeKey', at: new Date() });
  const message = {
    ...{ kind: 'start', org: 'default', mode: 'live', run, runbook: 'changeKey', person: ada },
    ...{ assurance: 'slack', channel: 'slack', input: INPUT, dedupeKey: `start/${requestId}` },
  };
  const { signal, stderr } = spawnSync(process.execPath, ['--import', 'tsx', DIES, JSON.stringify(message)], {
    env: { ...process.env, DATABASE_URL: f.databaseUrl },
    encoding: 'utf8',
  });
  expect({ signal, stderr }).toMatchObject({ signal: 'SIGKILL' });
  const { rows } = await f.pool.query<{ id: string }>('SELECT id FROM engine.inbox WHERE run = $1', [run]);
  expect(rows).toHaveLength(1);
  await expect(f.live.client.workflow.getHandle(run).describe()).rejects.toThrow('not found');
  return { id: rows[0]?.id ?? '', run };
}
const ask = (requestId: string) =>
  start(
    {
      ...{ pool: f.pool, ledger: f.ledger, client: f.live.client, mode: 'live', org: 'default', catalogue },
      ...{ directory: databaseDirectory(f.people), configuration: f.configuration, taskQueue: QUEUE },
      acceptedAssurances: ['slack'],
    },
    { runbook: 'change-key', input: INPUT, person: ada, assurance: 'slack', channel: 'slack', requestId },
  );

test('a start whose caller was killed before Temporal was reached is started by the relays, once', async () => {
  const { id, run } = await leftStart('left-1');
  const relays = [relayWith(0), relayWith(0), relayWith(0)];
  await until(async () => expect((await read(f.pool, id))?.relayedAt).not.toBeNull());
  await Promise.all(relays.map((relay) => relay.stop()));
  const { type, status, memo } = await f.live.client.workflow.getHandle(run).describe();
  expect({ type, status: status.name, memo }).toMatchObject({
    type: 'changeKey',
    status: 'RUNNING',
    memo: { inboxId: id, origin: 'slack', mode: 'live' },
  });
  const history = await f.live.client.workflow.getHandle(run).fetchHistory();
  const [started] = history.events ?? [];
  const argument = started?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
  expect(JSON.parse(Buffer.from(argument ?? []).toString('utf8'))).toEqual({
    org: 'default',
    input: INPUT,
    inboxId: id,
  });
  expect(await ask('left-1')).toMatchObject({ started: true, run, duplicate: true });
});

test('a start that its caller still works on, or that was answered, is left alone', async () => {
  const { id, run } = await leftStart('left-2');
  /** A relay that has relayed a message sent after its start has looked at everything before. */
  const looked = async (leftAfterMs: number): Promise<void> => {
    const relay = relayWith(leftAfterMs);
    const nowhere = newRunId({ org: 'default', runbook: 'changeKey', at: new Date() });
    const { id: sentinel } = await put(f.pool, f.ledger, {
      ...{ kind: 'note', org: 'default', mode: 'live', run: nowhere, reason: 'looked', person: ada },
      ...{ assurance: 'slack', channel: 'slack' },
    });
    await until(async () => expect((await read(f.pool, sentinel))?.outcome).not.toBeNull());
    await relay.stop();
    await expect(f.live.client.workflow.getHandle(run).describe()).rejects.toThrow('not found');
  };
  await looked(3_600_000);
  await recordOutcome(f.pool, id, { refused: 'RunIdTaken', sentence: 'Taken.' });
  await looked(0);
});

test('a left start waits while Temporal is away, and is started when it is back', async () => {
  const { id, run } = await leftStart('left-4');
  const toTemporal = await road();
  const detour = clientAt(toTemporal.address);
  await toTemporal.close();
  const warnings: string[] = [];
  const relay = relayWith(0, {
    clients: { live: detour.client },
    log: { info: () => undefined, warn: (_, message) => warnings.push(message) },
  });
  await until(async () => expect(warnings).toContain('a start waits for Temporal'));
  expect((await read(f.pool, id))?.relayedAt).toBeNull();
  await toTemporal.open();
  await until(async () => expect((await read(f.pool, id))?.relayedAt).not.toBeNull());
  await relay.stop();
  expect((await f.live.client.workflow.getHandle(run).describe()).memo).toMatchObject({ inboxId: id });
  await detour.close();
  await toTemporal.close();
}, 60_000);
