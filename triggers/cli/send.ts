import { setTimeout as sleep } from 'node:timers/promises';
import type { Mode } from '../../workflows/engine/types.js';
import { InboxError, put, read, type InboxMessage, type InboxOutcome } from '../inbox.js';
import { deliver } from '../relay.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';

/** After so long no relay runs, and the message is delivered from here. */
const RELAYED_WITHIN_MS = 2_000;
/** How long a person waits for the run's answer. */
const ANSWERED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;

type Addressed = 'org' | 'mode' | 'run' | 'person' | 'assurance' | 'channel';
export type Message = InboxMessage extends infer M
  ? M extends InboxMessage
    ? Omit<M, Addressed>
    : never
  : never;

export interface Addressee {
  readonly run: string;
  readonly mode: Mode;
  readonly person: string;
  readonly assurance: 'claimed';
}

/** Puts a message into the inbox, waits for the run's answer and prints it. @throws CliError when it is refused */
export async function send(context: Context, to: Addressee, message: Message): Promise<void> {
  const { pool, ledger, org } = context.services;
  let id: string;
  try {
    ({ id } = await put(pool, ledger, { ...message, ...to, org, channel: 'cli' }));
  } catch (error) {
    if (error instanceof InboxError) throw new CliError(EXIT.usage, error.message);
    throw error;
  }
  const received = await until(context, id, RELAYED_WITHIN_MS, (row) => row.relayedAt !== null);
  let trouble: string | undefined;
  if (received !== 'seen' && received?.outcome == null) {
    try {
      const clients = { [to.mode]: await context.services.client(to.mode) };
      await deliver({ pool, ledger, clients }, id);
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
    }
  }
  const outcome = trouble === undefined ? await outcomeOf(context, id) : undefined;
  const target = 'target' in message ? (message.target ?? null) : null;
  if (outcome === undefined) {
    const sentence =
      trouble === undefined
        ? 'Received; the run will answer when a worker runs.'
        : `Received; it is delivered as soon as that is possible (${await context.sentence(trouble)}).`;
    context.say(`${context.colours.yellow('…')} ${sentence}`);
    context.hint(`\`runbook status ${to.run}\` shows what became of it.`);
    context.document({ inbox: id, run: to.run, target, outcome: null, sentence });
    return;
  }
  const sentence = await context.sentence(outcome.sentence);
  if (outcome.refused !== null) {
    throw new CliError(EXIT.refused, `Refused (${outcome.refused}): ${sentence}`);
  }
  context.say(`${context.colours.green('✓')} ${sentence}`);
  context.document({ inbox: id, run: to.run, target, outcome: { refused: null, sentence } });
}

/** What became of a message, if that is known within ten seconds. */
export async function outcomeOf(context: Context, id: string): Promise<InboxOutcome | undefined> {
  const found = await until(context, id, ANSWERED_WITHIN_MS, () => false);
  return found === 'seen' ? undefined : (found?.outcome ?? undefined);
}

type Row = NonNullable<Awaited<ReturnType<typeof read>>>;

/** Looks at a row until it has an outcome (then the row), or `done` says so (then `seen`), or the time is over. */
async function until(
  { services }: Context,
  id: string,
  ms: number,
  done: (row: Row) => boolean,
): Promise<Row | 'seen' | undefined> {
  const giveUpAt = Date.now() + ms;
  for (;;) {
    const row = await read(services.pool, id);
    if (row !== undefined && row.outcome !== null) return row;
    if (row !== undefined && done(row)) return 'seen';
    if (Date.now() >= giveUpAt) return undefined;
    await sleep(LOOK_EVERY_MS);
  }
}
