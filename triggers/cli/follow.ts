import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Ledger, StoredEntry } from '../../activities/ledger/contract.js';
import type { LedgerEntry } from '../../activities/ledger/entry.js';
import type { Mode, RunOutcome } from '../../workflows/engine/types.js';
import type { Context } from './context.js';
import { askRun, describe } from './run-status.js';
import { clean } from './terminal.js';
import { peopleIn, Timeline, wordsIn } from './timeline.js';
import { textsOf } from './titles.js';

/** How often Temporal is asked whether the run ended without a word. */
const LOOK_EVERY_MS = 3_000;
/** After no worker answered, how long its texts are done without. */
const ASK_AGAIN_MS = 15_000;

/** Prints entries of one run as people read them, with the texts that only the run itself knows. */
export class Storyteller {
  private readonly texts = textsOf();
  private readonly words = new Map<string, string>();
  private timeline: Timeline | undefined;
  private askAgainAt = 0;
  private transient = '';

  constructor(
    private readonly context: Context,
    private readonly run: string,
    private readonly options: {
      readonly ledger: Ledger;
      readonly org: string;
      /** Of the run's namespace. */
      readonly client: Client;
      /** Times since the start of the run's clock. */
      readonly relative: boolean;
    },
  ) {}

  async tell({ entry, leafHash }: Pick<StoredEntry, 'entry' | 'leafHash'>): Promise<void> {
    const { context } = this;
    if (context.json) {
      context.event({ leafHash, ...entry });
      return;
    }
    const timeline = await this.prepared(entry);
    const lines = timeline.add(entry);
    this.print(lines);
    this.showUnderWay(timeline.underWay());
  }

  end(): void {
    this.print(this.timeline?.flush() ?? []);
    this.showUnderWay([]);
  }

  /** Looks up what the entry's sentence needs: names, words, texts. */
  private async prepared(entry: LedgerEntry): Promise<Timeline> {
    const { context, options, texts } = this;
    await context.names.learn(peopleIn(entry));
    for (const commitment of wordsIn(entry)) {
      const bytes = await options.ledger.disclosed(options.org, commitment).catch(() => undefined);
      if (bytes !== undefined) this.words.set(commitment, Buffer.from(bytes).toString('utf8'));
    }
    if (isUnknown(entry, texts) && Date.now() >= this.askAgainAt) {
      const status = await askRun(options.client, this.run);
      if (status === undefined) this.askAgainAt = Date.now() + ASK_AGAIN_MS;
      else texts.learn(status);
    }
    return (this.timeline ??= new Timeline(context.names.of, {
      colours: context.colours,
      texts,
      words: (commitment) => this.words.get(commitment),
      ...(options.relative ? { startedAt: entry.virtual } : {}),
    }));
  }

  private print(lines: readonly string[]): void {
    if (lines.length === 0) return;
    this.showUnderWay([]);
    for (const line of lines) this.context.say(line);
  }

  /** On a terminal, the steps under way in one line that is overwritten. */
  private showUnderWay(steps: readonly string[]): void {
    const { io, colours, json } = this.context;
    if (json || io.stdout.isTTY !== true) return;
    const text = steps.length === 0 ? '' : `… ${clean(steps.join(', '))}`.slice(0, 100);
    if (text === this.transient) return;
    this.transient = text;
    io.stdout.write(`\r\u001b[K${colours.dim(text)}`);
  }
}

function isUnknown(entry: LedgerEntry, texts: ReturnType<typeof textsOf>): boolean {
  switch (entry.kind) {
    case 'step.intent':
      return texts.step(entry.step) === undefined;
    case 'gate.opened':
    case 'gate.closed':
      return texts.gate(entry.gate) === undefined;
    case 'wait.started':
      return texts.wait(entry.wait) === undefined;
    case 'question.asked':
      return (
        texts.question(entry.target) === undefined ||
        texts.question(entry.target) === texts.step(entry.target)
      );
    default:
      return false;
  }
}

export type FollowEnd = RunOutcome | 'ended without a word' | 'interrupted';

/** Follows a run to its end, printing what happens, and what happened before. */
export async function follow(
  context: Context,
  run: string,
  mode: Mode,
  options: { readonly onEntry?: (entry: LedgerEntry) => void } = {},
): Promise<FollowEnd> {
  const { services } = context;
  const { ledger, org } = services;
  const client = await services.client(mode);
  const teller = new Storyteller(context, run, { ledger, org, client, relative: mode === 'rehearsal' });
  const interrupted = context.interruptible();
  const over = new AbortController();
  const signal = AbortSignal.any([interrupted, over.signal]);
  let end: FollowEnd | undefined;
  const looking = untilEndedSilently(context, run, mode, signal).then((ended) => {
    if (!ended) return;
    end ??= 'ended without a word';
    over.abort();
  });
  try {
    for await (const stored of ledger.follow({ org, run }, signal)) {
      await teller.tell(stored);
      options.onEntry?.(stored.entry);
      if (stored.entry.kind === 'run.closed') end = stored.entry.outcome;
      else if (stored.entry.kind === 'run.refused') end = 'refused';
      else continue;
      break;
    }
  } finally {
    over.abort();
    teller.end();
    await looking;
  }
  return end ?? 'interrupted';
}

/** Resolves to true once Temporal says twice that the run ended: the ledger had time to say so first. */
async function untilEndedSilently(
  context: Context,
  run: string,
  mode: Mode,
  signal: AbortSignal,
): Promise<boolean> {
  for (let ended = 0; ended < 2;) {
    await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return false;
    const execution = await describe(context, run, mode);
    ended = execution === undefined || execution.status === 'RUNNING' ? 0 : ended + 1;
  }
  return !signal.aborted;
}
