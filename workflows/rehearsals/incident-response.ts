import type { Rehearsal, ScriptedAnswer } from '../engine/types.js';

interface Input {
  readonly service: string;
  readonly severity: 'sev1' | 'sev2' | 'sev3' | 'sev4';
  readonly description: string;
  readonly summary: string;
  readonly pageKey?: string;
  readonly vendor?: 'none' | 'database' | 'hosting' | 'payments' | 'ai';
  readonly featureFlag?: string;
  readonly workingDeployment?: string;
}

const outage: Input = {
  service: 'shop',
  severity: 'sev1',
  description: 'sign-in-fails',
  summary: 'Nobody can sign in since this morning',
};
const slow: Input = {
  service: 'shop',
  severity: 'sev3',
  description: 'search-is-slow',
  summary: 'The search takes ten seconds',
};

const acknowledge = (by: string, after?: ScriptedAnswer['after']): ScriptedAnswer => ({
  by,
  choice: 'acknowledge',
  ...(after === undefined ? {} : { after }),
});
const asReported = { by: 'Margaret', after: '5 minutes', option: 'as reported' } as const;
const restored = { by: 'Margaret', after: '10 minutes', option: 'restored' } as const;
const rootCause = {
  by: 'Grace',
  after: '20 hours',
  choice: 'done',
  evidence: 'A certificate ran out; its renewal is watched from now on',
} as const;
const choose = (...options: readonly string[]): readonly ScriptedAnswer[] =>
  options.map((option) => ({ by: 'Margaret', after: '3 minutes', option }));

