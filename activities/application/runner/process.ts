import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export interface ProcessOptions {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string>>;
  /** Between SIGTERM and SIGKILL, in milliseconds. */
  readonly graceMs: number;
  /** Kept of each stream, in bytes: its end. */
  readonly limit: number;
}

export interface ProcessResult {
  /** null when the command was ended by a signal. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started: `ENOENT`. */
  readonly error: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether the start of a stream was dropped. */
  readonly truncated: boolean;
}

export interface RunningProcess {
  /** Settles when the command and all its children have ended. */
  readonly ended: Promise<ProcessResult>;
  /** Ends the command and all its children; returns when they are gone. */
  stop(): Promise<void>;
}

const SUPERVISOR = fileURLToPath(new URL('supervise.mjs', import.meta.url));
/** What the supervisor may need beyond the grace before it is ended itself. */
const SUPERVISOR_MS = 2_000;

/** Starts a command in a process group of its own, under a supervisor that ends it when this process dies. */
export function startProcess({ argv, cwd, env, graceMs, limit }: ProcessOptions): RunningProcess {
  const child = spawn(process.execPath, [SUPERVISOR, String(graceMs), ...argv], {
    cwd,
    env: { ...env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  const stdout = tail(child.stdout, limit);
  const stderr = tail(child.stderr, limit);
  const reported = tail(child.stdio[3] as Readable, 10_000);

  const ended = new Promise<ProcessResult>((resolve) => {
    let startError: string | null = null;
    child.on('error', (error) => (startError = 'code' in error ? String(error.code) : 'unknown'));
    child.on('close', () => {
      killGroup(child);
      const report = parseReport(reported().text);
      const out = stdout();
      const err = stderr();
      resolve({
        code: report.code ?? null,
        signal: report.signal ?? null,
        error: report.error ?? startError,
        stdout: out.text,
        stderr: err.text,
        truncated: out.truncated || err.truncated,
      });
    });
  });

  return {
    ended,
    async stop() {
      child.stdin.end();
      const overdue = setTimeout(() => killGroup(child), graceMs + SUPERVISOR_MS);
      await ended;
      clearTimeout(overdue);
    },
  };
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody of the group is left.
  }
}

function parseReport(line: string): { code?: number | null; signal?: string | null; error?: string } {
  try {
    return JSON.parse(line) as { code?: number | null; signal?: string | null; error?: string };
  } catch {
    return { signal: 'SIGKILL' };
  }
}

/** Keeps the end of a stream; a line that lost its start is dropped, so that no part of a secret is kept. */
function tail(stream: Readable, limit: number): () => { text: string; truncated: boolean } {
  const chunks: Buffer[] = [];
  let size = 0;
  let truncated = false;
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size > limit * 2 && chunks.length > 1) {
      size -= chunks.shift()?.length ?? 0;
      truncated = true;
    }
  });
  stream.on('error', () => undefined);
  return () => {
    const all = Buffer.concat(chunks);
    if (all.length <= limit && !truncated) return { text: all.toString('utf8'), truncated };
    const end = all.subarray(Math.max(0, all.length - limit));
    const newline = end.indexOf(0x0a);
    return { text: newline < 0 ? '' : end.subarray(newline + 1).toString('utf8'), truncated: true };
  };
}
