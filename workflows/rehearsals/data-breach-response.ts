import type { Rehearsal, ScriptedAnswer } from '../engine/types.js';

interface Input {
  readonly service: string;
  readonly component: string;
  readonly detectedAt?: string;
  readonly leakedSecret?: string;
  readonly summary: string;
}

const input: Input = {
  service: 'shop',
  component: 'api',
  summary: 'An export of the accounts table was found on a public site',
};

const late = (by: string, reason: string): ScriptedAnswer => ({
  by,
  after: '10 minutes',
  choice: 'justify',
  reason,
});
/** Asked only when a clock is missed. */
const justifications = {
  'clock-isolation/missed': late('Grace', 'It was reported to us hours later'),
  'clock-assessment/missed': late('Grace', 'It was reported to us hours later'),
  'clock-told/missed': late('Grace', 'It was reported to us hours later'),
  'clock-forensics/missed': late('Grace', 'It was reported to us hours later'),
  'clock-users/missed': late('Barbara', 'It was not known whose data it was'),
  'clock-authority/missed': late('Barbara', 'It was not known which data it was'),
  'clock-authority-gdpr/missed': late('Barbara', 'It was not known which data it was'),
  'clock-report/missed': late('Grace', 'The analysis took longer'),
};

const answers = {
  ...justifications,
  scope: { by: 'Grace', after: '10 minutes', option: 'confirmed' },
  'notify-users': { by: 'Barbara', after: '1 hour', option: 'required' },
  'prepare-user-notification': {
    by: 'Barbara',
    after: '80 minutes',
    choice: 'done',
    evidence: 'Text and answers for support',
  },
  'send-user-notification': { by: 'Barbara', after: '1 hour', verdict: 'approve' },
  'notify-authority': { by: 'Barbara', after: '100 minutes', option: 'required' },
  'submit-to-authority': {
    by: 'Barbara',
    after: '12 hours',
    choice: 'done',
    evidence: 'Confirmation of receipt',
  },
  'complete-analysis': { by: 'Grace', after: '30 hours', choice: 'done', evidence: 'Analysis so far' },
  'lift-isolation': { by: 'Grace', after: '2 hours', verdict: 'approve' },
} as const satisfies Rehearsal<Input>['answers'];

/** Both answers of legal, both of security, a leaked key, a late start, and nothing at all behind it. */
export const rehearsals: readonly Rehearsal<Input>[] = [
  {
    name: 'Users and the authority are notified',
    input,
    world: { breachSuspected: true, suspiciousAccounts: 3, recentChanges: 2 },
    answers,
  },
  {
    name: 'A leaked key is rotated beside it',
    input: { ...input, leakedSecret: 'supabase/service-role-key' },
    world: { breachSuspected: true, logMatches: 5 },
    answers: {
      ...answers,
      'rotate-secret/review': { by: 'Grace', after: '1 hour', verdict: 'approve', reason: 'Closed' },
    },
  },
  {
    name: 'The rotation of the leaked key is given up',
    input: { ...input, leakedSecret: 'supabase/service-role-key' },
    world: { failingChecks: [['sign-in'], []] },
    answers: {
      ...answers,
      'rotate-secret/go-on-despite-checks': {
        by: 'Grace',
        verdict: 'decline',
        reason: 'Nobody can sign in with the new key',
      },
    },
  },
  {
    name: 'Nobody needs to be notified',
    input,
    world: { recentChanges: 1 },
    answers: {
      ...answers,
      scope: { by: 'Grace', after: '10 minutes', option: 'suspected' },
      'notify-users': [
        { by: 'Barbara', after: '1 hour', option: 'not yet known' },
        { by: 'Barbara', after: '30 minutes', option: 'not required' },
      ],
      'notify-authority': [
        { by: 'Barbara', after: '1 hour', option: 'not yet known' },
        { by: 'Barbara', after: '30 minutes', option: 'not required' },
      ],
      'document-why-not': {
        by: 'Barbara',
        after: '1 hour',
        choice: 'done',
        evidence: 'Encrypted backups only',
      },
    },
  },
  {
    name: 'Legal does not agree to the message, and the isolation stays',
    input,
    answers: {
      ...answers,
      'send-user-notification': { by: 'Barbara', verdict: 'decline', reason: 'The police asked us to wait' },
      'lift-isolation': { by: 'Grace', verdict: 'decline', reason: 'The way in is not closed' },
    },
  },
  {
    name: 'A false alarm, and a check that fails afterwards',
    input: { ...input, component: 'payments' },
    world: { failingChecks: [['payments'], []] },
    answers: {
      ...answers,
      scope: { by: 'Grace', after: '10 minutes', option: 'false alarm' },
      'restore-function': { by: 'Ada', after: '20 minutes', choice: 'done', evidence: 'Checks are green' },
    },
  },
  {
    name: 'Known for three hours, and the authority is told too late',
    input: { ...input, detectedAt: '3 hours ago' },
    answers: { ...answers, 'submit-to-authority': { ...answers['submit-to-authority'], after: '30 hours' } },
  },
];
