import type { CatalogueEntry } from '../catalogue.js';
import { start, type StartRefusal } from '../start.js';
import type { Context } from './context.js';
import { CliError, EXIT, type ExitCode } from './exit.js';
import { checkInput, givenInput, inputFlags } from './flags.js';
import { actor } from './person.js';
import { outcomeOf } from './send.js';
import { watch } from './runs.js';

export interface StartFlags {
  readonly as?: string;
  readonly reason?: string;
  readonly requestId?: string;
  readonly watch?: boolean;
}

/** `start NAME`: starts a live run. */
export async function startRun(
  context: Context,
  entry: CatalogueEntry,
  options: StartFlags & Readonly<Record<string, unknown>>,
): Promise<ExitCode> {
  const { services, catalogue, colours: c } = context;
  // Who acts comes first: a stranger learns nothing about the configuration.
  const who = await actor(context, options.as);
  const { configuration, directory, environment, pool, ledger, org } = services;
  const input = givenInput(entry, options);
  checkInput(entry, input, configuration);
  // A runbook that asks for a reason itself has it in its input.
  const asksReason = inputFlags(entry).some(({ flag }) => flag === '--reason');
  const result = await start(
    {
      pool,
      ledger,
      client: await services.client('live'),
      mode: 'live',
      org,
      catalogue,
      directory,
      configuration,
      acceptedAssurances: environment.acceptedAssurances,
      taskQueue: await services.taskQueue(),
    },
    {
      runbook: entry.command,
      input,
      ...who,
      channel: 'cli',
      ...(options.requestId === undefined ? {} : { requestId: options.requestId }),
      ...(asksReason || options.reason === undefined ? {} : { reason: options.reason }),
    },
  );
  if (!result.started) throw new CliError(exitOf(result.code), await context.sentence(result.sentence));
  const { run, duplicate, inboxId } = result;
  if (!context.json) {
    context.say(`${c.green('●')} ${c.bold(entry.spec.title)}  ${run}`);
    if (duplicate) context.say('This request had started the run before: it is not started twice.');
  }
  if (options.watch === true) {
    context.event({ run, duplicate });
    return await watch(context, { run, mode: 'live' });
  }
  const outcome = await outcomeOf(context, inboxId);
  if (outcome !== undefined && outcome.refused !== null) {
    throw new CliError(
      EXIT.refused,
      `Refused (${outcome.refused}): ${await context.sentence(outcome.sentence)}`,
    );
  }
  context.say(
    outcome === undefined
      ? `${c.yellow('…')} It is accepted and begins as soon as a worker runs (\`runbook doctor\` says whether one does).`
      : `${c.green('✓')} It is admitted and goes on by itself.`,
  );
  context.hint(`\`runbook status ${run} --watch\` follows it.`);
  context.document({ run, runbook: entry.spec.name, duplicate, admitted: outcome !== undefined });
  return EXIT.ok;
}

function exitOf(code: StartRefusal): ExitCode {
  switch (code) {
    case 'InvalidInput':
    case 'InvalidMessage':
    case 'UnknownConfig':
      return EXIT.usage;
    case 'NoSuchRunbook':
      return EXIT.notFound;
    case 'NotAsked':
    case 'UnknownPerson':
    case 'AssuranceNotAccepted':
    case 'MayNotStart':
    case 'Locked':
    case 'DedupeKeyReused':
    case 'RunIdTaken':
      return EXIT.refused;
    default:
      return code satisfies never;
  }
}
