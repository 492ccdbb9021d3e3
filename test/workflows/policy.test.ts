import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, type GatePolicy } from '../../workflows/engine/policy.js';
import { ASSURANCES, type ReadMessage } from '../../workflows/engine/types.js';

const DIGEST = 'a'.repeat(64);

const policy: GatePolicy = {
  groups: ['approvers'],
  quorum: 2,
  minimumAssurance: 'claimed',
  reasonAlways: false,
  excluded: ['p_starter'],
  planDigest: DIGEST,
};

const approval = (changed: Partial<ReadMessage> = {}): ReadMessage => ({
  inboxId: 'i1',
  found: true,
  kind: 'decide',
  org: 'default',
  run: 'run',
  target: 'go',
  person: 'p_grace',
  groups: ['approvers'],
  assurance: 'token',
  assuranceAccepted: true,
  channel: 'cli',
  verdict: 'approve',
  planDigest: DIGEST,
  hasReason: false,
  hasEvidence: false,
  ...changed,
});

/** The whole vote on a gate: who approved, and who ended it by declining. */
function vote(
  rules: GatePolicy,
  messages: readonly ReadMessage[],
): { approvals: string[]; declinedBy: string | undefined } {
  const approvals: string[] = [];
  for (const message of messages) {
    if (approvals.length >= rules.quorum) break;
    const judgement = judge(rules, approvals, message);
    if ('refused' in judgement) continue;
    if (judgement.counted === 'decline') return { approvals, declinedBy: judgement.person };
    approvals.push(judgement.person);
  }
  return { approvals, declinedBy: undefined };
}

const people = fc.constantFrom('p_starter', 'p_editor', 'p_grace', 'p_margaret', 'p_linus', 'p_edsger');
const groups = fc.subarray(['approvers', 'owners', 'operators', 'security']);
const anyMessage: fc.Arbitrary<ReadMessage> = fc
  .record({
    person: fc.option(people),
    groups,
    assurance: fc.constantFrom(...ASSURANCES),
    assuranceAccepted: fc.boolean(),
    verdict: fc.constantFrom('approve', 'decline', undefined),
    planDigest: fc.constantFrom(DIGEST, 'b'.repeat(64), undefined),
    hasReason: fc.boolean(),
  })
  .map(({ verdict, planDigest, ...rest }) => {
    const { verdict: _verdict, planDigest: _digest, ...bare } = approval(rest);
    return {
      ...bare,
      ...(verdict === undefined ? {} : { verdict }),
      ...(planDigest === undefined ? {} : { planDigest }),
    };
  });
const anyPolicy: fc.Arbitrary<GatePolicy> = fc.record({
  groups: fc.subarray(['approvers', 'owners', 'security'], { minLength: 1 }),
  quorum: fc.integer({ min: 1, max: 3 }),
  minimumAssurance: fc.constantFrom(...ASSURANCES),
  reasonAlways: fc.boolean(),
  excluded: fc.subarray(['p_starter', 'p_editor', 'p_grace']),
  planDigest: fc.constant(DIGEST),
});

