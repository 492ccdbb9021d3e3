import type { Context } from './context.js';
import { CliError, EXIT, type ExitCode } from './exit.js';
import { follow } from './follow.js';
import { describe, findRun, statusOf, type FoundRun } from './run-status.js';
import { gateCommands, peopleOf, stateText, statusLines } from './status-view.js';
import { clean, columns, fromNow, time } from './terminal.js';
import { formatEntry, peopleIn, wordsIn } from './timeline.js';
import { textsOf } from './titles.js';

/** How long Temporal may take to list runs. */
const LIST_WITHIN_MS = 5_000;

export interface RunsFlags {
  readonly open?: boolean;
  readonly closed?: boolean;
  readonly rehearsals?: boolean;
  readonly limit: number;
}

/** `runs`: the newest runs, as Temporal lists them. */
export async function runs(context: Context, { open, closed, rehearsals, limit }: RunsFlags): Promise<void> {
  const { services, colours: c } = context;
  if (open === true && closed === true) {
    throw new CliError(
      EXIT.usage,
      '--open and --closed together leave nothing out: give one of them, or neither.',
    );
  }
  const client = await services.client(rehearsals === true ? 'rehearsal' : 'live');
  const conditions = [
    `Org = '${services.org}'`,
    ...(open === true ? ["ExecutionStatus = 'Running'"] : []),
    ...(closed === true ? ["ExecutionStatus != 'Running'"] : []),
  ];
  const found: {
    run: string;
    runbook: string;
    title: string;
    state: string;
    startedAt: string;
    awaitsApproval: boolean;
  }[] = [];
  await client.withDeadline(Date.now() + LIST_WITHIN_MS, async () => {
    for await (const info of client.workflow.list({
      query: conditions.join(' AND '),
      pageSize: Math.min(limit, 1_000),
    })) {
      const attributes = new Map<string, unknown>(
        info.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]),
      );
      const recorded = attributes.get('RunbookState');
      const state = typeof recorded === 'string' ? recorded : 'unknown';
      const isSilent = ['TERMINATED', 'TIMED_OUT'].includes(info.status.name);
      found.push({
        run: info.workflowId,
        runbook: info.type,
        title: typeof info.memo?.['title'] === 'string' ? info.memo['title'] : info.type,
        state: isSilent ? info.status.name.toLowerCase().replace('_', ' ') : state,
        startedAt: info.startTime.toISOString(),
        awaitsApproval: attributes.get('AwaitingApproval') === true && info.status.name === 'RUNNING',
      });
      if (found.length >= limit) break;
    }
  });
  const now = new Date().toISOString();
  const rows = columns(
    found.map(({ run, state, startedAt }) => [clean(run), clean(state), fromNow(startedAt, now)]),
  );
  found.forEach(({ state, title, awaitsApproval }, index) => {
    const [run = '', padded = '', since = ''] = rows[index] ?? [];
    const coloured = padded.replace(clean(state), stateText(state, c));
    context.say(
      `${run}  ${coloured}  ${clean(title)} ${c.dim(since)}${awaitsApproval ? c.yellow('  ? approval') : ''}`,
    );
  });
  const which = `${open === true ? 'open ' : closed === true ? 'closed ' : ''}${rehearsals === true ? 'rehearsal' : 'run'}`;
  if (found.length === 0) context.say(`There is no ${which}.`);
  else if (found.length === limit) context.hint(`The newest ${limit}; --limit shows more.`);
  context.document(found);
}

/** `status RUN`: the whole picture, once or live. */
export async function status(
  context: Context,
  run: string,
  flags: { readonly watch?: boolean },
): Promise<ExitCode> {
  const found = await findRun(context, run);
  if (flags.watch === true) return await watch(context, found);
  const picture = await statusOf(context, found);
  await context.names.learn(peopleOf(picture));
  for (const line of statusLines(picture, context.names.of, context.colours)) context.say(line);
  context.document(picture);
  return EXIT.ok;
}

/** Follows a run to its end. */
export async function watch(context: Context, { run, mode }: FoundRun): Promise<ExitCode> {
  const { colours: c } = context;
  const end = await follow(context, run, mode, {
    onEntry: (entry) => {
      if (entry.kind === 'gate.opened' && mode === 'live') {
        for (const line of gateCommands(run, entry.gate, c)) context.hint(line);
      }
    },
  });
  context.event({ run, end });
  switch (end) {
    case 'completed':
      return EXIT.ok;
    case 'interrupted':
      context.say(`The run goes on. \`runbook status ${run} --watch\` follows it again.`);
      return EXIT.interrupted;
    case 'ended without a word': {
      const execution = await describe(context, run, mode);
      context.say(
        c.red(
          `Temporal says that the run is ${execution?.status ?? 'over'}, but it did not write its own end: look at \`runbook ledger ${run}\`.`,
        ),
      );
      return EXIT.endedOtherwise;
    }
    default:
      return EXIT.endedOtherwise;
  }
}

/** `ledger RUN`: every entry of a run. */
export async function ledger(context: Context, run: string): Promise<void> {
  const { services, colours: c } = context;
  const found = await findRun(context, run);
  const entries = [];
  for (let afterId: number | undefined; ; afterId = entries.at(-1)?.id) {
    const page = await services.ledger.read({
      org: services.org,
      run,
      ...(afterId === undefined ? {} : { afterId }),
    });
    if (page.length === 0) break;
    entries.push(...page);
  }
  const texts = textsOf();
  if (!context.json) texts.learn(await statusOf(context, found));
  const words = new Map<string, string>();
  for (const { entry, leafHash } of entries) {
    await context.names.learn(peopleIn(entry));
    for (const commitment of wordsIn(entry)) {
      const bytes = await services.ledger.disclosed(services.org, commitment);
      if (bytes !== undefined) words.set(commitment, Buffer.from(bytes).toString('utf8'));
    }
    const line = formatEntry(entry, context.names.of, undefined, {
      colours: c,
      texts,
      words: (commitment) => words.get(commitment),
      ...(found.mode === 'rehearsal' ? { startedAt: entries[0]?.entry.virtual } : {}),
    });
    context.say(`${c.dim(leafHash.slice(0, 8))}  ${line}`);
  }
  if (entries.length === 0)
    context.say('The ledger has no entry of this run yet: no worker has admitted it.');
  else {
    const [first, last] = [entries[0]?.appendedAt ?? '', entries.at(-1)?.appendedAt ?? ''];
    context.hint(
      `${entries.length} ${entries.length === 1 ? 'entry' : 'entries'}, ${time(first)} to ${time(last)}. Left: the first digits of each entry's hash; --json shows them whole.`,
    );
  }
  context.document(
    entries.map(({ id, eventKey, entry, leafHash, appendedAt }) => ({
      id,
      eventKey,
      leafHash,
      appendedAt,
      entry,
    })),
  );
}
