import type { Rehearsal } from '../engine/types.js';

interface Input {
  readonly service: string;
  readonly mode: 'diagnose' | 'database' | 'files';
  readonly restorePoint?: string;
  readonly prefix?: string;
  readonly reason: string;
}

const HOUR_MS = 3_600_000;
const REASON = 'Orders of last night are missing';
const DIAGNOSIS: Input = { service: 'shop', mode: 'diagnose', reason: REASON };
const DATABASE: Input = { service: 'shop', mode: 'database', reason: REASON };
const FILES: Input = {
  service: 'shop',
  mode: 'files',
  prefix: 'documents/',
  reason: 'Files were overwritten',
};

const agreed = {
  by: 'Grace',
  after: '5 minutes',
  verdict: 'approve',
  reason: 'Six hours are bearable',
} as const;
const looked = { by: 'Ada', choice: 'done', evidence: 'Both end with migration 41' } as const;
/** A diagnosis that ends with the decision to restore the database. */
const diagnosed = {
  'look-at-migrations': looked,
  'what-next': { by: 'Margaret', option: 'restore database' },
  'restore-point': agreed,
} as const;

/** What people do in the rehearsals of a recovery. */
export const dataRecoveryRehearsals = (now: Date): readonly Rehearsal<Input>[] => [
  {
    name: 'Nothing is damaged',
    input: DIAGNOSIS,
    answers: {
      'look-at-migrations': looked,
      'what-next': { by: 'Ada', after: '10 minutes', option: 'nothing' },
    },
  },
  {
    name: 'Diagnosis leads to a restore, and errors are accepted',
    input: DIAGNOSIS,
    world: { recentChanges: 1, errorRates: [0.001, 0.03, 0.02, 0.001] },
    answers: {
      ...diagnosed,
      'go-on-despite-errors': { by: 'Grace', verdict: 'approve', reason: 'Old links fail, as expected' },
    },
  },
  {
    name: 'Diagnosis leads to a restore of all files',
    input: DIAGNOSIS,
    world: { strayFiles: 2 },
    answers: {
      'look-at-migrations': looked,
      'what-next': { by: 'Ada', option: 'restore files' },
      'replace-files': { by: 'Grace', verdict: 'approve', reason: 'The newer ones are broken' },
    },
  },
  {
    name: 'Database, before a moment',
    input: { ...DATABASE, restorePoint: new Date(now.getTime() - 24 * HOUR_MS).toISOString() },
    answers: { 'restore-point': agreed },
  },
  {
    name: 'The restore point is declined',
    input: DATABASE,
    answers: { 'restore-point': { by: 'Grace', verdict: 'decline', reason: 'Too much would be lost' } },
    ends: 'rejected',
  },
  {
    name: 'A check fails with the restored database',
    input: DIAGNOSIS,
    world: { failingChecks: [['sign-in']] },
    answers: {
      ...diagnosed,
      'go-on-despite-checks': {
        by: 'Margaret',
        after: '10 minutes',
        verdict: 'decline',
        reason: 'Nobody can sign in',
      },
    },
    ends: 'rejected',
  },
  {
    name: 'Errors rise and the former database is put back',
    input: DIAGNOSIS,
    world: { errorRates: [0.001, 0.08] },
    answers: {
      ...diagnosed,
      'go-on-despite-errors': { by: 'Grace', verdict: 'decline', reason: 'It is worse than before' },
    },
    ends: 'rejected',
  },
  {
    name: 'What comes back is damaged',
    input: DIAGNOSIS,
    world: { integrityProblems: ['orders_pkey'] },
    answers: diagnosed,
    ends: 'failed',
  },
  {
    name: 'The backup can not be restored',
    input: DIAGNOSIS,
    world: { damagedBackups: true },
    answers: {
      ...diagnosed,
      'postgres.restoreInto#1': { by: 'Ada', choice: 'abort', reason: 'We start again, a day earlier' },
    },
    ends: 'aborted',
  },
  {
    name: 'Nobody knows whether the database was replaced',
    input: DIAGNOSIS,
    faults: [{ operation: 'postgres.promote', point: 'before', status: 400 }],
    answers: {
      ...diagnosed,
      'postgres.promote#1': { by: 'Ada', choice: 'abort', reason: 'The server is not reachable' },
      'look-at-databases': {
        by: 'Margaret',
        choice: 'done',
        evidence: 'The restored one is still beside it',
      },
    },
    ends: 'aborted',
  },
  {
    name: 'Files of one folder, and a check fails',
    input: FILES,
    world: { failingChecks: [['payments']] },
    answers: {
      'replace-files': { by: 'Grace', after: '2 minutes', verdict: 'approve', reason: 'They are unreadable' },
      'go-on-despite-checks': { by: 'Grace', verdict: 'decline', reason: 'Invoices can not be opened' },
    },
    ends: 'rejected',
  },
];
