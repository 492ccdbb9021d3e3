import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { lockId, lookAtLock } from '../../activities/engine/locks.js';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { openBench, entriesOf, type Bench, type ChildWorker, type Code } from './bench.js';

const SOON = { timeout: 60_000, interval: 50 };
const ROUNDS = 4;
const TWINS = 3;

let bench: Bench;
let code: Code;
let worker: ChildWorker;

beforeAll(async () => {
  bench = await openBench();
  code = await bench.code('locks');
  worker = await bench.worker(code);
});
afterAll(() => bench?.close());

const begin = (resource: string) => bench.start(code, 'lockTrial', { resource });
const handle = (run: string) => bench.test.live.workflow.getHandle(run);
const idOf = (resource: string) => lockId(`default.${bench.test.deployment}`, resource);
const holderOf = async (resource: string) => (await lookAtLock(bench.test.live, idOf(resource)))?.holder;

/** Whether the run was admitted or refused, once that is on the record; both would be a contradiction. */
async function fateOf(run: string): Promise<string> {
  const fates = async () =>
    (await bench.entries(run)).map(({ entry }) => entry.kind).filter((kind) => /^run\.(adm|ref)/.test(kind));
  await vi.waitUntil(async () => (await fates()).length > 0, SOON);
  return (await fates()).join();
}

/** How often somebody began to hold the resource: each is a run of the lock's workflow. */
async function timesTaken(resource: string): Promise<number> {
  const { count } = await bench.test.live.workflow.count(`WorkflowId = "${idOf(resource)}"`);
  return count;
}

/** One of the runs was admitted and holds the resource alone; each other one was told which. */
async function expectOneAdmitted(resource: string, runs: readonly string[]): Promise<string> {
  const fates = await Promise.all(runs.map(fateOf));
  expect(fates.toSorted()).toEqual(['run.admitted', ...runs.slice(1).map(() => 'run.refused')]);
  const winner = runs[fates.indexOf('run.admitted')] ?? '';
  expect(await holderOf(resource)).toBe(winner);
  for (const run of runs.filter((each) => each !== winner)) {
    await expect(handle(run).result()).rejects.toMatchObject({
      cause: { type: 'NotAdmitted', message: expect.stringContaining(`runbook status ${winner}`) as string },
    });
    const entries = await bench.entries(run);
    expect(entriesOf(entries, 'run.refused')).toMatchObject([{ code: 'Locked' }]);
    expect(entriesOf(entries, 'lock.acquired')).toEqual([]);
    expect(checkRun(entries)).toEqual([]);
  }
  await vi.waitUntil(async () => entriesOf(await bench.entries(winner), 'lock.acquired').length === 1, SOON);
  return winner;
}

/** The run goes on to its end and leaves no lock behind. */
async function expectFreeAfter(resource: string, run: string): Promise<void> {
  await handle(run).cancel();
  await handle(run)
    .result()
    .catch(() => undefined);
  await vi.waitUntil(async () => (await holderOf(resource)) === undefined, SOON);
  const entries = await bench.entries(run);
  expect(entriesOf(entries, 'run.admitted')).toHaveLength(1);
  expect(entriesOf(entries, 'lock.acquired')).toHaveLength(1);
  expect(entriesOf(entries, 'lock.released')).toHaveLength(1);
  expect(entriesOf(entries, 'run.closed')).toMatchObject([{ outcome: 'cancelled' }]);
  expect(checkRun(entries)).toEqual([]);
}

test(`${TWINS} runs on one thing that start at the same moment: one is admitted, the others are told which`, async () => {
  for (let round = 1; round <= ROUNDS; round += 1) {
    const resource = `failover/round-${round}`;
    const runs = await Promise.all(Array.from({ length: TWINS }, () => begin(resource)));
    const winner = await expectOneAdmitted(resource, runs);
    await vi.waitUntil(async () => (await timesTaken(resource)) === 1, SOON);
    await expectFreeAfter(resource, winner);
  }
});

interface HeldLedger {
  /** Whether somebody waits to append. */
  isWaitedFor(): Promise<boolean>;
  /** Ends the connections of those who wait: what they wanted to append is not appended. */
  cutOff(): Promise<void>;
  release(): Promise<void>;
}

