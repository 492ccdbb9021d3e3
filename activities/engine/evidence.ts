import { createHash } from 'node:crypto';
import type { Ledger } from '../ledger/contract.js';
import { eventKey, type EntryOf } from '../ledger/entry.js';
import type { DraftRequest, EvidenceSource, RunIdentity } from './contract.js';
import { draft } from './report.js';

export interface EvidenceServices {
  readonly ledger: Ledger;
}

/** Keeps content outside of the history and the record, erasable, with its hash on the record. */
export async function keepEvidence(
  { ledger }: EvidenceServices,
  request: { identity: RunIdentity; id: string; source: EvidenceSource; virtual: string },
): Promise<{ hash: string }> {
  const { identity, id, source, virtual } = request;
  const content = contentOf(source);
  const hash = 'file' in source ? source.sha256 : createHash('sha256').update(content).digest('hex');
  const { commitment } = await ledger.disclose({ org: identity.org, content });
  const entry: EntryOf<'evidence.kept'> = {
    v: 1,
    kind: 'evidence.kept',
    ...identity,
    at: new Date().toISOString(),
    virtual,
    evidence: id,
    sha256: hash,
    commitment,
  };
  await ledger.append([{ eventKey: eventKey(entry), entry }]);
  return { hash };
}

/** Drafts a report from the record and keeps it. */
export async function draftReport(
  { ledger }: EvidenceServices,
  request: DraftRequest,
): Promise<{ hash: string }> {
  const { identity, id, virtual } = request;
  const entries = [];
  for (;;) {
    const afterId = entries.at(-1)?.id;
    const page = await ledger.read({
      org: identity.org,
      run: identity.run,
      ...(afterId === undefined ? {} : { afterId }),
    });
    if (page.length === 0) break;
    entries.push(...page);
  }
  const text = draft(
    request,
    entries.map(({ entry }) => entry),
  );
  return await keepEvidence({ ledger }, { identity, id, source: { text }, virtual });
}

function contentOf(source: EvidenceSource): string {
  if ('text' in source) return source.text;
  if ('link' in source) return source.link;
  return `${source.file} (SHA-256 ${source.sha256})`;
}
