import { read } from '../../triggers/inbox.js';
import { hashJson } from '../hash.js';
import type { LedgerEntry } from '../ledger/entry.js';
import { appendFinal } from '../ledger/final.js';
import { admit, type AdmitServices } from './admit.js';
import { draftReport, keepEvidence } from './evidence.js';
import { takeLock, waitForLock } from './locks.js';
import type { EngineActivities, Notice, RunEntry, RunIdentity } from './contract.js';
import { answer, readMessage, type MessageServices } from './messages.js';

export interface EngineServices extends AdmitServices, MessageServices {
  /** Tells people; the same key is told once. */
  readonly announce: (identity: RunIdentity, notice: Notice, key: string) => Promise<void>;
}

/** What the engine does outside the workflow, over one installation's services. */
export function engineActivities(services: EngineServices): EngineActivities {
  const { ledger, pool } = services;
  /** A workflow can't hash, and evidence stays in the inbox row. */
  const complete = async (identity: RunIdentity, entry: RunEntry): Promise<LedgerEntry> => {
    const common = { v: 1, ...identity, at: new Date().toISOString() } as const;
    if (!('result' in entry)) return { ...common, ...entry };
    const { result, ...rest } = entry;
    const resultHash = result === null ? null : hashJson(result);
    if (rest.kind === 'run.closed') return { ...common, ...rest, resultHash };
    const row = rest.inbox === null ? undefined : await read(pool, rest.inbox);
    return { ...common, ...rest, resultHash, evidence: row?.evidenceCommitment ?? null };
  };
  return {
    'engine.admit': (asked) => admit(services, asked),
    'engine.record': async ({ identity, entries }) => {
      const completed = await Promise.all(
        entries.map(async ({ eventKey, entry }) => ({ eventKey, entry: await complete(identity, entry) })),
      );
      let together: typeof completed = [];
      const appendTogether = async (): Promise<void> => {
        if (together.length > 0) await ledger.append(together);
        together = [];
      };
      for (const item of completed) {
        if (item.entry.kind === 'step.resolved') {
          await appendTogether();
          await appendFinal(ledger, item.entry);
        } else together.push(item);
      }
      await appendTogether();
    },
    'engine.readMessage': (asked) => readMessage(services, asked),
    'engine.answer': ({ identity, answer: given }) => answer(services, identity, given),
    'engine.amend': async ({ planDigest, step, input }) => ({
      planDigest: hashJson({ planDigest, step, input }),
    }),
    'engine.keepEvidence': (request) => keepEvidence(services, request),
    'engine.draftReport': (request) => draftReport(services, request),
    'engine.takeLock': ({ run, resource }) => takeLock(services, run, resource),
    'engine.waitForLock': ({ run, resource }) => waitForLock(services, run, resource),
    'engine.announce': ({ identity, notice, key }) => services.announce(identity, notice, key),
  };
}
