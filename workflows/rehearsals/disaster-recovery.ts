import type { Rehearsal } from '../engine/types.js';

const HOUR_MS = 3_600_000;

interface Input {
  service: string;
  mode?: 'failover' | 'rebuild';
  since?: string;
  reason: string;
}

const FAILOVER = { service: 'shop', reason: 'The region of the primary site is gone' };
const FIRST = { by: 'Grace', verdict: 'approve', reason: 'Nothing answers there' } as const;
const DECLARED = {
  declare: {
    ...FIRST,
    also: [{ by: 'Margaret', after: '5 minutes', verdict: 'approve', reason: 'The vendor confirms it' }],
  },
} as const;
const SWITCHED = { 'switch-traffic': { by: 'Grace', after: '2 minutes', verdict: 'approve' } } as const;

/** What people do in the rehearsals of a disaster recovery. */
export const disasterRecoveryRehearsals = (now: Date): readonly Rehearsal<Input>[] => [
  { name: 'Failover', input: FAILOVER, answers: { ...DECLARED, ...SWITCHED } },
  {
    name: 'Rebuild, down for an hour already',
    input: {
      ...FAILOVER,
      mode: 'rebuild',
      since: new Date(now.getTime() - HOUR_MS).toISOString(),
    },
    answers: {
      ...DECLARED,
      ...SWITCHED,
      provision: { by: 'Ada', after: '2 hours', choice: 'done', evidence: 'https://example.com/stack/7' },
    },
  },
  {
    name: 'Only one person declares it',
    input: FAILOVER,
    answers: { declare: FIRST },
    ends: 'rejected',
  },
  {
    name: 'The newest backup is damaged, and the older one is restored',
    input: FAILOVER,
    world: { damagedBackups: true },
    answers: {
      ...DECLARED,
      ...SWITCHED,
      'older-backup': { by: 'Margaret', after: '5 minutes', option: 'restore the older one' },
    },
  },
  {
    name: 'The newest backup is damaged, and people stop',
    input: FAILOVER,
    world: { damagedBackups: true },
    answers: { ...DECLARED, 'older-backup': { by: 'Margaret', option: 'stop' } },
    ends: 'failed',
  },
  {
    name: 'No backup passes the integrity check',
    input: FAILOVER,
    world: { integrityProblems: ['index orders_pkey'] },
    answers: { ...DECLARED, 'older-backup': { by: 'Margaret', option: 'restore the older one' } },
    ends: 'failed',
  },
  {
    name: 'The recovery site has other files, and resolvers are slow',
    input: FAILOVER,
    world: { strayFiles: 2, slowResolvers: 3 },
    answers: {
      ...DECLARED,
      ...SWITCHED,
      'go-on-despite-files': { by: 'Grace', verdict: 'approve', reason: 'Left from the last test' },
    },
  },
  {
    name: 'The recovery site fails a check and the recovery is given up',
    input: FAILOVER,
    world: { failingChecksIn: { dr: [['payments']] } },
    answers: {
      ...DECLARED,
      'go-on-despite-checks': { by: 'Grace', verdict: 'decline', reason: 'Nobody could pay' },
    },
    ends: 'rejected',
  },
  {
    name: 'The switch is declined',
    input: FAILOVER,
    answers: {
      ...DECLARED,
      'switch-traffic': { by: 'Margaret', verdict: 'decline', reason: 'The primary site is back' },
    },
    ends: 'rejected',
  },
  {
    name: 'Resolvers never agree, a check fails for users, and both are accepted',
    input: FAILOVER,
    world: { slowResolvers: 50, failingChecks: [['payments']] },
    answers: {
      ...DECLARED,
      ...SWITCHED,
      'go-on-despite-resolvers': { by: 'Grace', verdict: 'approve', reason: 'One resolver keeps answers' },
      'keep-despite-checks': { by: 'Grace', verdict: 'approve', reason: 'The payment provider is down' },
    },
  },
  {
    name: 'A check fails for users, and the name is pointed back',
    input: FAILOVER,
    world: { failingChecks: [['sign-in']] },
    answers: {
      ...DECLARED,
      ...SWITCHED,
      'keep-despite-checks': { by: 'Margaret', verdict: 'decline', reason: 'The primary site is back' },
    },
    ends: 'rejected',
  },
];