describe('one decision', () => {
  test('counts when everything is in order', () => {
    expect(judge(policy, [], approval())).toEqual({ counted: 'approve', person: 'p_grace' });
    expect(judge(policy, [], approval({ verdict: 'decline', hasReason: true }))).toEqual({
      counted: 'decline',
      person: 'p_grace',
    });
  });

  test.each([
    ['somebody unknown', { person: null }, 'UnknownPerson'],
    [
      'a name that is only claimed, away from the local stack',
      { assuranceAccepted: false },
      'AssuranceNotAccepted',
    ],
    ['whoever started the run', { person: 'p_starter' }, 'Requester'],
    ['somebody of another group', { groups: ['operators'] }, 'NotInGroup'],
    ['somebody who saw another plan', { planDigest: 'b'.repeat(64) }, 'PlanChanged'],
    ['a decline without a reason', { verdict: 'decline' }, 'ReasonRequired'],
  ] as const)('of %s is refused', (_who, changed, code) => {
    expect(judge(policy, [], approval(changed))).toEqual({ refused: code });
  });

  test('without a look at the plan, or without a verdict, is refused', () => {
    const { planDigest: _digest, ...unseen } = approval();
    expect(judge(policy, [], unseen)).toEqual({ refused: 'PlanChanged' });
    const { verdict: _verdict, ...silent } = approval();
    expect(judge(policy, [], silent)).toEqual({ refused: 'BadValue' });
  });

  test('at high risk needs a stronger proof than a click, and a reason', () => {
    const high = { ...policy, minimumAssurance: 'step-up', reasonAlways: true } as const;
    expect(judge(high, [], approval({ assurance: 'slack', hasReason: true }))).toEqual({
      refused: 'AssuranceTooLow',
    });
    expect(judge(high, [], approval({ assurance: 'step-up' }))).toEqual({ refused: 'ReasonRequired' });
    expect(judge(high, [], approval({ assurance: 'step-up', hasReason: true }))).toMatchObject({
      counted: 'approve',
    });
  });

  test('of the same person does not count twice, but who approved may still decline', () => {
    expect(judge(policy, ['p_grace'], approval())).toEqual({ refused: 'AlreadyVoted' });
    expect(judge(policy, ['p_grace'], approval({ verdict: 'decline', hasReason: true }))).toMatchObject({
      counted: 'decline',
    });
  });
});

describe('whatever comes in', () => {
  test('nobody decides who asked for it, is not in the group, is too weakly identified, or saw another plan', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anyMessage, { maxLength: 12 }), (rules, messages) => {
        const { approvals, declinedBy } = vote(rules, messages);
        for (const person of declinedBy === undefined ? approvals : [...approvals, declinedBy]) {
          expect(rules.excluded).not.toContain(person);
          const proper = messages.some(
            (message) =>
              message.person === person &&
              message.assuranceAccepted &&
              message.groups.some((group) => rules.groups.includes(group)) &&
              ASSURANCES.indexOf(message.assurance) >= ASSURANCES.indexOf(rules.minimumAssurance) &&
              message.planDigest === rules.planDigest &&
              (message.hasReason || !(rules.reasonAlways || message.verdict === 'decline')),
          );
          expect(proper).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('the quorum counts distinct people', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anyMessage, { maxLength: 20 }), (rules, messages) => {
        const { approvals } = vote(rules, messages);
        expect(new Set(approvals).size).toBe(approvals.length);
        expect(approvals.length).toBeLessThanOrEqual(rules.quorum);
        expect(approvals.length).toBeLessThanOrEqual(new Set(messages.map(({ person }) => person)).size);
      }),
      { numRuns: 500 },
    );
  });

  test('without a decline, the order of the decisions does not change whether the gate is approved', () => {
    const approvalsOnly = fc.array(
      anyMessage.map((message): ReadMessage => ({ ...message, verdict: 'approve' })),
      { maxLength: 12 },
    );
    const shuffled = approvalsOnly.chain((messages) =>
      fc.tuple(fc.constant(messages), fc.shuffledSubarray(messages, { minLength: messages.length })),
    );
    fc.assert(
      fc.property(anyPolicy, shuffled, (rules, [messages, inAnotherOrder]) => {
        const approved = (order: readonly ReadMessage[]) =>
          vote(rules, order).approvals.length >= rules.quorum;
        expect(approved(inAnotherOrder)).toBe(approved(messages));
      }),
      { numRuns: 500 },
    );
  });

  test('a message that comes again changes nothing', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anyMessage, { maxLength: 8 }), (rules, messages) => {
        const twice = messages.flatMap((message) => [message, message]);
        expect(vote(rules, twice)).toEqual(vote(rules, messages));
      }),
      { numRuns: 300 },
    );
  });
});
