import { tmpdir } from 'node:os';
import { startProcess, type ProcessResult } from '../application/runner/process.js';
import { alive, type Target } from './connection.js';
import type { DatabaseCall } from './contract.js';
import { notConfigured, programFailure } from './failures.js';

export type Program = 'pg_dump' | 'pg_restore';

/** Paths of the programs, where they are not on the PATH. */
export type Programs = Readonly<Partial<Record<Program, string>>>;

/** For the program to end by itself when the step is cancelled. */
const GRACE_MS = 2_000;
/** Kept of what a program writes, in bytes. */
const LIMIT = 64 * 1024;

/** Query parameters of a connection string, and libpq's variables for them. */
const PARAMETERS: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  channel_binding: 'PGCHANNELBINDING',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
};

/**
 * The connection for a program: in its environment, because everybody on the machine may read arguments.
 * https://www.postgresql.org/docs/current/libpq-envars.html
 */
export function connectionEnv({ url, name, password }: Target): Record<string, string> {
  const given = [...url.searchParams].flatMap(([key, value]) => {
    const variable = PARAMETERS[key];
    return variable === undefined ? [] : [[variable, value] as const];
  });
  return {
    PGHOST: url.hostname.replace(/^\[|\]$/g, ''),
    PGPORT: url.port === '' ? '5432' : url.port,
    PGUSER: decodeURIComponent(url.username),
    PGPASSWORD: password,
    PGDATABASE: name,
    PGAPPNAME: 'runbook',
    PGCONNECT_TIMEOUT: '15',
    ...Object.fromEntries(given),
  };
}

interface Started {
  readonly call: DatabaseCall;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end; when the step is cancelled, or this process dies, its whole process group ends. */
async function ran(argv: readonly string[], { call, env = {} }: Started): Promise<ProcessResult> {
  call.signal.throwIfAborted();
  // eslint-disable-next-line no-restricted-properties -- where the programs of this machine are
  const path = process.env['PATH'] ?? '';
  const child = startProcess({
    argv: [...argv],
    cwd: tmpdir(),
    env: { PATH: path, LC_ALL: 'C', ...env },
    graceMs: GRACE_MS,
    limit: LIMIT,
  });
  const stop = (): void => void child.stop().catch(() => undefined);
  call.signal.addEventListener('abort', stop);
  try {
    const result = await alive(call, () => child.ended);
    call.signal.throwIfAborted();
    return result;
  } finally {
    call.signal.removeEventListener('abort', stop);
  }
}

/**
 * Checks that a program is there and can deal with the server.
 * @returns its major version
 * @throws ApplicationFailure `NotConfigured` with the instruction, so that a person does the step
 */
export async function assertProgram(
  program: Program,
  programs: Programs,
  need: { readonly major: number; readonly for: string; readonly instruction: string },
  call: DatabaseCall,
): Promise<number> {
  const { stdout, error } = await ran([programs[program] ?? program, '--version'], { call });
  const install = `Install the PostgreSQL client programs of version ${need.major} or newer for the worker to automate it.`;
  if (error !== null)
    throw notConfigured(`${program} is not installed on the worker. ${install}`, need.instruction);
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1] ?? 0);
  if (major < need.major) {
    throw notConfigured(
      `${program} on the worker is version ${major || 'unknown'}, ${need.for} version ${need.major}. ${install}`,
      need.instruction,
    );
  }
  return major;
}

/** Runs a program against a database. @throws as `programFailure` */
export async function runProgram(
  program: Program,
  programs: Programs,
  args: readonly string[],
  { what, target, call }: { readonly what: string; readonly target: Target; readonly call: DatabaseCall },
): Promise<void> {
  const result = await ran([programs[program] ?? program, ...args], { call, env: connectionEnv(target) });
  if (result.code !== 0) throw programFailure(what, program, result.stderr, target);
}
