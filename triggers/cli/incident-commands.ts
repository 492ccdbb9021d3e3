import type { Command } from 'commander';
import type { ActFlags } from './act.js';
import type { ProgramHooks } from './program.js';

type Options = Readonly<Record<string, unknown>>;
type Declare = (name: string, description: string) => Command;

const AS = ['--as <person>', 'who acts (local stack only; default RUNBOOK_AS)'] as const;
const RUN = ['<run>', 'id of the run'] as const;

/** What people say to a run beside approving: decisions, charge, severity and evidence. */
export function addIncidentCommands(command: Declare, { run }: Pick<ProgramHooks, 'run'>): void {
  command('decide', 'answer a decision that is not yes or no')
    .argument(...RUN)
    .argument('<decision>', 'id of the decision')
    .argument('<choice>', 'one of its choices, as `status` shows them')
    .option('--reason <text>', 'why')
    .option(...AS)
    .action(async (id: string, decision: string, choice: string, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) =>
        (await import('./messages.js')).choose(context, id, decision, choice, options),
      );
    });
  command('acknowledge', 'take charge of an incident')
    .argument(...RUN)
    .argument('[question]', 'id of what is acknowledged, when there is more than one')
    .option(...AS)
    .action(async (id: string, question: string | undefined, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) =>
        (await import('./messages.js')).acknowledge(context, id, question, options),
      );
    });
  command('justify', 'say why a clock was missed')
    .argument(...RUN)
    .argument('[clock]', 'id of the question, when there is more than one')
    .option('--reason <text>', 'why (needed)')
    .option(...AS)
    .action(async (id: string, clock: string | undefined, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) =>
        (await import('./messages.js')).justify(context, id, clock, options),
      );
    });
  command('hand-over', 'give the charge of a run to another person')
    .argument(...RUN)
    .argument('<person>', 'who takes over')
    .option('--reason <text>', 'why')
    .option(...AS)
    .action(async (id: string, person: string, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) =>
        (await import('./messages.js')).handOver(context, id, person, options),
      );
    });
  command('severity', 'change the severity of a run')
    .argument(...RUN)
    .argument('<severity>', 'sev1, sev2, sev3 or sev4')
    .option('--reason <text>', 'why (needed)')
    .option(...AS)
    .action(async (id: string, severity: string, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) =>
        (await import('./messages.js')).changeSeverity(context, id, severity, options),
      );
    });

  const evidence = command('evidence', 'what is kept for the record of a run').helpCommand(false);
  evidence
    .command('add')
    .description('keep a text, a link or a file')
    .argument(...RUN)
    .argument('<content>', 'a text, a link, or @file')
    .option('--reason <text>', 'what it shows')
    .option(...AS)
    .action(async (id: string, content: string, _, self: Command) => {
      const options = self.optsWithGlobals<ActFlags & Options>();
      await run(options, async (context) =>
        (await import('./messages.js')).addEvidence(context, id, content, options),
      );
    });
  evidence
    .command('list')
    .description('names and hashes')
    .argument(...RUN)
    .action(async (id: string, _, self: Command) => {
      await run(self.optsWithGlobals(), async (context) =>
        (await import('./evidence.js')).listEvidence(context, id),
      );
    });
  evidence
    .command('show')
    .description('the content, as long as it was not erased')
    .argument(...RUN)
    .argument('<name>')
    .action(async (id: string, name: string, _, self: Command) => {
      await run(self.optsWithGlobals(), async (context) =>
        (await import('./evidence.js')).showEvidence(context, id, name),
      );
    });
}

/** What there is to look at beside runs. */
export function addOverviewCommands(
  command: Declare,
  { run }: Pick<ProgramHooks, 'run'>,
  wholeNumber: (text: string) => number,
): void {
  command('locks', 'what is held at the moment, by which run').action(async (_, self: Command) => {
    await run(self.optsWithGlobals(), async (context) => (await import('./locks.js')).locks(context));
  });
  command('drills', 'the rehearsals that were stored')
    .argument('[runbook]', 'of one runbook only')
    .option('--limit <number>', 'how many at most', wholeNumber, 20)
    .action(async (runbook: string | undefined, _, self: Command) => {
      const options = self.optsWithGlobals<{ limit: number } & Options>();
      await run(options, async (context) =>
        (await import('./drills.js')).drills(context, {
          limit: options.limit,
          ...(runbook === undefined ? {} : { runbook }),
        }),
      );
    });
  command('drill', 'the report of a rehearsal')
    .argument('<number>', 'as `drills` shows it', wholeNumber)
    .action(async (id: number, _, self: Command) => {
      await run(self.optsWithGlobals(), async (context) => (await import('./drills.js')).drill(context, id));
    });
  command('coverage', 'which procedure of the documents has a runbook').action(async (_, self: Command) => {
    await run(self.optsWithGlobals(), async (context) => (await import('./coverage.js')).coverage(context));
  });
}
