import type { Client } from '@temporalio/client';
import pc from 'picocolors';
import type { Ledger } from '../../activities/ledger/contract.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import { Timeline, type Names } from './timeline.js';
import { textsOf } from './titles.js';

export interface StoryOptions {
  readonly client: Client;
  readonly ledger: Ledger;
  readonly org: string;
  readonly run: string;
  readonly names: Names;
  readonly say: (line: string) => void;
}

/** Prints a run's timeline as it happens, by the run's own clock, until its end. */
export async function printStory({ client, ledger, org, run, names, say }: StoryOptions): Promise<void> {
  const texts = textsOf();
  const handle = client.workflow.getHandle(run);
  const end = new AbortController();
  let timeline: Timeline | undefined;
  for await (const { entry } of ledger.follow({ org, run }, end.signal)) {
    if (needsTexts(entry.kind)) {
      // A status that can't be had costs a nicer sentence, nothing else.
      await handle.query(statusQuery).then(texts.learn, () => undefined);
    }
    timeline ??= new Timeline(names, { colours: pc, startedAt: entry.virtual, texts });
    timeline.add(entry).forEach(say);
    if (entry.kind === 'run.closed' || entry.kind === 'run.refused') end.abort();
  }
  timeline?.flush().forEach(say);
}

/** Entries whose sentence is in the status only. Each step's title is learned with its outcome. */
function needsTexts(kind: string): boolean {
  return ['gate.opened', 'wait.started', 'question.asked', 'step.outcome'].includes(kind);
}
