import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { removeDataFolder } from '../../local/postgres.js';
import { dataFolder } from '../../local/stack.js';
import { startTemporal, type TemporalServer } from '../../local/temporal.js';
import type { Barrier, World } from '../../simulators/world.js';
import { findRunbook } from '../../triggers/catalogue.js';
import { dataConverter } from '../../worker/connection.js';
import { RehearsalHost } from '../../worker/rehearsal/index.js';
import { workflowBundle } from '../helpers/engine.js';
import { entriesOf, openBench, type Bench } from './bench.js';

const HOUR = 3_600_000;
const SOON = { timeout: 60_000, interval: 20 };
const dataDir = dataFolder(`test-${process.pid}-temporal-killed`);

let bench: Bench;
let server: TemporalServer;
let connection: Connection;
let native: NativeConnection;

const startServer = (): Promise<TemporalServer> => {
  const env = { ...process.env, TEMPORAL_ADDRESS: '' };
  return startTemporal({ dataDir, rehearsal: true, log: () => undefined, env });
};
const client = (namespace: string) => new Client({ connection, namespace, dataConverter: dataConverter() });

beforeAll(async () => {
  [bench, server] = await Promise.all([openBench(), startServer()]);
  connection = await Connection.connect({ address: server.address });
  native = await NativeConnection.connect({ address: server.address });
});
afterAll(async () => {
  await bench.close();
  await native.close();
  await connection.close();
  await server.stop();
  removeDataFolder(dataDir);
});

/** SIGKILL, and a new server on the same data. */
async function killAndStart(): Promise<{ killedAt: number; backAt: number }> {
  const { pid, address } = server;
  const killedAt = Date.now();
  await server.kill();
  server = await startServer();
  expect(server.address).toBe(address);
  expect(server.pid).not.toBe(pid);
  return { killedAt, backAt: Date.now() };
}

test('the server is killed during the 24 hours of a rehearsal: the wait ends at its deadline, once, and the run completes', async () => {
  const { pool, ledger, configuration } = bench.installation;
  const { catalogue } = bench.test.installation;
  const host = await RehearsalHost.open({
    ...{
      client: client('rehearsal'),
      connection: native,
      pool,
      ledger,
      org: 'default',
      configuration,
      catalogue,
    },
    ...{ bundle: await workflowBundle(), simulators: bench.test.simulators },
  });
  try {
    const entry = findRunbook(catalogue, 'secretRotation');
    const rehearsal = entry?.spec.rehearsals.find(({ name }) => name === 'OpenAI key, scheduled');
    if (entry === undefined || rehearsal === undefined) throw new Error('The rehearsal is gone.');
    let held: Barrier | undefined;
    const prepare = (world: World) => {
      held = world.barrier('application.errorRate', 'before');
    };
    const rehearsing = host.rehearse(entry, rehearsal, { prepare });
    const ended = rehearsing.then(
      () => 'ended' as const,
      () => 'ended' as const,
    );
    await vi.waitUntil(() => held !== undefined, SOON);
    expect(await Promise.race([held?.reached, ended])).toBeUndefined();
    await killAndStart();
    held?.release();
    const { entries, outcome } = await rehearsing;

    expect(outcome).toBe('completed');
    const started = entriesOf(entries, 'wait.started');
    const over = entriesOf(entries, 'wait.ended');
    expect(started).toHaveLength(1);
    expect(over).toMatchObject([{ wait: 'overlap', cutShort: false }]);
    const until = Date.parse(started[0]?.until ?? '');
    expect(until - Date.parse(started[0]?.virtual ?? '')).toBe(24 * HOUR);
    const late = Date.parse(over[0]?.virtual ?? '') - until;
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(60_000);
    expect(checkRun(entries)).toEqual([]);
  } finally {
    await host.close();
  }
});

test('the server is killed during live waits: each ends once, at its deadline or when the server is back', async () => {
  const steps = await bench.code('steps');
  const live = client('default');
  await bench.worker(steps, { variables: { TEMPORAL_ADDRESS: server.address } });
  const short = await bench.start(steps, 'waitThenAct', { seconds: 2 }, live);
  const long = await bench.start(steps, 'waitThenAct', { seconds: 15 }, live);
  for (const run of [short, long]) {
    await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'wait.started').length === 1, SOON);
  }
  const { killedAt, backAt } = await killAndStart();
  for (const run of [short, long]) {
    await live.workflow.getHandle(run).result();
    const entries = await bench.entries(run);
    const until = Date.parse(entriesOf(entries, 'wait.started')[0]?.until ?? '');
    const over = entriesOf(entries, 'wait.ended');
    expect(over).toMatchObject([{ wait: 'pause', cutShort: false }]);
    const endedAt = Date.parse(over[0]?.virtual ?? '');
    expect(killedAt).toBeLessThan(until);
    expect(endedAt).toBeGreaterThanOrEqual(until);
    expect(endedAt).toBeLessThan(Math.max(until, backAt) + 15_000);
    const { events } = await live.workflow.getHandle(run).fetchHistory();
    const waits = (events ?? []).filter(({ timerFiredEventAttributes }) => timerFiredEventAttributes != null);
    expect(waits).toHaveLength(1);
    expect(entriesOf(entries, 'run.closed')).toMatchObject([{ outcome: 'completed' }]);
    expect(checkRun(entries)).toEqual([]);
  }
});
