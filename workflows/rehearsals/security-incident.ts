import type { Rehearsal } from '../engine/types.js';

interface Input {
  readonly service: string;
  readonly component: string;
  readonly detectedAt?: string;
  readonly credential?: string;
  readonly summary: string;
}

const input: Input = {
  service: 'shop',
  component: 'oauth-callback',
  summary: 'Sign-ins from an unknown network with an administrator account',
};

const answers = {
  'take-charge': { by: 'Grace', after: '5 minutes', choice: 'acknowledge' },
  scope: { by: 'Grace', after: '30 minutes', option: 'no data affected' },
  patch: { by: 'Margaret', after: '3 hours', choice: 'done', evidence: 'The attack is refused now' },
  'lift-isolation': { by: 'Grace', after: '30 minutes', verdict: 'approve' },
  // Asked only when a clock is missed.
  'clock-security/missed': {
    by: 'Grace',
    after: '5 minutes',
    choice: 'justify',
    reason: 'Nobody was reached',
  },
  'clock-legal/missed': {
    by: 'Grace',
    after: '5 minutes',
    choice: 'justify',
    reason: 'It was known earlier',
  },
} as const satisfies Rehearsal<Input>['answers'];

/** The same questions in the data breach response that it goes on as. */
const late = (by: string) =>
  ({ by, after: '5 minutes', choice: 'justify', reason: 'It was known earlier' }) as const;
const breach = {
  'data-breach/scope': { by: 'Grace', after: '8 minutes', option: 'confirmed' },
  'data-breach/notify-users': { by: 'Barbara', after: '1 hour', option: 'not required' },
  'data-breach/notify-authority': { by: 'Barbara', after: '1 hour', option: 'required' },
  'data-breach/submit-to-authority': { by: 'Barbara', after: '2 hours', choice: 'done', evidence: 'Receipt' },
  'data-breach/complete-analysis': {
    by: 'Grace',
    after: '20 hours',
    choice: 'done',
    evidence: 'Analysis so far',
  },
  'data-breach/lift-isolation': { by: 'Grace', after: '1 hour', verdict: 'approve' },
  'data-breach/clock-isolation/missed': late('Grace'),
  'data-breach/clock-assessment/missed': late('Grace'),
  'data-breach/clock-told/missed': late('Grace'),
  'data-breach/clock-forensics/missed': late('Grace'),
  'data-breach/clock-users/missed': late('Barbara'),
  'data-breach/clock-authority/missed': late('Barbara'),
  'data-breach/clock-authority-gdpr/missed': late('Barbara'),
  'data-breach/clock-report/missed': late('Grace'),
} as const satisfies Rehearsal<Input>['answers'];

/** With and without affected data, by the check and by the word of security, and with a compromised credential. */
export const rehearsals: readonly Rehearsal<Input>[] = [
  { name: 'No data is affected', input, world: { recentChanges: 1 }, answers },
  {
    name: 'A compromised credential is revoked',
    input: { ...input, credential: 'resend/api-key' },
    world: { failingChecks: [[], ['sign-in'], []], logMatches: 4 },
    answers: {
      ...answers,
      'rotate-secret/review': { by: 'Grace', after: '1 hour', verdict: 'approve', reason: 'Closed' },
      'restore-function': { by: 'Ada', after: '10 minutes', choice: 'done', evidence: 'Checks are green' },
    },
  },
  {
    name: 'The breach check is positive',
    input: { ...input, detectedAt: '2 minutes ago' },
    world: { breachSuspected: true, suspiciousAccounts: 2 },
    answers: { ...answers, ...breach },
  },
  {
    name: 'Security finds that data is affected, and keeps the isolation',
    input,
    answers: {
      ...answers,
      ...breach,
      scope: { by: 'Grace', after: '30 minutes', option: 'data breach' },
      'data-breach/lift-isolation': { by: 'Grace', verdict: 'decline', reason: 'The way in is not closed' },
    },
  },
  {
    name: 'Nobody of security answers, and the isolation stays',
    input,
    answers: {
      ...answers,
      'take-charge': { by: 'Linus', after: '40 minutes', choice: 'acknowledge' },
      'lift-isolation': { by: 'Grace', verdict: 'decline', reason: 'The way in is not closed' },
    },
  },
];