/** Each severity, the ladder, each mitigation, and what people may decide on the way. */
export const rehearsals: readonly Rehearsal<Input>[] = [
  {
    name: 'Outage, and somebody takes charge at once',
    input: { ...outage, pageKey: 'alert-4711' },
    world: { failingChecks: [['sign-in'], []], errorRates: [0.4], recentChanges: 2 },
    answers: {
      acknowledge: acknowledge('Margaret', '3 minutes'),
      assessment: asReported,
      mitigation: choose('redeploy'),
      component: { by: 'Margaret', option: 'api' },
      resolved: restored,
      'root-cause': rootCause,
    },
  },
  {
    name: 'Outage, and nobody on call answers',
    input: outage,
    world: { failingChecks: [['sign-in'], []] },
    answers: {
      acknowledge: acknowledge('Linus', '35 minutes'),
      'acknowledge-in-time/missed': {
        by: 'Ada',
        after: '2 hours',
        choice: 'justify',
        reason: 'The telephone was switched off',
      },
      assessment: asReported,
      mitigation: choose('scale up'),
      component: { by: 'Margaret', option: 'api' },
      resolved: restored,
      'root-cause': rootCause,
    },
  },
  {
    name: 'More severe than reported',
    input: { ...slow, severity: 'sev2', description: 'checkout-fails', featureFlag: 'old-checkout' },
    world: { failingChecks: [['payments'], ['payments'], []] },
    answers: {
      acknowledge: acknowledge('Ada', '10 minutes'),
      assessment: { by: 'Ada', after: '5 minutes', option: 'more severe' },
      mitigation: choose('flag off', 'flag on'),
      resolved: restored,
      'root-cause': rootCause,
    },
  },
  {
    name: 'Less severe than reported, and a vendor fails',
    input: { ...slow, severity: 'sev2', vendor: 'hosting', workingDeployment: 'release-1' },
    world: { failingChecks: [['sign-in'], ['sign-in'], []] },
    answers: {
      acknowledge: acknowledge('Ada', '10 minutes'),
      assessment: { by: 'Ada', after: '5 minutes', option: 'less severe' },
      'vendor-ticket': { by: 'Ada', after: '20 minutes', choice: 'done', evidence: 'Ticket 4711' },
      mitigation: choose('roll back', 'look again', 'go on'),
      resolved: [{ ...restored, option: 'not restored' }, restored],
      'root-cause': rootCause,
    },
  },
  {
    name: 'A cosmetic problem',
    input: {
      ...slow,
      severity: 'sev4',
      description: 'logo-is-grey',
      summary: 'The logo is grey on one page',
    },
    answers: {
      acknowledge: acknowledge('Ada', '3 hours'),
      assessment: { ...asReported, by: 'Ada' },
      mitigation: choose('by hand'),
      'mitigation-by-hand': { by: 'Ada', after: '1 hour', choice: 'done', evidence: 'Put the logo back' },
      resolved: restored,
    },
  },
  {
    name: 'A component is isolated, and connected again',
    input: { ...outage, description: 'payments-fail-twice', summary: 'Some payments are made twice' },
    world: { failingChecks: [['payments'], []] },
    answers: {
      acknowledge: acknowledge('Margaret', '3 minutes'),
      assessment: asReported,
      mitigation: choose('isolate', 'go on'),
      component: { by: 'Margaret', option: 'payments' },
      'lift-isolation': { by: 'Grace', after: '30 minutes', verdict: 'approve', reason: 'It is mended' },
      resolved: restored,
      'root-cause': rootCause,
    },
  },
  {
    name: 'The response is stopped with a component isolated',
    input: { ...outage, description: 'payments-fail-twice', summary: 'Some payments are made twice' },
    world: { failingChecks: [['payments']] },
    answers: {
      acknowledge: acknowledge('Margaret', '3 minutes'),
      assessment: asReported,
      mitigation: choose('redeploy', 'isolate', 'roll back'),
      component: { by: 'Margaret', option: 'payments' },
      'mitigation-by-hand': { by: 'Ada', choice: 'abort', reason: 'Another response goes on already' },
      'lift-isolation': { by: 'Grace', verdict: 'decline', reason: 'It would be charged twice again' },
    },
    ends: 'aborted',
  },
  {
    name: 'The status page refuses, and the response is stopped',
    input: slow,
    faults: [{ operation: 'statuspage.createIncident', point: 'before', status: 400, times: 9 }],
    answers: {
      acknowledge: acknowledge('Ada'),
      assessment: { ...asReported, by: 'Ada' },
      'statuspage.createIncident#1': {
        by: 'Ada',
        after: '40 minutes',
        choice: 'abort',
        reason: 'The page belongs to another team now',
      },
      mitigation: choose('go on'),
      resolved: restored,
      'close-notice': { by: 'Ada', choice: 'done', evidence: 'There was no such incident' },
    },
    ends: 'aborted',
  },
  {
    name: 'It may be an attack, and is none',
    input: { ...outage, description: 'odd-export', summary: 'Somebody exported far more than usual' },
    world: { failingChecks: [['sign-in'], ['sign-in'], ['sign-in'], []] },
    answers: {
      acknowledge: acknowledge('Margaret', '3 minutes'),
      assessment: asReported,
      mitigation: choose('security incident', 'data breach'),
      component: [
        { by: 'Margaret', option: 'oauth-callback' },
        { by: 'Margaret', option: 'api' },
      ],
      'security/take-charge': { by: 'Grace', after: '5 minutes', choice: 'acknowledge' },
      'security/scope': { by: 'Grace', after: '20 minutes', option: 'no data affected' },
      'security/patch': { by: 'Margaret', after: '1 hour', choice: 'done', evidence: 'The way in is closed' },
      'security/lift-isolation': { by: 'Grace', after: '10 minutes', verdict: 'approve' },
      'security/restore-function': { by: 'Ada', after: '10 minutes', choice: 'done', evidence: 'Signed in' },
      'data-breach/scope': { by: 'Grace', after: '5 minutes', option: 'false alarm' },
      'data-breach/lift-isolation': { by: 'Grace', after: '10 minutes', verdict: 'approve' },
      resolved: restored,
      'root-cause': rootCause,
    },
  },
  {
    name: 'The post-mortem is late',
    input: slow,
    answers: {
      acknowledge: acknowledge('Ada', '50 minutes'),
      assessment: { ...asReported, by: 'Ada' },
      mitigation: choose('go on'),
      resolved: restored,
      'root-cause': { ...rootCause, after: '60 hours' },
      'post-mortem-in-time/missed': {
        by: 'Grace',
        after: '1 hour',
        choice: 'justify',
        reason: 'The vendor answered late',
      },
    },
  },
];
