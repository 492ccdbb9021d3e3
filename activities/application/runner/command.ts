import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import { placeholder, type CommandWay } from '../../../config/application.js';
import type { Vault } from '../../vault/contract.js';
import { applicationSchemas, type ApplicationCall, type ApplicationVerb } from '../contract.js';
import { startProcess, type ProcessResult, type RunningProcess } from './process.js';
import { redact } from '../../redact.js';
import { revealFields } from './secrets.js';

/** What one attempt of a command printed, without secrets. */
export interface Evidence {
  readonly verb: ApplicationVerb;
  readonly stepId: string;
  readonly key: string;
  readonly attempt: number;
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether the start of the output was dropped. */
  readonly truncated: boolean;
  /** SHA-256 of `stdout`, a NUL and `stderr`, in hex. */
  readonly sha256: string;
}

export interface CommandRunnerOptions {
  readonly vault: Vault;
  readonly folder: string;
  readonly evidence?: (evidence: Evidence) => Promise<void> | void;
  /** Kept of each stream, in bytes. Default: 1 MiB. */
  readonly limit?: number;
  /** Between heartbeats, in milliseconds. Default: 10 s. */
  readonly heartbeatMs?: number;
}

/** sysexits.h: the command failed for now, and asks to be tried again. */
const EX_TEMPFAIL = 75;
/** Variables of the worker that a command gets; everything else of the worker's environment stays there. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const;

/** Attempts that run now in this process, by step key: one step never runs twice at the same time. */
const running = new Map<string, RunningProcess>();

type Input = Readonly<Record<string, unknown>>;

/**
 * Does verbs by commands: no shell, arguments as they are, secrets in the child's environment only, the whole
 * process group ended before another attempt, at the time-out, on cancellation and when the worker dies.
 * A command that exits with 75 (EX_TEMPFAIL) is tried again, any other failure goes to a person.
 */
export function commandRunner(options: CommandRunnerOptions) {
  const { vault, folder, evidence, limit = 1024 * 1024, heartbeatMs = 10_000 } = options;

  return async (
    verb: ApplicationVerb,
    way: CommandWay,
    executables: readonly string[],
    input: Input,
    call: ApplicationCall,
  ): Promise<{ value: unknown }> => {
    const argv = argumentsOf(way.argv, input, verb);
    const [program = ''] = argv;
    if (!executables.includes(program)) throw notAllowed(program);
    const cwd = resolve(folder, way.cwd);
    if (!existsSync(cwd))
      throw failed(verb, `the folder ${cwd} does not exist. Correct "cwd" in config/application.yaml.`);
    const secrets = await revealFields(vault, way.secretEnv, input);
    const values = Object.values(secrets);
    const env = {
      ...passedOn(),
      RUNBOOK_STEP_KEY: call.key,
      RUNBOOK_INPUT: JSON.stringify(input),
      ...way.env,
      ...secrets,
    };

    for (let earlier = running.get(call.key); earlier !== undefined; earlier = running.get(call.key)) {
      await earlier.stop();
    }
    call.signal.throwIfAborted();
    const child = start(verb, { argv, cwd, env, graceMs: way.graceSeconds * 1000, limit });
    running.set(call.key, child);
    const stop = (): void => {
      child.stop().catch(() => undefined);
    };
    let timedOut = false;
    const timeout = setTimeout(() => {
      timedOut = true;
      stop();
    }, way.timeoutSeconds * 1000);
    call.signal.addEventListener('abort', stop);
    call.heartbeat();
    const alive = setInterval(() => call.heartbeat(), heartbeatMs);
    let result: ProcessResult;
    try {
      result = await child.ended;
    } finally {
      clearTimeout(timeout);
      clearInterval(alive);
      call.signal.removeEventListener('abort', stop);
      if (running.get(call.key) === child) running.delete(call.key);
    }

    const stdout = redact(result.stdout, values);
    const stderr = redact(result.stderr, values);
    const sha256 = createHash('sha256').update(stdout).update('\0').update(stderr).digest('hex');
    const { truncated } = result;
    await evidence?.({
      verb,
      stepId: call.stepId,
      key: call.key,
      attempt: call.attempt,
      exitCode: result.code,
      stdout,
      stderr,
      truncated,
      sha256,
    });
    call.signal.throwIfAborted();
    if (timedOut)
      throw tryAgain(verb, `took longer than ${way.timeoutSeconds} s and was ended`, 'CommandTimedOut');
    if (result.error !== null) throw failed(verb, cannotStart(program, result.error));
    if (result.code === EX_TEMPFAIL) throw tryAgain(verb, 'failed for now (exit code 75)', 'CommandFailed');
    if (result.code === null)
      throw tryAgain(verb, `was ended by ${result.signal ?? 'a signal'}`, 'CommandEnded');
    if (result.code !== 0) {
      throw failed(
        verb,
        `exit code ${result.code}${lastWords(stderr)} (output ${sha256.slice(0, 16)}). ` +
          'Repair what it complains about, then retry; the command goes on where it stopped if it was made so.',
      );
    }
    return { value: resultOf(verb, stdout) };
  };
}

function passedOn(): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      // eslint-disable-next-line no-restricted-properties -- a program needs what every program on this machine gets
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Puts the input into the placeholders. A list becomes several arguments; a text is always one. */
function argumentsOf(argv: readonly string[], input: Input, verb: ApplicationVerb): string[] {
  return argv.flatMap((argument) => {
    const found = placeholder(argument);
    if (found === undefined) return [argument];
    const value = input[found.field];
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map((item) => {
      const text = String(item);
      if (text.includes('\0'))
        throw failed(verb, `the input "${found.field}" holds a NUL character. Retry with another input.`);
      return `${found.prefix}${text}`;
    });
  });
}

function start(verb: ApplicationVerb, options: Parameters<typeof startProcess>[0]): RunningProcess {
  try {
    return startProcess(options);
  } catch (error) {
    // Node's own message would quote arguments and environment.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw failed(verb, cannotStart(options.argv[0] ?? '', code));
  }
}

function cannotStart(program: string, code: string): string {
  const reason = code === 'ENOENT' ? 'it is not on the PATH of the worker' : code;
  return `${program} could not be started: ${reason}. Install it, or correct config/application.yaml.`;
}

/** The result is the last line of standard output, as JSON; a verb without a result may print anything. */
function resultOf(verb: ApplicationVerb, stdout: string): unknown {
  if (applicationSchemas[verb].output.safeParse(undefined).success) return undefined;
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last) as unknown;
  } catch {
    throw ApplicationFailure.nonRetryable(
      `application.${verb}: the last line that the command printed is not JSON. ` +
        'Look whether it took effect; then make the command print its result as the last line.',
      'UnexpectedAnswer',
    );
  }
}

function lastWords(stderr: string): string {
  const line = stderr.trimEnd().split('\n').at(-1)?.trim() ?? '';
  return line === '' ? '' : `: ${line.slice(0, 200)}`;
}

function failed(verb: ApplicationVerb, why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`application.${verb}: ${why}`, 'CommandFailed');
}

function tryAgain(verb: ApplicationVerb, why: string, type: string): ApplicationFailure {
  return ApplicationFailure.retryable(`application.${verb}: the command ${why}. It is tried again.`, type);
}

function notAllowed(program: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `${program} is not in "executables" of config/application.yaml. Add it there if it may be run.`,
    'CommandFailed',
  );
}
