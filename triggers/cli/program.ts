import { Command, InvalidArgumentError } from 'commander';
import type { CatalogueEntry } from '../catalogue.js';
import { findRunbook, type Catalogue } from '../catalogue.js';
import { CHOICES, type ActFlags, type OperateFlags } from './act.js';
import type { Context } from './context.js';
import { CliError, EXIT, EXIT_CODES, type ExitCode } from './exit.js';
import { addInputFlags } from './flags.js';
import { addIncidentCommands, addOverviewCommands } from './incident-commands.js';
import { didYouMean } from './nearest.js';
import type { RunsFlags } from './runs.js';

type Options = Readonly<Record<string, unknown>>;

export interface ProgramHooks {
  /** Runs one command. Its exit code is the program's; none is 0. */
  readonly run: (
    options: Options,
    command: (context: Context) => Promise<ExitCode | void> | ExitCode | void,
  ) => Promise<void>;
  readonly out: (text: string) => void;
}

const AS = ['--as <person>', 'who acts (local stack only; default RUNBOOK_AS)'] as const;
const RUN = ['<run>', 'id of the run'] as const;

/** The commands and their flags. What they do is loaded when one is called. */
export function buildProgram(catalogue: Catalogue, { run, out }: ProgramHooks): Command {
  const program = new Command('runbook')
    .description(
      'Runbooks: durable procedures with approvals, rehearsals and a record that shows every change.',
    )
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: () => undefined, outputError: () => undefined })
    .option('--json', 'one JSON document on standard output (with --watch and rehearse: one per line)')
    .helpCommand('help [command]', 'describe a command')
    .argument('[command]')
    .usage('<command> [flags]')
    .addHelpText(
      'after',
      `\nExit codes:\n${EXIT_CODES.map(([code, what]) => `  ${String(code).padEnd(4)} ${what}`).join('\n')}`,
    )
    .action(async (wanted: string | undefined, options: Options) => {
      if (wanted !== undefined) {
        const commands = program.commands.map((command) => command.name());
        throw new CliError(
          EXIT.usage,
          `There is no command "${wanted}".${didYouMean(wanted, commands)} \`runbook --help\` lists them.`,
        );
      }
      await run(options, async (context) => (await import('./begin.js')).begin(context));
    });

  const command = (name: string, description: string): Command =>
    program.command(name).description(description);
  /** A command that takes a runbook: one subcommand per runbook, so that each has the flags of its input. */
  const perRunbook = (
    name: string,
    description: string,
    configure: (subcommand: Command, entry: CatalogueEntry) => void,
    act: (
      context: Context,
      entry: CatalogueEntry,
      options: Options,
    ) => Promise<ExitCode | void> | ExitCode | void,
  ): void => {
    const parent = command(name, description)
      .argument('[name]')
      .usage('<runbook> [flags]')
      .allowUnknownOption()
      .allowExcessArguments()
      .helpCommand(false)
      .action((wanted: string | undefined) => {
        throw unknownRunbook(catalogue, name, wanted);
      });
    for (const entry of catalogue.values()) {
      const subcommand = parent
        .command(entry.command)
        .alias(entry.spec.name)
        .description(entry.spec.title)
        .allowExcessArguments(false);
      configure(subcommand, entry);
      subcommand.action(async () => {
        const options = subcommand.optsWithGlobals();
        await run(options, (context) => act(context, entry, options));
      });
    }
  };

  command('list', 'the runbooks').action(async (_, self: Command) => {
    await run(self.optsWithGlobals(), async (context) => (await import('./look.js')).list(context));
  });
  perRunbook(
    'show',
    'the plan of a runbook, in prose',
    (subcommand, entry) => addInputFlags(subcommand, entry),
    async (context, entry, options) => (await import('./look.js')).show(context, entry, options),
  );
  perRunbook(
    'start',
    'start a runbook for real',
    (subcommand, entry) => {
      addInputFlags(subcommand, entry);
      subcommand.option(...AS);
      if (!hasFlag(subcommand, '--reason')) subcommand.option('--reason <text>', 'why it is started');
      subcommand
        .option('--request-id <id>', 'the same id again is the same run, never a second one')
        .option('--watch', 'follow the run to its end');
    },
    async (context, entry, options) => (await import('./start-command.js')).startRun(context, entry, options),
  );

  command('runs', 'the newest runs')
    .option('--open', 'only those that are not over')
    .option('--closed', 'only those that are over')
    .option('--rehearsals', 'rehearsals instead of live runs')
    .option('--limit <number>', 'how many at most', wholeNumber, 20)
    .action(async (_, self: Command) => {
      const options = self.optsWithGlobals<RunsFlags & Options>();
      await run(options, async (context) => (await import('./runs.js')).runs(context, options));
    });
  command('status', 'the whole picture of a run')
    .argument(...RUN)
    .option('--watch', 'follow it to its end; Ctrl-C leaves the run alone')
    .action(async (id: string, _, self: Command) => {
      const options = self.optsWithGlobals<{ watch?: boolean } & Options>();
      await run(options, async (context) => (await import('./runs.js')).status(context, id, options));
    });
  command('ledger', 'every entry that the record has of a run')
    .argument(...RUN)
    .action(async (id: string, _, self: Command) => {
      await run(self.optsWithGlobals(), async (context) => (await import('./runs.js')).ledger(context, id));
    });

  for (const verdict of ['approve', 'decline'] as const) {
    command(verdict, `${verdict} what a gate asks`)
      .argument(...RUN)
      .argument('<gate>', 'id of the gate')
      .option('--reason <text>', verdict === 'decline' ? 'why (needed)' : 'why')
      .option(...AS)
      .action(async (id: string, gate: string, _, self: Command) => {
        const options = self.optsWithGlobals<ActFlags & Options>();
        await run(options, async (context) =>
          (await import('./act.js')).decide(context, id, gate, verdict, options),
        );
      });
  }
  command('operate', 'decide what becomes of a failed step, a manual step or a wait')
    .argument(...RUN)
    .argument('<step>', "id of the step or wait, e.g. 'netlify.deploy#1'")
    .argument('<choice>', CHOICES.join(', '))
    .option('--reason <text>', 'why (needed for skip and cut-short)')
    .option('--evidence <text>', 'that it was done: a text, a link, or @file (needed for done)')
    .option('--input <json>', 'changed input for retry, or @file; a second person confirms it')
    .option('--result <json>', 'result for done where later steps use it, or @file')
    .option(...AS)
    .action(async (id: string, step: string, choice: string, _, self: Command) => {
      const options = self.optsWithGlobals<OperateFlags & Options>();
      await run(options, async (context) =>
        (await import('./act.js')).operate(context, id, step, choice, options),
      );
    });
  command('note', 'put a remark on the record')
    .argument(...RUN)
    .argument('<text>')
    .option(...AS)
    .action(async (id: string, text: string, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) => (await import('./act.js')).note(context, id, text, options));
    });
  command('cancel', 'stop a run and take back what it did')
    .argument(...RUN)
    .option('--reason <text>', 'why (needed)')
    .option(...AS)
    .action(async (id: string, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) => (await import('./act.js')).cancel(context, id, options));
    });

  addIncidentCommands(command, { run });

  perRunbook(
    'rehearse',
    'run a runbook where systems, people and time are simulated',
    (subcommand, entry) => {
      subcommand.option(
        '--rehearsal <title>',
        'which one, by its title or a part of it (default: the first)',
      );
      addInputFlags(subcommand, entry);
    },
    async (context, entry, options) => (await import('./rehearse.js')).rehearse(context, entry, options),
  );
  perRunbook(
    'rehearsals',
    'the rehearsals of a runbook',
    () => undefined,
    async (context, entry) => (await import('./look.js')).rehearsals(context, entry),
  );

  addOverviewCommands(command, { run }, wholeNumber);

  const secret = command('secret', 'values in the vault').helpCommand(false);
  secret
    .command('put')
    .description('hand in a value: typed without being shown, or from standard input; never an argument')
    .argument('<name>', 'id in config/secrets.yaml')
    .option('--key-id <id>', "the vendor's id of the key, by which it can be revoked")
    .option(...AS)
    .action(async (name: string, _, self: Command) => {
      const options = self.optsWithGlobals<{ keyId?: string; as?: string } & Options>();
      await run(options, async (context) => (await import('./secret.js')).putSecret(context, name, options));
    });
  secret
    .command('list')
    .description('versions and fingerprints, never values')
    .argument('[name]', 'all versions of one secret')
    .action(async (name: string | undefined, _, self: Command) => {
      await run(self.optsWithGlobals(), async (context) =>
        (await import('./secret.js')).listSecrets(context, name),
      );
    });

  command('doctor', 'look at each part of the set-up and say what to do').action(async (_, self: Command) => {
    await run(self.optsWithGlobals(), async (context) => (await import('./doctor.js')).doctor(context));
  });
  // Only here, as commands inherit it: whatever follows a misspelt command, its name is what is wrong.
  return program.allowExcessArguments().allowUnknownOption();
}

function unknownRunbook(catalogue: Catalogue, command: string, wanted: string | undefined): CliError {
  const commands = [...catalogue.keys()];
  const all = commands.join(', ') || 'none yet';
  if (wanted === undefined)
    return new CliError(EXIT.usage, `Say which runbook: runbook ${command} NAME. There are: ${all}.`);
  // Flags before the name are taken for it.
  const found = findRunbook(catalogue, wanted);
  const suggestion = found === undefined ? didYouMean(wanted, commands) : '';
  return new CliError(EXIT.notFound, `There is no runbook "${wanted}".${suggestion} There are: ${all}.`);
}

function hasFlag(command: Command, flag: string): boolean {
  return command.options.some(({ long }) => long === flag);
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}
