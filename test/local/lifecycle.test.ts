import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { expect, test } from 'vitest';
import { tryLock } from '../../local/lock.js';
import { self } from '../../local/processes.js';
import { readStackFile, startStack } from '../../local/stack.js';
import { afterwards, freshDataFolder, isAlive, plainEnvironment, runStack } from './support.js';

async function query(adminUrl: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function withClient<T>(address: string, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await use(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

test('after a clean stop no process is left, and a run that waited is there after the next start', async () => {
  const dataDir = freshDataFolder();
  const start = () =>
    startStack({ dataDir, rehearsal: true, durable: false, env: plainEnvironment(), publish: true });
  const first = await start();
  afterwards(() => first.stop());
  await query(first.adminUrl, 'create table kept as select 7 as value');
  await withClient(first.temporalAddress, (client) =>
    client.workflow.start('waitsForEver', { workflowId: 'default.some-run', taskQueue: 'nobody', args: [] }),
  );
  expect(readStackFile(dataDir)).toMatchObject({
    temporalAddress: first.temporalAddress,
    adminUrl: first.adminUrl,
  });
  expect(statSync(join(dataDir, 'stack.json')).mode & 0o777).toBe(0o600);
  await first.stop();
  expect([first.postgres.pid, first.temporal.pid].map((pid) => isAlive(pid ?? 0))).toEqual([false, false]);
  expect(existsSync(join(dataDir, 'stack.json'))).toBe(false);

  const second = await start();
  afterwards(() => second.stop());
  expect(second.temporalAddress).toBe(first.temporalAddress);
  expect(await query(second.adminUrl, 'select value from kept')).toEqual([{ value: 7 }]);
  const run = await withClient(second.temporalAddress, (client) =>
    client.workflow.getHandle('default.some-run').describe(),
  );
  expect(run.status.name).toBe('RUNNING');
  await second.destroy();
  expect(existsSync(dataDir)).toBe(false);
});

test('what a process killed by SIGKILL leaves behind is stopped by the next start, and its data is there', async () => {
  const dataDir = freshDataFolder();
  const killed = await runStack(dataDir);
  await query(killed.adminUrl, 'create table kept as select 7 as value');
  killed.child.kill('SIGKILL');
  await killed.exited;
  expect([killed.postgresPid, killed.temporalPid].map(isAlive)).toEqual([true, true]);
  expect(readStackFile(dataDir)).toBeUndefined();

  const lines: string[] = [];
  const next = await startStack({
    dataDir,
    rehearsal: false,
    durable: false,
    env: plainEnvironment(),
    log: (line) => lines.push(line),
  });
  afterwards(() => next.stop());
  expect([killed.postgresPid, killed.temporalPid].map(isAlive)).toEqual([false, false]);
  expect(lines.join('\n')).toContain(`had left (pid ${killed.postgresPid})`);
  expect(lines.join('\n')).toContain(`had left (pid ${killed.temporalPid})`);
  expect(await query(next.adminUrl, 'select value from kept')).toEqual([{ value: 7 }]);
});

test('a second start on the same data folder says which process has it, and disturbs nothing', async () => {
  const dataDir = freshDataFolder();
  const running = await runStack(dataDir);
  await expect(
    startStack({ dataDir, rehearsal: false, durable: false, env: plainEnvironment() }),
  ).rejects.toThrow(`already runs, in process ${running.child.pid ?? 0}`);
  expect(await query(running.adminUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
  running.child.kill('SIGTERM');
  await running.exited;
});

test('Ctrl-C stops both servers and ends with exit code 0', async () => {
  const running = await runStack(freshDataFolder());
  running.child.kill('SIGINT');
  expect(await running.exited).toBe(0);
  expect([running.postgresPid, running.temporalPid].map(isAlive)).toEqual([false, false]);
});

test('a second Ctrl-C hurries, and leaves nothing behind either', async () => {
  const running = await runStack(freshDataFolder());
  running.child.kill('SIGINT');
  running.child.kill('SIGTERM');
  expect(await running.exited).toBe(0);
  expect([running.postgresPid, running.temporalPid].map(isAlive)).toEqual([false, false]);
});

test('when one server cannot be started the other one is stopped', async () => {
  const dataDir = freshDataFolder();
  const lines: string[] = [];
  const start = startStack({
    dataDir,
    rehearsal: false,
    durable: false,
    env: plainEnvironment({ TEMPORAL_ADDRESS: '127.0.0.1:1' }),
    log: (line) => lines.push(line),
  });
  await expect(start).rejects.toThrow(
    'TEMPORAL_ADDRESS is 127.0.0.1:1, but no Temporal server answers there',
  );
  expect(lines.join('\n')).toContain('Postgres: listens');
  expect(existsSync(join(dataDir, 'postgres.pid.json'))).toBe(false);
  const again = await startStack({ dataDir, rehearsal: false, durable: false, env: plainEnvironment() });
  await again.stop();
});

test('a lock of a process that no longer lives is taken over, one of a living process is not', async () => {
  const dataDir = freshDataFolder();
  const running = await runStack(dataDir);
  const file = join(dataDir, 'stack.lock');
  expect(tryLock(file)).toMatchObject({ held: false, by: { pid: running.child.pid } });
  running.child.kill('SIGKILL');
  await running.exited;
  const lock = tryLock(file);
  expect(lock.held).toBe(true);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(self());
  if (lock.held) lock.release();
  expect(existsSync(file)).toBe(false);
  const clean = await startStack({ dataDir, rehearsal: false, durable: false, env: plainEnvironment() });
  await clean.stop();
});
