import type { Rehearsal } from '../engine/types.js';

interface Input {
  service: string;
  reason: string;
}

const BACK: Input = { service: 'shop', reason: 'The region of the primary site is back' };
const BEGUN = { begin: { by: 'Grace', after: '10 minutes', verdict: 'approve' } } as const;
const SWITCHED = {
  ...BEGUN,
  'switch-back': { by: 'Margaret', after: '2 minutes', verdict: 'approve' },
} as const;
const KEEP = { 'dr-environment': { by: 'Grace', option: 'keep' } } as const;

/** What people do in the rehearsals of a failback. */
export const disasterFailbackRehearsals: readonly Rehearsal<Input>[] = [
  { name: 'Failback', input: BACK, world: { failedOver: true }, answers: { ...SWITCHED, ...KEEP } },
  {
    name: 'Failback, and the recovery environment is removed',
    input: BACK,
    world: { failedOver: true, slowResolvers: 3 },
    answers: { ...SWITCHED, 'dr-environment': { by: 'Margaret', after: '1 hour', option: 'remove' } },
  },
  {
    name: 'The primary site fails a check, and nobody goes back',
    input: BACK,
    world: { failedOver: true, failingChecks: [['payments']] },
    answers: { begin: { by: 'Grace', verdict: 'decline', reason: 'It is not back yet' } },
    ends: 'rejected',
  },
  {
    name: 'Something writes in spite of the freeze',
    input: BACK,
    world: { failedOver: true, writesAfterBackup: true },
    answers: BEGUN,
    ends: 'failed',
  },
  {
    name: 'The synced database is not sound',
    input: BACK,
    world: { failedOver: true, integrityProblems: ['index orders_pkey'] },
    answers: BEGUN,
    ends: 'failed',
  },
  {
    name: 'The freeze takes long, with other files and a failing check',
    input: BACK,
    world: { failedOver: true, strayFiles: 2, failingChecks: [[], ['payments'], []] },
    answers: {
      ...SWITCHED,
      ...KEEP,
      'go-on-despite-files': {
        by: 'Grace',
        after: '25 minutes',
        verdict: 'approve',
        reason: 'They were deleted at the recovery site',
      },
      'go-on-despite-checks': {
        by: 'Grace',
        after: '25 minutes',
        verdict: 'approve',
        reason: 'The payment provider is down',
      },
      'switch-back': { by: 'Margaret', after: '25 minutes', verdict: 'approve' },
      'freeze/missed': { by: 'Margaret', choice: 'justify', reason: 'The files had to be looked through' },
    },
  },
  {
    name: 'The primary site fails a check after the sync, and everything is put back',
    input: BACK,
    world: { failedOver: true, failingChecks: [[], ['sign-in']] },
    answers: {
      ...BEGUN,
      'go-on-despite-checks': { by: 'Grace', verdict: 'decline', reason: 'Nobody could sign in' },
    },
    ends: 'rejected',
  },
  {
    name: 'The switch is declined',
    input: BACK,
    world: { failedOver: true },
    answers: {
      ...BEGUN,
      'switch-back': { by: 'Margaret', verdict: 'decline', reason: 'It is rush hour' },
    },
    ends: 'rejected',
  },
  {
    name: 'Resolvers never agree, and users are sent to the recovery site again',
    input: BACK,
    world: { failedOver: true, slowResolvers: 50 },
    answers: {
      ...SWITCHED,
      'go-on-despite-resolvers': { by: 'Grace', verdict: 'decline', reason: 'Too many would be left behind' },
    },
    ends: 'rejected',
  },
  {
    name: 'A check fails for users, and they are sent to the recovery site again',
    input: BACK,
    world: { failedOver: true, failingChecks: [[], [], ['sign-in']] },
    answers: {
      ...SWITCHED,
      'keep-despite-checks': { by: 'Grace', verdict: 'decline', reason: 'Nobody can sign in' },
    },
    ends: 'rejected',
  },
];
