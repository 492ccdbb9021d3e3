import { ApplicationFailure } from '@temporalio/common';
import { CommanderError } from 'commander';
import * as workflows from '../../workflows/index.js';
import { EnvironmentError } from '../../config/environment.js';
import { isTransient } from '../../activities/ledger/failures.js';
import { catalogueOf, type Catalogue } from '../catalogue.js';
import { StartUnknown } from '../start.js';
import { Context } from './context.js';
import { CliError, EXIT, type ExitCode } from './exit.js';
import { buildProgram } from './program.js';
import { clean, coloursFor, jsonLine, type Io } from './terminal.js';

/** gRPC: DEADLINE_EXCEEDED, UNAVAILABLE. https://grpc.io/docs/guides/status-codes/ */
const NO_ANSWER = [4, 14];
/** How long a command may take to end in its own way. */
const ENDS_WITHIN_MS = 4_000;

/**
 * Runs one command line.
 * @param argv without the names of program and script
 * @returns the exit code; everything that goes wrong is a sentence on standard error (a document with --json)
 */
export async function run(
  argv: readonly string[],
  io: Io,
  catalogue: Catalogue = catalogueOf(workflows),
): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program = buildProgram(catalogue, {
    out: (text) => void io.stdout.write(text),
    run: async (options, command) => {
      const context = new Context(io, catalogue, options['json'] === true);
      try {
        code = (await untilInterrupted(context, async () => await command(context))) ?? EXIT.ok;
      } finally {
        await context.services.close().catch(() => undefined);
      }
    },
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    return report(error, io, argv.includes('--json'));
  }
}

/** Ctrl-C ends a command at once, unless it ends in its own way. */
async function untilInterrupted<T>(context: Context, work: () => Promise<T>): Promise<T> {
  const { interrupt } = context.io;
  let onInterrupt: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const interrupted = new Promise<never>((_resolve, reject) => {
    const give = (): void =>
      reject(
        new CliError(EXIT.interrupted, 'Interrupted. What was sent counts all the same; a run goes on.'),
      );
    onInterrupt = () => {
      if (context.handlesInterrupt) timer = setTimeout(give, ENDS_WITHIN_MS);
      else give();
    };
    interrupt.addEventListener('abort', onInterrupt, { once: true });
  });
  try {
    return await Promise.race([work(), interrupted]);
  } finally {
    clearTimeout(timer);
    interrupt.removeEventListener('abort', onInterrupt);
  }
}

function report(error: unknown, io: Io, json: boolean): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
  const { exit, message } = explain(error);
  const colours = coloursFor({ stdout: io.stderr, env: io.env });
  if (json) io.stdout.write(`${jsonLine({ error: { exitCode: exit, message } }, 2)}\n`);
  else
    io.stderr.write(
      `${message
        .split('\n')
        .map((line, i) => (i === 0 ? colours.red(clean(line)) : clean(line)))
        .join('\n')}\n`,
    );
  return exit;
}

function explain(error: unknown): { exit: ExitCode; message: string } {
  if (error instanceof CliError) return { exit: error.exit, message: error.message };
  if (error instanceof CommanderError) {
    const sentence = error.message.replace(/^error: /, '').replace(/\n\(?(Did you mean .*?)\)?$/s, '. $1');
    return { exit: EXIT.usage, message: `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}` };
  }
  const message = messageOf(error);
  if (error instanceof EnvironmentError) return { exit: EXIT.cannotConnect, message };
  if (error instanceof StartUnknown) return { exit: EXIT.cannotConnect, message };
  if (error instanceof ApplicationFailure) {
    const isAway = error.type === 'LedgerUnavailable' || error.type === 'VaultUnavailable';
    return { exit: isAway ? EXIT.cannotConnect : EXIT.failed, message };
  }
  if (isTransient(error)) {
    return {
      exit: EXIT.cannotConnect,
      message: `The database does not answer (${message}). \`runbook doctor\` looks at each part.`,
    };
  }
  if (isUnanswered(error) || /^Temporal \(.*\) does not answer/.test(message)) {
    return {
      exit: EXIT.cannotConnect,
      message: `Temporal does not answer (${message}). \`runbook doctor\` looks at each part.`,
    };
  }
  return { exit: EXIT.failed, message };
}

/** Whether a call to Temporal, or what it was wrapped in, got no answer. */
function isUnanswered(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'number' && NO_ANSWER.includes(error.code)) return true;
  return isUnanswered(error.cause);
}

/** The first cause says more than what it was wrapped in. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
