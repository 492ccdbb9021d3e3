import type { Client } from '@temporalio/client';
import type * as Sdk from '@temporalio/worker';
import type { Rehearsal } from '../../workflows/engine/types.js';
import type { RehearsalHooks, RehearsalResult } from '../../worker/rehearsal/index.js';
import { CAST } from '../../simulators/cast.js';
import type { CatalogueEntry } from '../catalogue.js';
import { storeDrill } from '../drills.js';
import type { Context } from './context.js';
import { CliError, EXIT, type ExitCode } from './exit.js';
import { checkInput, givenInput } from './flags.js';
import { Storyteller } from './follow.js';
import { findRehearsal } from './look.js';
import { closing } from './timeline.js';

/**
 * `rehearse NAME`: runs a rehearsal in this process, on the running stack's Temporal and database and on simulators of
 * its own.
 */
export async function rehearse(
  context: Context,
  entry: CatalogueEntry,
  options: Readonly<Record<string, unknown>> & { readonly rehearsal?: string },
): Promise<ExitCode> {
  const chosen = findRehearsal(entry, options.rehearsal);
  const given = givenInput(entry, options);
  const input = { ...(chosen.input as Record<string, unknown>), ...given };
  const result = await performRehearsal(context, entry, {
    ...chosen,
    input: checkInput(entry, input, context.services.configuration),
  });
  return result === undefined ? EXIT.interrupted : EXIT.ok;
}

/**
 * Runs a rehearsal and tells its story as it happens; undefined when it was interrupted.
 * @throws CliError when it does not go as scripted
 */
export async function performRehearsal(
  context: Context,
  entry: CatalogueEntry,
  rehearsal: Rehearsal<unknown>,
): Promise<RehearsalResult | undefined> {
  const { services, catalogue } = context;
  const { environment, configuration, pool, ledger, org } = services;

  context.hint('Building the workflows ...');
  // The engine is heavy, and only this command needs it.
  const [
    sdk,
    { bundleWorkflows },
    { RehearsalHost, RehearsalFailed },
    { startSimulators },
    { simulators },
    connections,
  ] = await Promise.all([
    import('@temporalio/worker'),
    import('../../worker/bundle.js'),
    import('../../worker/rehearsal/index.js'),
    import('../../simulators/server.js'),
    import('../../simulators/index.js'),
    import('../../worker/connection.js'),
  ]);
  quiet(sdk);
  const closers: (() => Promise<unknown>)[] = [];
  try {
    const { client, close } = await connections.connectClient(environment, 'rehearsal');
    closers.push(close);
    const { connection } = await connections.connectNative(environment, 'rehearsal');
    closers.push(() => connection.close());
    const servers = await startSimulators(simulators);
    closers.push(() => servers.close());
    const bundle = await bundleWorkflows();
    const host = await RehearsalHost.open({
      client,
      connection,
      pool,
      ledger,
      org,
      configuration,
      catalogue,
      bundle,
      simulators: servers,
    });
    closers.push(() => host.close());
    const result = await runScript(context, client, rehearsal, RehearsalFailed, (hooks) =>
      host.rehearse(entry, rehearsal, hooks),
    );
    if (result !== undefined) await keepReport(context, entry, rehearsal.name, result);
    return result;
  } finally {
    for (const close of closers.reverse()) await close().catch(() => undefined);
  }
}

/** Stores the report of the drill, for `drills`. */
async function keepReport(
  context: Context,
  { spec }: CatalogueEntry,
  rehearsal: string,
  result: RehearsalResult,
): Promise<void> {
  const { drillReport, drillMarkdown } = await import('../../worker/rehearsal/drill-report.js');
  const { pool, org } = context.services;
  const report = drillReport(spec.name, rehearsal, result);
  const id = await storeDrill(
    pool,
    org,
    report,
    drillMarkdown(report, (person) => CAST.find((member) => member.id === person)?.name ?? person),
  );
  context.hint(`Stored as drill ${id}: \`runbook drill ${id}\` prints the report.`);
  context.event({ drill: id });
}

type Failure = abstract new (...args: never[]) => Error;

/** Runs the script and tells it as it goes. */
async function runScript(
  context: Context,
  client: Client,
  rehearsal: Rehearsal<unknown>,
  RehearsalFailed: Failure,
  perform: (hooks: RehearsalHooks) => Promise<RehearsalResult>,
): Promise<RehearsalResult | undefined> {
  const { colours: c } = context;
  const { ledger, org } = context.services;
  const interrupted = context.interruptible();
  const told = new AbortController();
  let telling: Promise<void> = Promise.resolve();
  let run: string | undefined;
  const stopRun = (): void => {
    if (run === undefined) return;
    client.workflow
      .getHandle(run)
      .terminate('stopped at the terminal')
      .catch(() => undefined);
  };
  interrupted.addEventListener('abort', stopRun, { once: true });
  try {
    const result = await perform({
      onStart: (id) => {
        run = id;
        if (interrupted.aborted) stopRun();
        context.say(`${c.magenta('REHEARSAL')}  ${c.bold(rehearsal.name)}  ${c.dim(id)}`);
        context.say(c.dim('Nothing here is real but the engine: systems, people and time are simulated.'));
        context.event({ run: id, rehearsal: rehearsal.name });
        telling = tell(
          context,
          id,
          new Storyteller(context, id, { ledger, org, client, relative: true }),
          told.signal,
        );
      },
    });
    await telling;
    const { outcome, virtualMs, wallMs, entries, answers } = result;
    context.say(
      `${c.green('✓')} As scripted: ${outcome}. ${closing(virtualMs, wallMs)}, ${entries.length} ledger entries.`,
    );
    context.hint(`\`runbook ledger ${result.run}\` shows each of them.`);
    context.event({
      run: result.run,
      outcome,
      asScripted: true,
      virtualMs,
      wallMs,
      entries: entries.length,
      answers,
    });
    return result;
  } catch (error) {
    if (interrupted.aborted) {
      context.say('The rehearsal was stopped. Nothing real was touched.');
      return undefined;
    }
    if (!(error instanceof RehearsalFailed)) throw error;
    // What happened until then is told before why it is wrong.
    if (run !== undefined) await Promise.race([telling, pause()]);
    throw new CliError(EXIT.endedOtherwise, await context.sentence(error.message));
  } finally {
    interrupted.removeEventListener('abort', stopRun);
    told.abort();
    await telling.catch(() => undefined);
  }
}

/** Prints the run as its entries come, until its last one. */
async function tell(context: Context, run: string, teller: Storyteller, signal: AbortSignal): Promise<void> {
  const { ledger, org } = context.services;
  for await (const stored of ledger.follow({ org, run }, signal)) {
    await teller.tell(stored);
    if (stored.entry.kind === 'run.closed' || stored.entry.kind === 'run.refused') break;
  }
  teller.end();
}

/** Entries that are written reach us within moments. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1_000));
}

/** The worker's log lines would stand between those of the story; its handling of Ctrl-C is not ours. */
function quiet({ Runtime, DefaultLogger, makeTelemetryFilterString }: typeof Sdk): void {
  try {
    Runtime.install({
      logger: new DefaultLogger('ERROR', ({ message }) => void process.stderr.write(`${message}\n`)),
      telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
      shutdownSignals: [],
    });
  } catch {
    // A process has one runtime: somebody installed it before us.
  }
}
