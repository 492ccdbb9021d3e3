import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { slackMessages } from '../../simulators/slack.js';
import { deliver } from '../../triggers/relay.js';
import { entriesOf, openBench, type Bench, type ChildWorker, type Code } from './bench.js';

const SOON = { timeout: 60_000, interval: 50 };

let bench: Bench;
let before: Code;
let after: Code;
let worker: ChildWorker;

beforeAll(async () => {
  bench = await openBench();
  before = await bench.code('v1');
  after = await bench.code('v2');
  worker = await bench.worker(before);
});
afterAll(() => bench.close());

const resultOf = async (run: string) => (await bench.test.live.workflow.getHandle(run).result()) as unknown;
const messages = (run: string): string[] =>
  slackMessages(bench.test.world, 'incidents')
    .map(({ text }) => text)
    .filter((text) => text.endsWith(` in ${run}`));

async function isAtRest(run: string): Promise<boolean> {
  const { raw } = await bench.test.live.workflow.getHandle(run).describe();
  return (raw.pendingActivities ?? []).length === 0 && raw.pendingWorkflowTask == null;
}

/** Starts a run and returns it with the digest that its approvals are bound to, once its gate is open. */
async function untilAsked(code: Code, input: object = {}): Promise<{ run: string; planDigest: string }> {
  const run = await bench.start(code, 'askThenPost', input);
  await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'gate.opened').length === 1, SOON);
  // A kill before the record is reported would cost the minute after which that activity is tried again.
  await vi.waitUntil(async () => await isAtRest(run), SOON);
  return { run, planDigest: (await bench.status(run)).planDigest ?? '' };
}

describe('decisions while no worker runs', () => {
  test('count once each when a worker is back, however often they are relayed', async () => {
    const { run, planDigest } = await untilAsked(before, { quorum: 2 });
    expect(await worker.kill()).toBe('SIGKILL');
    const first = await bench.decide(run, 'go-on', 'Grace', { planDigest });
    const again = await bench.decide(run, 'go-on', 'Grace', { planDigest });
    const { pool, ledger } = bench.installation;
    await deliver({ pool, ledger, clients: { live: bench.test.live } }, first);
    await bench.test.live.workflow.getHandle(run).signal('decide', { inboxId: first });

    worker = await bench.worker(before);
    await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'message.refused').length === 1, SOON);
    const { gates } = await bench.status(run);
    expect(gates).toMatchObject([{ id: 'go-on', state: 'open', approvals: [await bench.person('Grace')] }]);
    await bench.decide(run, 'go-on', 'Margaret', { planDigest });
    await resultOf(run);

    const entries = await bench.entries(run);
    expect(entriesOf(entries, 'message.accepted').map(({ person }) => person)).toEqual([
      await bench.person('Grace'),
      await bench.person('Margaret'),
    ]);
    expect(entriesOf(entries, 'message.refused')).toMatchObject([{ inbox: again, code: 'AlreadyVoted' }]);
    expect(entriesOf(entries, 'gate.closed')).toMatchObject([{ outcome: 'approved' }]);
    expect(messages(run)).toHaveLength(1);
    expect(checkRun(entries)).toEqual([]);
  });
});

describe('the workflow code is edited and the worker restarted', () => {
  let old: { run: string; planDigest: string };

  beforeAll(async () => {
    old = await untilAsked(before);
    await worker.kill();
  });

  test('a stored bundle that was changed meanwhile is refused', async () => {
    const admin = new pg.Client({ connectionString: bench.test.database.adminUrl });
    await admin.connect();
    const setCode = (code: string) =>
      admin.query('UPDATE engine.bundle SET code = $2 WHERE build_id = $1', [
        before.bundle.buildId,
        gzipSync(code),
      ]);
    try {
      await setCode(before.bundle.code.replace('old code', 'bad code'));
      await expect(bench.worker(after)).rejects.toThrow(
        `The stored workflow bundle ${before.bundle.buildId} was changed.`,
      );
      await setCode(before.bundle.code);
    } finally {
      await admin.end();
    }
  });

  test("yesterday's run goes on with yesterday's code, from the store, and a new one takes today's", async () => {
    expect(after.bundle.buildId).not.toBe(before.bundle.buildId);
    worker = await bench.worker(after);
    expect(worker.output()).toContain(JSON.stringify([after.bundle.buildId, before.bundle.buildId]));
    const fresh = await untilAsked(after);
    for (const { run, planDigest } of [old, fresh]) await bench.decide(run, 'go-on', 'Grace', { planDigest });

    expect(await resultOf(old.run)).toEqual({ text: 'old code' });
    expect(await resultOf(fresh.run)).toEqual({ text: 'new code' });
    expect(messages(old.run)).toEqual([`old code in ${old.run}`]);
    expect(messages(fresh.run)).toEqual([`new code in ${fresh.run}`]);
    for (const [run, code] of [
      [old.run, before],
      [fresh.run, after],
    ] as const) {
      const entries = await bench.entries(run);
      expect(entriesOf(entries, 'run.admitted')).toMatchObject([{ buildId: code.bundle.buildId }]);
      expect(checkRun(entries)).toEqual([]);
    }
  });

  test('code that no open run needs is not hosted any more', async () => {
    await worker.kill();
    worker = await bench.worker(after);
    expect(worker.output()).toContain(JSON.stringify([after.bundle.buildId]));
  });
});
