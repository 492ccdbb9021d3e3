import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { tryLock } from './lock.js';
import { endsWithUs } from './processes.js';

export const SERVER_VERSION = 'v1.32.1';
/** go.mod of that server version asks for it. */
const GO_AT_LEAST = [1, 26, 8] as const;
/** The official CLI whose server can skip time. */
const CLI_VERSION = 'v1.9.1';
/** No byte for so long: there is no internet. */
const DOWNLOAD_STALLS_AFTER_MS = 12_000;

type Log = (line: string) => void;

/** Where built and downloaded servers are kept for every checkout of this user. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const base = env['XDG_CACHE_HOME'];
  const folder = join(
    base !== undefined && base.startsWith('/') ? base : join(env['HOME'] ?? homedir(), '.cache'),
    'runbook',
  );
  mkdirSync(folder, { recursive: true });
  return folder;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** First executable of that name on the PATH of `env`. */
export function onPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

const builtServer = (env: NodeJS.ProcessEnv): string =>
  join(cacheFolder(env), `temporal-server-${SERVER_VERSION}`);
const downloadTarget = (env: NodeJS.ProcessEnv): string =>
  join(cacheFolder(env), `temporal-cli-${CLI_VERSION}-downloaded`);

export const hasBuiltServer = (env: NodeJS.ProcessEnv): boolean => isExecutable(builtServer(env));
export const hasDownloadedCli = (env: NodeJS.ProcessEnv): boolean => isExecutable(downloadTarget(env));

/** Runs `make` unless `target` exists; when another process is at it, waits for that one. */
async function once(target: string, what: string, log: Log, make: () => Promise<void>): Promise<string> {
  let said = false;
  for (;;) {
    if (isExecutable(target)) return target;
    const lock = tryLock(`${target}.lock`);
    if (lock.held) {
      try {
        if (!isExecutable(target)) await make();
        return target;
      } finally {
        lock.release();
      }
    }
    if (!said) log(`Temporal: process ${lock.by.pid} is ${what}; waiting for it`);
    said = true;
    await sleep(500);
  }
}

/** This way to a Temporal server does not work here; the next one is tried. */
export class WayUnavailable extends Error {
  override name = 'WayUnavailable';
}

/** The same, and nobody needs to be told unless every way fails: the program is simply not installed. */
export class WayAbsent extends WayUnavailable {
  override name = 'WayAbsent';
}

function goVersion(go: string, env: NodeJS.ProcessEnv): string {
  const answer = spawnSync(go, ['env', 'GOVERSION'], {
    env: { ...env, GOTOOLCHAIN: 'local' },
    encoding: 'utf8',
  });
  const version = /^go(\d+(?:\.\d+)*)/.exec(answer.stdout?.trim() ?? '')?.[1];
  if (version === undefined) throw new WayUnavailable(`${go} does not say its version`);
  return version;
}

function isOlder(version: string, least: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, wanted] of least.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}

function goInstall(go: string, module: string, env: NodeJS.ProcessEnv, into: string): Promise<void> {
  // Settings of the user's own projects (-mod=vendor, another toolchain, cgo) must not change this build.
  const settings = {
    GOBIN: into,
    GOFLAGS: '',
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    GO111MODULE: 'on',
    CGO_ENABLED: '0',
  };
  return new Promise((done, fail) => {
    const build = execFile(
      go,
      ['install', module],
      { env: { ...env, ...settings }, cwd: into, maxBuffer: 64 * 1024 * 1024 },
      (error, _out, err) => {
        if (error === null) done();
        else
          fail(
            new WayUnavailable(
              `go install ${module} failed: ${err.trim().split('\n').slice(-5).join(' | ')}`,
            ),
          );
      },
    );
    endsWithUs(build);
  });
}

