import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '../log.js';
import type { Answers } from './answers.js';

/** Different records that one account reads before it looks like an export. */
const EXPORT = 50;
/** Accesses of one account before they look like those of a program. */
const BULK = 100;

/** What concerns an attack: what is cut off, what is looked for, what is kept. */
export const securityAnswers: Answers<
  | 'isolate'
  | 'liftIsolation'
  | 'breachCheck'
  | 'enhanceMonitoring'
  | 'restoreMonitoring'
  | 'collectEvidence'
  | 'analyzeAccess'
> = {
  isolate: ({ component }, { state }) => {
    if (!state.isolated.includes(component)) state.isolated.push(component);
    return { isolation: `isolation-${component}` };
  },
  liftIsolation: ({ component }, { state }) => {
    state.isolated = state.isolated.filter((name) => name !== component);
    return {};
  },
  breachCheck: ({ since, until }, { sample }) => {
    const exports = [...byAccount(sample.log.read(since, until))].filter(
      ([, entries]) =>
        new Set(entries.flatMap(({ kind, record }) => (record === undefined ? [] : [`${kind} ${record}`])))
          .size >= EXPORT,
    );
    return {
      suspected: exports.length > 0,
      findings: exports.length,
      digest: sha256(JSON.stringify(exports)),
    };
  },
  enhanceMonitoring: (_input, { state }) => {
    state.monitoring = 'enhanced';
    return {};
  },
  restoreMonitoring: (_input, { state }) => {
    state.monitoring = 'usual';
    return {};
  },
  collectEvidence: ({ kind, since, until }, { key, sample }) => {
    const entries = sample.log.read(since, until).filter((entry) => entry.kind === kind);
    const content = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    const folder = join(sample.folder, 'evidence');
    // The same name for the same step: a repetition replaces what an interrupted attempt has left.
    const name = `${kind}-${sha256(key).slice(0, 16)}.jsonl`;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = join(folder, `${name}.draft-${process.pid}`);
    writeFileSync(draft, content, { mode: 0o400 });
    renameSync(draft, join(folder, name));
    return { location: `evidence/${name}`, sha256: sha256(content), entries: entries.length };
  },
  analyzeAccess: ({ since, until }, { sample }) => {
    const bulk = [...byAccount(sample.log.read(since, until))].filter(([, { length }]) => length >= BULK);
    return {
      suspicious: bulk.reduce((sum, [, { length }]) => sum + length, 0),
      accounts: bulk.length,
      digest: sha256(JSON.stringify(bulk)),
    };
  },
};

function byAccount(entries: readonly Entry[]): Map<string, Entry[]> {
  const accounts = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.account === undefined) continue;
    const of = accounts.get(entry.account) ?? [];
    of.push(entry);
    accounts.set(entry.account, of);
  }
  return accounts;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
