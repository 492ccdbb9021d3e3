import { parseArgs } from 'node:util';

/** Exit code of a wrong call (sysexits.h: EX_USAGE). */
const EX_USAGE = 64;

/** The value of `--secret`; ends the process with a sentence when it is missing. */
export function secretArgument(): string {
  let secret: string | undefined;
  try {
    secret = parseArgs({ options: { secret: { type: 'string' } } }).values.secret;
  } catch {
    secret = undefined;
  }
  return secret === undefined || secret === ''
    ? usage('Give --secret=NAME, for example database/encryption-key.')
    : secret;
}

/** A secret value that was handed over in the environment; it is taken out of it. */
export function fromEnvironment(name: string): string {
  const value = process.env[name];
  delete process.env[name];
  return value === undefined || value === ''
    ? usage(`Set ${name} to the value; it is not accepted as an argument.`)
    : value;
}

/** The last line of standard output is the result. */
export function printResult(result: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function usage(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(EX_USAGE);
}
