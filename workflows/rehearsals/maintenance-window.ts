import type { Rehearsal } from '../engine/types.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LEAD_MS = 100 * HOUR_MS;
const WORK = { service: 'shop', version: 'v2.4.0', minutes: 60, summary: 'We move to a faster database' };

/** What people do in the rehearsals of a maintenance window. */
export const maintenanceWindowRehearsals = (
  now: Date,
): readonly Rehearsal<typeof WORK & { start: string }>[] => {
  const usual = { ...WORK, start: nextSunday(now) };
  const soon = { ...WORK, start: new Date(now.getTime() + 30 * HOUR_MS).toISOString() };
  const despiteChecks = (after: '55 minutes' | '70 minutes') =>
    ({
      by: after === '55 minutes' ? 'Grace' : 'Linus',
      after,
      verdict: 'approve',
      reason: 'The failure is that of the check',
    }) as const;
  return [
    { name: 'Sunday night', input: usual, answers: {} },
    {
      name: 'Short notice at an unusual time',
      input: soon,
      answers: {
        'unusual-window': { by: 'Grace', after: '1 hour', verdict: 'approve', reason: 'A security fix' },
      },
    },
    {
      name: 'Short notice, declined',
      input: soon,
      answers: { 'unusual-window': { by: 'Margaret', verdict: 'decline', reason: 'Month-end closing' } },
      ends: 'rejected',
    },
    {
      name: 'A check fails and everything is put back',
      input: usual,
      world: { failingChecks: [['payments']] },
      answers: {
        'go-on-despite-checks': {
          by: 'Grace',
          after: '10 minutes',
          verdict: 'decline',
          reason: 'Nobody can pay',
        },
      },
      ends: 'rejected',
    },
    {
      name: 'The work takes longer and the window is extended',
      input: usual,
      world: { failingChecks: [['payments'], []] },
      answers: {
        'extend-or-roll-back': { by: 'Margaret', verdict: 'approve', reason: 'Ten minutes more' },
        'go-on-despite-checks': despiteChecks('55 minutes'),
      },
    },
    {
      name: 'The work takes longer and is rolled back',
      input: usual,
      world: { failingChecks: [['payments'], []] },
      answers: {
        'extend-or-roll-back': { by: 'Margaret', verdict: 'decline', reason: 'Users come back' },
        'go-on-despite-checks': 'nobody',
      },
      ends: 'rejected',
    },
    {
      name: 'The window ends with maintenance mode on',
      input: usual,
      world: { failingChecks: [['payments'], []] },
      answers: {
        'extend-or-roll-back': { by: 'Margaret', verdict: 'approve', reason: 'The migration is slow' },
        'go-on-despite-checks': despiteChecks('70 minutes'),
        'window/missed': { by: 'Margaret', choice: 'justify', reason: 'The migration took longer' },
      },
    },
    {
      name: 'A check fails once users are in again',
      input: usual,
      world: { failingChecks: [[], ['sign-in']] },
      answers: {
        'keep-despite-checks': {
          by: 'Grace',
          after: '5 minutes',
          verdict: 'decline',
          reason: 'Nobody can sign in',
        },
      },
      ends: 'rejected',
    },
    {
      name: 'Maintenance mode can not be left at once',
      input: usual,
      world: { stuckMaintenance: 1 },
      answers: {
        'leave-by-hand': { by: 'Ada', choice: 'done', evidence: 'Looked again' },
      },
    },
    {
      name: 'A migration fails',
      input: usual,
      world: { failingMigrations: true },
      answers: { 'application.runMigrations#1': { by: 'Ada', choice: 'abort', reason: 'It needs a fix' } },
      ends: 'aborted',
    },
  ];
};

/** Two in the morning, UTC, of the first Sunday that leaves more than 72 hours of notice. */
function nextSunday(now: Date): string {
  const first = new Date(now.getTime() + LEAD_MS);
  const day = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth(), first.getUTCDate(), 2));
  while (day.getUTCDay() !== 0) day.setTime(day.getTime() + DAY_MS);
  return day.toISOString();
}
