import type { Rehearsal } from '../engine/types.js';

const NIGHTLY = { service: 'shop', target: 'all', reason: 'Every night' } as const;

interface Input {
  readonly service: string;
  readonly target: 'database' | 'storage' | 'config' | 'all';
  readonly reason: string;
}

/** What people do in the rehearsals of a backup. */
export const backupAndVerifyRehearsals: readonly Rehearsal<Input>[] = [
  { name: 'Every night', input: NIGHTLY, answers: {} },
  { name: 'Database', input: { ...NIGHTLY, target: 'database' }, answers: {} },
  {
    name: 'Files',
    input: { ...NIGHTLY, target: 'storage' },
    world: { strayFiles: 3 },
    answers: {},
  },
  {
    name: 'Configuration that was changed',
    input: { ...NIGHTLY, target: 'config' },
    world: { recentChanges: 2 },
    answers: {
      'configuration-in-git': {
        by: 'Ada',
        after: '20 minutes',
        choice: 'done',
        evidence: 'The newest commit is 3f1c9a2',
      },
    },
  },
  {
    name: 'The backup can not be restored',
    input: NIGHTLY,
    world: { damagedBackups: true },
    answers: {
      'postgres.restoreInto#1': {
        by: 'Ada',
        after: '10 minutes',
        choice: 'abort',
        reason: 'The file is truncated',
      },
    },
    ends: 'aborted',
  },
  {
    name: 'What comes back is damaged',
    input: NIGHTLY,
    world: { integrityProblems: ['orders_customer_fkey'] },
    answers: {},
    ends: 'failed',
  },
];