/** Nothing can be appended to the ledger until it is released; it can be read. */
async function holdLedger(): Promise<HeldLedger> {
  const admin = new pg.Client({ connectionString: bench.test.database.adminUrl });
  await admin.connect();
  await admin.query('BEGIN');
  await admin.query('LOCK TABLE ledger.leaf IN EXCLUSIVE MODE');
  const waiting = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return {
    isWaitedFor: async () => ((await admin.query(`SELECT pid ${waiting}`)).rowCount ?? 0) > 0,
    cutOff: async () => void (await admin.query(`SELECT pg_terminate_backend(pid) ${waiting}`)),
    release: async () => {
      await admin.query('ROLLBACK');
      await admin.end();
    },
  };
}

/** A run whose worker has taken the lock for it, and waits to record the admission. */
async function lockTakenOnly(resource: string): Promise<{ run: string; ledger: HeldLedger }> {
  await worker.kill();
  const run = await begin(resource);
  const ledger = await holdLedger();
  worker = await bench.worker(code);
  await vi.waitUntil(async () => (await holderOf(resource)) === run && (await ledger.isWaitedFor()), SOON);
  expect(entriesOf(await bench.entries(run), 'run.admitted')).toEqual([]);
  return { run, ledger };
}

async function isTriedAgain(run: string): Promise<boolean> {
  const { raw } = await handle(run).describe();
  const isDone = entriesOf(await bench.entries(run), 'run.admitted').length > 0;
  return isDone || (raw.pendingActivities ?? []).some(({ attempt }) => (attempt ?? 1) > 1);
}

/** It was begun once although its first worker is gone, and the next one can have the resource. */
async function expectHeldOnce(resource: string, run: string): Promise<void> {
  const twin = await begin(resource);
  expect(await expectOneAdmitted(resource, [run, twin])).toBe(run);
  const { events } = await handle(run).fetchHistory();
  const attempts = (events ?? []).map((event) => event.activityTaskStartedEventAttributes?.attempt ?? 0);
  expect(Math.max(...attempts)).toBeGreaterThan(1);
  await expectFreeAfter(resource, run);
  await vi.waitUntil(async () => (await timesTaken(resource)) === 1, SOON);
  const next = await begin(resource);
  expect(await expectOneAdmitted(resource, [next])).toBe(next);
  await expectFreeAfter(resource, next);
}

test('a worker that is killed after it took the lock and before the admission is recorded: the run holds it once, and nobody is locked out', async () => {
  const resource = 'failover/killed';
  const { run, ledger } = await lockTakenOnly(resource);
  expect(await worker.kill()).toBe('SIGKILL');
  await ledger.cutOff();
  await ledger.release();
  expect(entriesOf(await bench.entries(run), 'run.admitted')).toEqual([]);
  worker = await bench.worker(code);
  await expectHeldOnce(resource, run);
});

test('a worker that is paused there and goes on when another one has taken over: the run holds the lock once', async () => {
  const resource = 'failover/paused';
  const { run, ledger } = await lockTakenOnly(resource);
  const paused = worker;
  paused.process.kill('SIGSTOP');
  await ledger.cutOff();
  await ledger.release();
  worker = await bench.worker(code);
  // Until Temporal has given its attempt up.
  await vi.waitUntil(async () => await isTriedAgain(run), SOON);
  paused.process.kill('SIGCONT');
  await expectHeldOnce(resource, run);
  expect(await paused.kill()).toBe('SIGKILL');
});

test('a run that is gone for good after its worker took the lock and was killed: the next one gets the lock', async () => {
  const resource = 'failover/gone';
  const { run, ledger } = await lockTakenOnly(resource);
  expect(await worker.kill()).toBe('SIGKILL');
  await handle(run).terminate('a test');
  await ledger.cutOff();
  await ledger.release();
  expect(await holderOf(resource)).toBe(run);
  worker = await bench.worker(code);
  const twins = await Promise.all([begin(resource), begin(resource)]);
  const winner = await expectOneAdmitted(resource, twins);
  expect(entriesOf(await bench.entries(run), 'run.admitted')).toEqual([]);
  await expectFreeAfter(resource, winner);
});
