import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { OperatorChoice, RunStatus } from '../../workflows/engine/types.js';
import { MAX_EVIDENCE, type InboxMessage } from '../inbox.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { didYouMean } from './nearest.js';
import { actor } from './person.js';
import { findRun, statusOf } from './run-status.js';
import { send } from './send.js';
import { gateFacts, peopleOf } from './status-view.js';
import { clean } from './terminal.js';

export const CHOICES = [
  'retry',
  'skip',
  'done',
  'abort',
  'cut-short',
] as const satisfies readonly OperatorChoice[];

export interface ActFlags {
  readonly as?: string;
  readonly reason?: string;
}
export interface OperateFlags extends ActFlags {
  readonly evidence?: string;
  readonly input?: string;
  readonly result?: string;
}

/** `approve` and `decline`: shows what is decided, then decides it, bound to the plan that was shown. */
export async function decide(
  context: Context,
  run: string,
  gate: string,
  verdict: 'approve' | 'decline',
  { as, reason }: ActFlags,
): Promise<void> {
  const who = await actor(context, as);
  const found = await findRun(context, run);
  const status = await statusOf(context, found);
  const asked = status.gates.find(({ id }) => id === gate);
  if (asked === undefined) throw unknownTarget(status, 'gate', gate);
  await context.names.learn(peopleOf(status));
  await head(context, status);
  for (const line of gateFacts(asked, status.now, context.names.of, context.colours)) context.say(line);
  await send(
    context,
    { ...found, ...who },
    {
      kind: 'decide',
      target: gate,
      verdict,
      ...withText({ reason }),
      ...(status.planDigest === null ? {} : { planDigest: status.planDigest }),
    },
  );
}

/** `operate`: what becomes of a failed step, a manual step or a wait. */
export async function operate(
  context: Context,
  run: string,
  step: string,
  choice: string,
  { as, reason, evidence, input, result }: OperateFlags,
): Promise<void> {
  const chosen = CHOICES.find((one) => one === choice);
  if (chosen === undefined) {
    throw new CliError(
      EXIT.usage,
      `"${choice}" is no choice.${didYouMean(choice, CHOICES)} Choices are ${CHOICES.join(', ')}.`,
    );
  }
  const values = {
    ...withText({ reason, evidence: evidence === undefined ? undefined : evidenceOf(evidence) }),
    ...withJson('input', input),
    ...withJson('result', result),
  };
  const who = await actor(context, as);
  const found = await findRun(context, run);
  const status = await statusOf(context, found);
  const question = status.questions.find(({ id }) => id === step);
  const wait = status.waits.find(({ id }) => id === step);
  if (question === undefined && wait === undefined && !status.steps.some(({ id }) => id === step)) {
    throw unknownTarget(status, 'step', step);
  }
  await head(context, status);
  if (question !== undefined) context.say(`  ${context.colours.yellow('?')} ${clean(question.what)}`);
  else if (wait !== undefined)
    context.say(`  ${context.colours.cyan('◷')} ${clean(wait.why === '' ? wait.id : wait.why)}`);
  await send(context, { ...found, ...who }, { kind: 'operate', target: step, choice: chosen, ...values });
}

/** `note`: a remark for the record. */
export async function note(context: Context, run: string, text: string, { as }: ActFlags): Promise<void> {
  const who = await actor(context, as);
  await send(context, { ...(await findRun(context, run)), ...who }, { kind: 'note', reason: text });
}

/** `cancel`: stops a run and takes back what it did. */
export async function cancel(context: Context, run: string, { as, reason }: ActFlags): Promise<void> {
  const who = await actor(context, as);
  await send(
    context,
    { ...(await findRun(context, run)), ...who },
    { kind: 'cancel', ...withText({ reason }) },
  );
}

/** The run that is acted on. */
export async function head(context: Context, { title, run, stale }: RunStatus): Promise<void> {
  const { colours: c } = context;
  context.say(`${c.bold(await context.sentence(title))}  ${c.dim(clean(run))}`);
  if (stale === true) context.say(c.yellow('No worker answers: this is what the ledger knows.'));
}

function unknownTarget(
  { gates, questions, waits, run, stale }: RunStatus,
  what: 'gate' | 'step',
  wanted: string,
): CliError {
  const open =
    what === 'gate'
      ? gates.filter(({ state }) => state === 'open').map(({ id }) => id)
      : [
          ...questions.map(({ id }) => id),
          ...waits.filter(({ state }) => state === 'waiting').map(({ id }) => id),
        ];
  const waiting = open.length === 0 ? 'Nothing of the kind is open.' : `Open: ${open.join(', ')}.`;
  const doubt = stale === true ? ' No worker answers, so there may be more.' : '';
  const name = what === 'gate' ? 'gate' : 'step, manual step or wait';
  return new CliError(
    EXIT.notFound,
    `This run has no ${name} "${wanted}".${didYouMean(wanted, open)} ${waiting}${doubt} \`runbook status ${run}\` shows it all.`,
  );
}

export function withText<T extends Readonly<Record<string, string | undefined>>>(
  texts: T,
): { [K in keyof T]?: string } {
  const given = Object.entries(texts).filter(([, text]) => text !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: string };
}

/** Evidence: a text, a link, or the content of `@file`; of a file that is long or no text, its hash. */
export function evidenceOf(argument: string): string {
  if (!argument.startsWith('@')) return argument;
  const content = fileOf('--evidence', argument);
  const text = content.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(content) && !text.includes('\0');
  if (isText && text.length <= MAX_EVIDENCE && text.trim() !== '') return text;
  const hash = createHash('sha256').update(content).digest('hex');
  return `File ${basename(argument.slice(1))}, ${content.length} bytes, SHA-256 ${hash}`;
}

type Json = Extract<InboxMessage, { kind: 'start' }>['input'];

function withJson<K extends 'input' | 'result'>(name: K, argument: string | undefined): { [N in K]?: Json } {
  if (argument === undefined) return {};
  const text = argument.startsWith('@') ? fileOf(`--${name}`, argument).toString('utf8') : argument;
  try {
    return { [name]: JSON.parse(text) as Json } as { [N in K]?: Json };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(
      EXIT.usage,
      `--${name} is not JSON (${clean(why)}). Quote it, or give a file: --${name} @${name}.json`,
    );
  }
}

function fileOf(flag: string, argument: string): Buffer {
  const path = argument.slice(1);
  try {
    return readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new CliError(EXIT.usage, `${flag}: ${path} can't be read (${code}).`);
  }
}