async function buildWithGo(
  target: string,
  module: string,
  binary: string,
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<string> {
  const folder = dirname(target);
  const name = basename(target);
  if (isExecutable(target)) return target;
  const go = onPath('go', env);
  if (go === undefined) throw new WayAbsent('Go is not on the PATH');
  const version = goVersion(go, env);
  if (isOlder(version, GO_AT_LEAST)) {
    throw new WayUnavailable(
      `Go ${version} is too old to build ${module}: ${GO_AT_LEAST.join('.')} or newer is needed`,
    );
  }
  return once(target, `building ${name}`, log, async () => {
    log(
      `Temporal: building ${name} with Go ${version}. This takes about 4 minutes, once; it is kept in ${folder}`,
    );
    const into = mkdtempSync(join(folder, '.build-'));
    try {
      await goInstall(go, module, env, into);
      renameSync(join(into, binary), target);
      log(`Temporal: built ${name}`);
    } finally {
      rmSync(into, { recursive: true, force: true });
    }
  });
}

/**
 * The official server, built by Go into the user's cache folder when it is not there yet.
 * @throws WayUnavailable when it is neither there nor to be built
 */
export function temporalServerBinary(env: NodeJS.ProcessEnv, log: Log): Promise<string> {
  const module = `go.temporal.io/server/cmd/server@${SERVER_VERSION}`;
  return buildWithGo(builtServer(env), module, 'server', env, log);
}

/** The schema tool of the same version, for the server on Postgres. */
export function temporalSqlTool(env: NodeJS.ProcessEnv, log: Log): Promise<string> {
  const module = `go.temporal.io/server/cmd/tools/sql@${SERVER_VERSION}`;
  return buildWithGo(join(cacheFolder(env), `temporal-sql-tool-${SERVER_VERSION}`), module, 'sql', env, log);
}

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** The innermost of a chain of causes `a: b: c`. */
function lastCause(errors: string): string {
  return errors.trim().split('\n').at(-1)?.split(': ').slice(-2).join(': ') ?? '';
}

/** The SDK downloads in a process of its own: a hanging download cannot be called off from outside. */
async function download(into: string, env: NodeJS.ProcessEnv, stallsAfterMs: number): Promise<void> {
  const script = fileURLToPath(new URL('temporal-download.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, into, CLI_VERSION], {
    env,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  endsWithUs(child);
  const pid = child.pid;
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  let seen = -1;
  let since = Date.now();
  let stalled = false;
  const watch = setInterval(() => {
    const size = bytesIn(into);
    if (size !== seen) [seen, since] = [size, Date.now()];
    if (Date.now() - since < stallsAfterMs || pid === undefined) return;
    stalled = true;
    // The group: the SDK starts what it downloaded.
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      child.kill('SIGKILL');
    }
  }, 250);
  try {
    const code = await ended;
    if (stalled)
      throw new WayUnavailable(
        `the download of the Temporal CLI made no progress for ${stallsAfterMs / 1000} s`,
      );
    if (code !== 0) throw new WayUnavailable(`the download of the Temporal CLI failed: ${lastCause(errors)}`);
  } finally {
    clearInterval(watch);
  }
}

/**
 * The Temporal CLI by the SDK's own download, kept in the user's cache folder.
 * @throws WayUnavailable within 15 s when there is no internet
 */
export async function downloadedCli(
  env: NodeJS.ProcessEnv,
  log: Log,
  stallsAfterMs = DOWNLOAD_STALLS_AFTER_MS,
): Promise<string> {
  const folder = cacheFolder(env);
  const target = downloadTarget(env);
  return once(target, 'downloading the Temporal CLI', log, async () => {
    log(`Temporal: downloading the CLI ${CLI_VERSION}`);
    const into = mkdtempSync(join(folder, '.download-'));
    try {
      await download(into, env, stallsAfterMs);
      const name = readdirSync(into).find(
        (file) => file.startsWith('temporal-') && !file.endsWith('.downloading'),
      );
      if (name === undefined) throw new WayUnavailable('the download of the Temporal CLI left no file');
      chmodSync(join(into, name), 0o755);
      renameSync(join(into, name), target);
    } finally {
      rmSync(into, { recursive: true, force: true });
    }
  });
}
