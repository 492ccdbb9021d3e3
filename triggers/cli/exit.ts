/** What the exit code of `runbook` says. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  cannotConnect: 4,
  refused: 5,
  endedOtherwise: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** One line per code, for --help. */
export const EXIT_CODES = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'failed'],
  [EXIT.usage, 'the command line is wrong'],
  [EXIT.notFound, 'no such runbook, run, gate, step, secret or person'],
  [EXIT.cannotConnect, 'the environment is not set, or the database or Temporal does not answer'],
  [EXIT.refused, 'refused: the sentence says why'],
  [EXIT.endedOtherwise, 'with --watch: the run ended, but not completed; rehearse: not as scripted'],
  [EXIT.interrupted, 'interrupted (Ctrl-C); a run goes on'],
] as const satisfies readonly (readonly [ExitCode, string])[];

/** A command that did not do what was asked. The message is a sentence for the person at the terminal. */
export class CliError extends Error {
  override readonly name = 'CliError';
  constructor(
    readonly exit: ExitCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
