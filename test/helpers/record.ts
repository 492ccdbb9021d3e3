import { LedgerEntry, type EntryOf, type LedgerKind } from '../../activities/ledger/entry.js';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import type { Effect } from '../../simulators/world.js';
import type { StoredEntry } from '../../activities/ledger/contract.js';
import type { RehearsalResult } from '../../worker/rehearsal/index.js';

/** What is on the record about one run. */
export interface RunRecord {
  readonly run: string;
  readonly entries: readonly StoredEntry[];
}

/** Entries of one kind. */
export function ofKind<K extends LedgerKind>({ entries }: Pick<RunRecord, 'entries'>, kind: K): EntryOf<K>[] {
  return entries.map(({ entry }) => entry).filter((entry): entry is EntryOf<K> => entry.kind === kind);
}

/** The run and its children, and theirs. */
export function recordsOf({ run, entries, partEntries }: RehearsalResult): readonly RunRecord[] {
  const children = new Map<string, StoredEntry[]>();
  for (const stored of partEntries)
    children.set(stored.entry.run, [...(children.get(stored.entry.run) ?? []), stored]);
  return [{ run, entries }, ...[...children].map(([child, theirs]) => ({ run: child, entries: theirs }))];
}

/** A scripted answer counts at its moment on the run's clock, give or take what the run does meanwhile. */
const PUNCTUAL_MS = 60_000;

/** What is wrong with the record of a rehearsal: of its run and of each of its children. */
export function auditOf(observed: RehearsalResult & { readonly name: string }): string[] {
  return recordsOf(observed).flatMap((record) => auditOfRun(`${observed.name} (${record.run})`, record));
}

function auditOfRun(where: string, { entries }: RunRecord): string[] {
  const findings = checkRun(entries).map(({ code, message }) => `${where}: ${code} ${message}`);
  for (const { entry } of entries) {
    const parsed = LedgerEntry.safeParse(entry);
    if (!parsed.success) findings.push(`${where}: ${entry.kind} does not fit its schema`);
    const isDecision =
      entry.kind === 'message.received' && (entry.message === 'decide' || entry.message === 'operate');
    if (isDecision && entry.person === null) findings.push(`${where}: ${entry.inbox} has no person`);
    const isDecided =
      entry.kind === 'gate.closed' && (entry.outcome === 'approved' || entry.outcome === 'declined');
    if (isDecided && entry.people.length === 0)
      findings.push(`${where}: gate ${entry.gate} was decided by nobody`);
    // A step in the background is given up by nobody when the rest of its run has failed.
    if (entry.kind === 'step.resolved' && entry.person === null && entry.choice !== 'aborted')
      findings.push(`${where}: ${entry.step} resolved by nobody`);
    if (entry.kind === 'message.accepted') {
      const sent = entries.find(
        (other) => other.entry.kind === 'message.received' && other.entry.inbox === entry.inbox,
      );
      const lateMs = Date.parse(entry.virtual) - Date.parse(sent?.entry.virtual ?? '');
      if (!(lateMs < PUNCTUAL_MS)) findings.push(`${where}: ${entry.target} was answered ${lateMs} ms late`);
    }
  }
  return findings;
}

/** Messages that people got in the simulated Slack. */
export function messagesOf({ world }: Pick<RehearsalResult, 'world'>): string[] {
  const messages =
    (world.dump()['slack'] as { messages?: readonly { text: string }[] } | undefined)?.messages ?? [];
  return messages.map(({ text }) => text);
}

/**
 * What happened at the vendors, comparable between runs: a key that was made, found without a stored value and
 * deleted again before another one was made counts as never made.
 */
export function netEffects(effects: readonly Effect[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { system, what, subject } of effects) {
    const [, thing = what, end] = /^(.*) (created|deleted)$/.exec(what) ?? [];
    const key = `${system}: ${thing}${end === undefined ? '' : ' (created less deleted)'}: ${subject}`;
    counts.set(key, (counts.get(key) ?? 0) + (end === 'deleted' ? -1 : 1));
  }
  return Object.fromEntries([...counts].filter(([, count]) => count !== 0).sort());
}
