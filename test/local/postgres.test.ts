import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { removeDataFolder, startPostgres, type PostgresServer } from '../../local/postgres.js';
import { postgresFiles } from '../../local/postgres-files.js';
import { stack } from '../helpers/stack.js';
import { afterwards, freshDataFolder, isAlive, plainEnvironment } from './support.js';

async function start(dataDir: string, env = plainEnvironment()): Promise<PostgresServer> {
  const server = await startPostgres({ dataDir, log: () => undefined, env, durable: false });
  afterwards(() => server.stop());
  return server;
}

async function setting(adminUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  const { rows } = await client.query<{ value: string }>('select current_setting($1) as value', [name]);
  await client.end();
  return rows[0]?.value ?? '';
}

test('it is durable unless told otherwise, listens on the loopback interface only, and keeps its password private', async () => {
  const dataDir = freshDataFolder();
  const server = await startPostgres({ dataDir, log: () => undefined, env: plainEnvironment() });
  afterwards(() => server.stop());
  expect(await setting(server.adminUrl, 'fsync')).toBe('on');
  expect(await setting(server.adminUrl, 'listen_addresses')).toBe('127.0.0.1');
  expect(await setting(server.adminUrl, 'unix_socket_directories')).toBe('');
  expect(statSync(join(dataDir, 'postgres.password')).mode & 0o777).toBe(0o600);
  const wrong = new URL(server.adminUrl);
  wrong.password = 'password';
  await expect(setting(wrong.href, 'fsync')).rejects.toThrow('password authentication failed');
});

test('it starts with an empty database after somebody deleted the data folder, wherever the cluster is', async () => {
  // As root the cluster is outside when the user postgres can't reach the folder: it outlives the folder.
  const closed = freshDataFolder();
  mkdirSync(closed, { recursive: true, mode: 0o700 });
  const dataDir = join(closed, 'service');
  afterwards(() => removeDataFolder(dataDir));
  const first = await start(dataDir);
  const client = new pg.Client({ connectionString: first.adminUrl });
  await client.connect();
  await client.query('create table of_before (id int)');
  await client.end();
  await first.stop();
  rmSync(dataDir, { recursive: true });
  const second = await start(dataDir);
  const again = new pg.Client({ connectionString: second.adminUrl });
  await again.connect();
  const { rows } = await again.query<{ found: string | null }>(`select to_regclass('of_before') as found`);
  await again.end();
  expect(rows).toEqual([{ found: null }]);
});

test('DATABASE_ADMIN_URL is used, nothing is started, and stop leaves that server alone', async () => {
  const { adminUrl } = stack();
  const server = await start(freshDataFolder(), plainEnvironment({ DATABASE_ADMIN_URL: adminUrl }));
  expect(server).toMatchObject({ adminUrl, pid: undefined });
  await server.stop();
  expect(await setting(adminUrl, 'server_version_num')).toMatch(/^15/);
});

test('a DATABASE_ADMIN_URL that lets nobody in is an error without the password', async () => {
  const wrong = new URL(stack().adminUrl);
  wrong.password = 'not-this-one';
  const failure = start(freshDataFolder(), plainEnvironment({ DATABASE_ADMIN_URL: wrong.href }));
  await expect(failure).rejects.toThrow(
    /DATABASE_ADMIN_URL is set, but Postgres at 127\.0\.0\.1:\d+ does not let us in/,
  );
  await expect(failure).rejects.not.toThrow('not-this-one');
});

test('a killed postmaster whose pid now belongs to somebody else does not keep Postgres from starting', async () => {
  const dataDir = freshDataFolder();
  const killed = await start(dataDir);
  await killed.kill();
  const { cluster, user } = postgresFiles(dataDir);
  const other = spawn('sleep', ['60'], { ...user, cwd: '/', stdio: 'ignore' });
  afterwards(() => other.kill('SIGKILL'));
  const pidFile = join(cluster, 'postmaster.pid');
  const lines = readFileSync(pidFile, 'utf8').split('\n');
  writeFileSync(pidFile, [String(other.pid), ...lines.slice(1)].join('\n'));
  const next = await start(dataDir);
  expect(await setting(next.adminUrl, 'port')).toBe(String(next.port));
  expect(isAlive(other.pid ?? 0)).toBe(true);
});

test('a start that was interrupted during initdb is made good by the next one', async () => {
  const dataDir = freshDataFolder();
  mkdirSync(join(dataDir, 'initdb-half'), { recursive: true });
  mkdirSync(join(dataDir, 'postgres'));
  writeFileSync(join(dataDir, 'postgres.password'), 'some-password\n', { mode: 0o600 });
  const server = await start(dataDir);
  expect(await setting(server.adminUrl, 'port')).toBe(String(server.port));
  expect(existsSync(join(dataDir, 'initdb-half'))).toBe(false);
});

test('a database whose password file is lost is refused with what to do', async () => {
  const dataDir = freshDataFolder();
  await (await start(dataDir)).stop();
  rmSync(join(dataDir, 'postgres.password'));
  await expect(start(dataDir)).rejects.toThrow('Put the file back, or remove the whole data folder');
});
