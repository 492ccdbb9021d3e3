import { SEVERITIES, type RunStatus } from '../../workflows/engine/types.js';
import { evidenceOf, head, withText, type ActFlags } from './act.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { didYouMean } from './nearest.js';
import { actor } from './person.js';
import { findRun, statusOf } from './run-status.js';
import { send } from './send.js';
import { clean } from './terminal.js';

type QuestionKind = RunStatus['questions'][number]['kind'];

/** `decide`: answers a decision with one of its choices. */
export async function choose(
  context: Context,
  run: string,
  decision: string,
  option: string,
  { as, reason }: ActFlags,
): Promise<void> {
  const who = await actor(context, as);
  const found = await findRun(context, run);
  const status = await statusOf(context, found);
  const { id, options = [] } = questionOf(status, 'decision', decision);
  if (options.length > 0 && !options.includes(option)) {
    throw new CliError(
      EXIT.usage,
      `"${option}" is none of the choices of ${id}.${didYouMean(option, options)} Choices are ${options.join(', ')}.`,
    );
  }
  await head(context, status);
  const to = { ...found, ...who };
  await send(context, to, { kind: 'operate', target: id, choice: 'choose', option, ...withText({ reason }) });
}

/** `acknowledge`: takes charge of what nobody has taken charge of yet. */
export async function acknowledge(
  context: Context,
  run: string,
  target: string | undefined,
  { as, reason }: ActFlags,
): Promise<void> {
  const who = await actor(context, as);
  const found = await findRun(context, run);
  const status = await statusOf(context, found);
  const { id } = questionOf(status, 'acknowledgement', target);
  await head(context, status);
  const to = { ...found, ...who };
  await send(context, to, { kind: 'operate', target: id, choice: 'acknowledge', ...withText({ reason }) });
}

/** `justify`: the reason why a clock was missed. */
export async function justify(
  context: Context,
  run: string,
  target: string | undefined,
  { as, reason }: ActFlags,
): Promise<void> {
  const who = await actor(context, as);
  const found = await findRun(context, run);
  const status = await statusOf(context, found);
  const { id } = questionOf(status, 'justification', target);
  await head(context, status);
  const to = { ...found, ...who };
  await send(context, to, { kind: 'operate', target: id, choice: 'justify', ...withText({ reason }) });
}

/** `evidence add`: a text, a link or a file for the record. */
export async function addEvidence(
  context: Context,
  run: string,
  evidence: string,
  { as, reason }: ActFlags,
): Promise<void> {
  const content = evidenceOf(evidence);
  const who = await actor(context, as);
  const to = { ...(await findRun(context, run)), ...who };
  await send(context, to, { kind: 'evidence', evidence: content, ...withText({ reason }) });
}

/** `hand-over`: another person takes charge of the run. */
export async function handOver(
  context: Context,
  run: string,
  successor: string,
  { as, reason }: ActFlags,
): Promise<void> {
  const who = await actor(context, as);
  const { person } = await actor(context, successor);
  const to = { ...(await findRun(context, run)), ...who };
  await send(context, to, { kind: 'hand-over', to: person, ...withText({ reason }) });
}

/** `severity`: it is more, or less, severe than was thought. */
export async function changeSeverity(
  context: Context,
  run: string,
  severity: string,
  { as, reason }: ActFlags,
): Promise<void> {
  const wanted = SEVERITIES.find((one) => one === severity.toLowerCase());
  if (wanted === undefined) {
    throw new CliError(
      EXIT.usage,
      `"${severity}" is no severity. There are ${SEVERITIES.join(', ')}; labels such as P1 mean different things in different documents.`,
    );
  }
  const who = await actor(context, as);
  const to = { ...(await findRun(context, run)), ...who };
  await send(context, to, { kind: 'severity', severity: wanted, ...withText({ reason }) });
}

/** The open question of a kind: the one that is named, or the only one. */
function questionOf(
  { questions, run }: RunStatus,
  kind: QuestionKind,
  wanted: string | undefined,
): RunStatus['questions'][number] {
  const open = questions.filter((question) => question.kind === kind);
  const found = wanted === undefined ? open.length === 1 && open[0] : open.find(({ id }) => id === wanted);
  if (found !== false && found !== undefined) return found;
  const ids = open.map(({ id }) => clean(id));
  const waiting = ids.length === 0 ? `No ${kind} is open.` : `Open: ${ids.join(', ')}.`;
  const which = open.length === 0 ? '' : 'Say which one.';
  const what = wanted === undefined ? which : `This run has no open ${kind} "${wanted}".`;
  throw new CliError(
    EXIT.notFound,
    `${what}${didYouMean(wanted ?? '', ids)} ${waiting} \`runbook status ${run}\` shows it all.`,
  );
}
