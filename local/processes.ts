import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

/** A server's log grows by appending; beyond this it is set aside as `<name>.previous` at the next start. */
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

export interface ProcessId {
  pid: number;
  /** When the process started, so that a reused pid is never mistaken for it. */
  started: string;
}

const PidFile = z.object({
  name: z.string(),
  pid: z.number().int().positive(),
  started: z.string(),
  owner: z.object({ pid: z.number().int().positive(), started: z.string() }),
});

export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ServerProcess {
  readonly pid: number;
  readonly logFile: string;
  readonly exited: Promise<ProcessExit>;
  running(): boolean;
  /** Sends the stop signal, after `graceMs` SIGKILL, and returns when the process is gone. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL, and returns when the process is gone. */
  kill(): Promise<void>;
  /** SIGKILL without waiting: a `stop()` that is under way ends at once. */
  hurry(): void;
}

export interface ServerProcessOptions {
  /** As a person says it: `Postgres`, `Temporal`. */
  name: string;
  command: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  logFile: string;
  pidFile: string;
  /** On which the server ends in order. */
  stopSignal: NodeJS.Signals;
  user?: { uid: number; gid: number } | undefined;
}

/** Servers that run, and how to ask them to end when this process exits without having stopped them. */
const running = new Map<number, NodeJS.Signals>();
/** Programs that are worth nothing without us: a build, a download, initdb. */
const helpers = new Set<ChildProcess>();
let watchingExit = false;
let ending = false;

function watchExit(): void {
  if (watchingExit) return;
  watchingExit = true;
  process.once('exit', () => {
    killHelpers();
    for (const [server, stopSignal] of running) sendSignal(server, stopSignal);
  });
}

function stopOnExit(pid: number, signal: NodeJS.Signals): void {
  running.set(pid, signal);
  watchExit();
  // It was on its way up while the others were told to end.
  if (ending) sendSignal(pid, 'SIGKILL');
}

function killHelpers(): void {
  for (const { pid } of helpers) if (pid !== undefined) sendSignal(pid, 'SIGKILL');
}

/** Lets a child end with this process, also when only this process got the signal. */
export function endsWithUs(child: ChildProcess): void {
  helpers.add(child);
  child.once('exit', () => helpers.delete(child));
  watchExit();
  if (ending) killHelpers();
}

/**
 * Ends every server that this process has started, and those that it is about to start; returns when they are gone.
 * @param graceMs how long they may take to end in order, then SIGKILL. Nothing committed is lost.
 */
export async function endServers(graceMs: number): Promise<void> {
  ending = true;
  killHelpers();
  await Promise.all(
    [...running].map(async ([pid, stopSignal]) => {
      const server = processId(pid);
      if (server !== undefined) await stopForeign(server, stopSignal, graceMs);
    }),
  );
}

/**
 * Identity of a running process, or undefined when there is none (a zombie counts as none).
 * Linux reads /proc, other systems ask `ps`.
 */
export function processId(pid: number): ProcessId | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      return { pid, started: `${boot}/${fields[19] ?? ''}` };
    } catch {
      return undefined;
    }
  }
  try {
    const answer = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    const [state, ...started] = answer.split(/\s+/);
    return state === undefined || state.startsWith('Z') ? undefined : { pid, started: started.join(' ') };
  } catch {
    return undefined;
  }
}

export function isSameProcess(known: ProcessId): boolean {
  return processId(known.pid)?.started === known.started;
}

/** This process. */
export function self(): ProcessId {
  const id = processId(process.pid);
  if (id === undefined) {
    throw new Error(`Cannot read the start time of process ${process.pid}: neither /proc nor ps answers.`);
  }
  return id;
}

export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Signals a process that is not our child and waits until it is gone; SIGKILL after `graceMs`. */
export async function stopForeign(known: ProcessId, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (!isSameProcess(known)) return;
  sendSignal(known.pid, signal);
  const deadline = Date.now() + graceMs;
  while (isSameProcess(known)) {
    if (Date.now() > deadline) sendSignal(known.pid, 'SIGKILL');
    if (Date.now() > deadline + 10_000) {
      throw new Error(
        `Process ${known.pid} does not end, not even by SIGKILL. Look at it with: ps -p ${known.pid} -f`,
      );
    }
    await sleep(50);
  }
}

/**
 * Ends the server that an owner left behind when it was killed, as recorded in `pidFile`.
 * @returns the pid that was ended, or undefined when there was none
 * @throws when the owner of that server is alive: the data folder is in use
 */
export async function stopOrphan(
  pidFile: string,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<number | undefined> {
  let text: string;
  try {
    text = readFileSync(pidFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = PidFile.safeParse(json);
  if (!parsed.success) {
    rmSync(pidFile, { force: true });
    return undefined;
  }
  const { name, owner, ...server } = parsed.data;
  if (!isSameProcess(server)) {
    rmSync(pidFile, { force: true });
    return undefined;
  }
  if (isSameProcess(owner)) {
    throw new Error(
      `${name} of this data folder already runs (pid ${server.pid}), started by process ${owner.pid}. ` +
        `Stop that process first, or use another data folder. (${pidFile})`,
    );
  }
  await stopForeign(server, signal, 15_000);
  rmSync(pidFile, { force: true });
  return server.pid;
}

function openLog(logFile: string): number {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(logFile, `${logFile}.previous`);
  return openSync(logFile, 'a', 0o600);
}

/**
 * Starts a server in a process group of its own, so that Ctrl-C in the terminal reaches only us and we stop
 * the servers in the right order.
 * @throws when the program cannot be started at all (missing, not executable)
 */
export async function startProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const { name, command, args, cwd, env, logFile, pidFile, user, stopSignal } = options;
  if (ending) throw new Error(`${name} is not started: everything is being stopped.`);
  const log = openLog(logFile);
  const child = spawn(command, args, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', log, log],
    ...(user ?? {}),
  });
  closeSync(log);
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) running.delete(child.pid);
      resolve({ code, signal });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      reject(new Error(`${name} could not be started (${command}): ${error.message}`));
    });
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${name} could not be started (${command}): it has no process id.`);
  const id = processId(pid);
  if (id !== undefined) {
    writeFileSync(pidFile, JSON.stringify({ name, ...id, owner: self() }), { mode: 0o600 });
  }
  stopOnExit(pid, stopSignal);
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  const end = async (signal: NodeJS.Signals, graceMs: number): Promise<void> => {
    if (alive()) {
      child.kill(signal);
      const kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(kill);
    }
    rmSync(pidFile, { force: true });
  };
  return {
    pid,
    logFile,
    exited,
    running: alive,
    stop: (graceMs = 20_000) => end(stopSignal, graceMs),
    kill: () => end('SIGKILL', 1_000),
    hurry() {
      if (alive()) child.kill('SIGKILL');
    },
  };
}

const LogLine = z.object({ level: z.string(), msg: z.string(), error: z.string().optional() });
const LINE_LENGTH = 300;

/** Of a JSON line only what a person reads: Temporal puts a stack trace into each. */
function readable(line: string): string {
  try {
    const { level, msg, error } = LogLine.parse(JSON.parse(line));
    return `${level}: ${msg}${error === undefined ? '' : `: ${error}`}`.slice(0, LINE_LENGTH);
  } catch {
    return line.slice(0, LINE_LENGTH);
  }
}

/** The end of a log, for an error message. */
export function lastLines(file: string, count = 10): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).map(readable).join('\n');
  } catch {
    return '(no log)';
  }
}
