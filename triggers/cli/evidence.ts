import type { EntryOf } from '../../activities/ledger/entry.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { didYouMean } from './nearest.js';
import { findRun } from './run-status.js';
import { clean, columns, time } from './terminal.js';

type Kept = Pick<EntryOf<'evidence.kept'>, 'evidence' | 'sha256' | 'commitment' | 'virtual'>;

/** `evidence list RUN`: what was kept for the record. */
export async function listEvidence(context: Context, run: string): Promise<void> {
  const kept = await evidenceOfRun(context, run);
  const rows = columns(kept.map(({ evidence, virtual, sha256 }) => [clean(evidence), time(virtual), sha256]));
  for (const row of rows) context.say(row.join('  '));
  if (kept.length === 0) context.say('Nothing was kept as evidence in this run.');
  else context.hint(`\`runbook evidence show ${run} NAME\` prints one.`);
  context.document(kept);
}

/** `evidence show RUN NAME`: the content, as long as it was not erased. */
export async function showEvidence(context: Context, run: string, name: string): Promise<void> {
  const kept = await evidenceOfRun(context, run);
  const found = kept.find(({ evidence }) => evidence === name);
  if (found === undefined) {
    const names = kept.map(({ evidence }) => evidence);
    throw new CliError(
      EXIT.notFound,
      `This run has no evidence "${name}".${didYouMean(name, names)} There is: ${names.join(', ') || 'none'}.`,
    );
  }
  const { ledger, org } = context.services;
  const bytes = await ledger.disclosed(org, found.commitment);
  if (bytes === undefined) {
    throw new CliError(EXIT.notFound, `The content of ${name} was erased. Its hash was ${found.sha256}.`);
  }
  const content = Buffer.from(bytes).toString('utf8');
  for (const line of content.split('\n')) context.say(clean(line));
  context.document({ ...found, content });
}

async function evidenceOfRun(context: Context, run: string): Promise<Kept[]> {
  const { ledger, org } = context.services;
  await findRun(context, run);
  const kept: Kept[] = [];
  for (let afterId: number | undefined; ;) {
    const page = await ledger.read({ org, run, ...(afterId === undefined ? {} : { afterId }) });
    if (page.length === 0) return kept;
    afterId = page.at(-1)?.id;
    for (const { entry } of page) {
      if (entry.kind === 'evidence.kept') kept.push(entry);
      // What somebody sent in is in the inbox, behind a commitment that is its only hash.
      if (entry.kind === 'message.received' && entry.message === 'evidence' && entry.evidence !== null) {
        const { evidence: commitment, virtual } = entry;
        const count = kept.filter(({ evidence }) => evidence.startsWith('sent-in')).length;
        const evidence = count === 0 ? 'sent-in' : `sent-in#${count + 1}`;
        kept.push({ evidence, sha256: commitment, commitment, virtual });
      }
    }
  }
}
