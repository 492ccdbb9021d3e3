import { describe, expect, test } from 'vitest';
import type { AudienceResolver } from '../../activities/audience.js';
import { sms, type SmsConfig } from '../../activities/sms/http.js';
import { smsSteps } from '../../activities/sms/steps.js';
import { sentTexts, SMS_SIM_TOKEN, smsSimulator } from '../../simulators/sms.js';
import {
  assertLeaksNothing,
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendor = useSimulators(smsSimulator);
const NUMBERS = ['+15550100', '+15550101', '+15550102'];
const SECRETS = [SMS_SIM_TOKEN, ...NUMBERS];
const input = { audience: 'on-call', text: 'Backups are missing' };

function setUp(more: Partial<SmsConfig> = {}) {
  const client = sms({
    url: new URL(`${vendor.url('sms').href}/messages`),
    token: SMS_SIM_TOKEN,
    audience: (audience) => (audience === 'on-call' ? NUMBERS : []),
    timeoutMs: 5_000,
    ...more,
  });
  return { client, steps: smsSteps({ sms: client }) };
}

describe('sms', () => {
  test('which answers are retried, and none of the errors holds the token or a number', async () => {
    const { steps } = setUp();
    const { world } = vendor;
    await assertRetries({
      world,
      operation: 'sms.send',
      call: () => runVerb(steps.send, input),
      secrets: SECRETS,
    });
  });

  test('a wrong token is refused for good', async () => {
    const failure = await failureOf(runVerb(setUp({ token: 'some-other-token' }).steps.send, input));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('SMS_WEBHOOK_TOKEN');
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(runVerb(setUp({ url: fake.url, timeoutMs: 50 }).steps.send, input));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });
});

describe('sms.send', () => {
  test('everybody in the audience gets the text; the result and the heartbeats hold counts only', async () => {
    const step = stepContext();
    expect(await runVerb(setUp().steps.send, input, step)).toEqual({ messages: 3 });
    expect(sentTexts(vendor.world)).toEqual(NUMBERS.map((to) => ({ to, text: input.text })));
    expect(step.heartbeats).toEqual([{ messages: 1 }, { messages: 2 }, { messages: 3 }]);
  });

  test('a lost answer, also in the middle of the audience, sends nobody the text twice', async () => {
    vendor.world.fail({ operation: 'sms.send', point: 'after', containing: '+15550101' });
    expect(await runWithRetries(setUp().steps.send, input)).toEqual({ messages: 3 });
    expect(vendor.world.injected('sms.send')).toBe(1);
    expect(sentTexts(vendor.world).map(({ to }) => to)).toEqual(NUMBERS);
  });

  test('an audience that changes between two attempts gets it once each', async () => {
    let audience: readonly string[] = NUMBERS.slice(0, 2);
    const { steps } = setUp({ audience: () => audience });
    vendor.world.fail({ operation: 'sms.send', point: 'before', containing: '+15550101' });
    const step = stepContext();
    await failureOf(runVerb(steps.send, input, step));
    expect(vendor.world.injected('sms.send')).toBe(1);
    audience = ['+15550102', '+15550100'];
    await runVerb(steps.send, input, { ...step, attempt: 2 });
    expect(sentTexts(vendor.world).map(({ to }) => to)).toEqual(['+15550100', '+15550102']);
  });

  test('two steps are two messages', async () => {
    const { steps } = setUp({ audience: () => ['+15550100'] });
    await runVerb(steps.send, input, stepContext({ stepId: 'sms.send#1' }));
    await runVerb(steps.send, input, stepContext({ stepId: 'sms.send#2' }));
    expect(sentTexts(vendor.world)).toHaveLength(2);
  });

  test('an audience without a number fails for good and says where to add one', async () => {
    const failure = await failureOf(runVerb(setUp().steps.send, { ...input, audience: 'nobody' }));
    expect(failure).toMatchObject({ type: 'NoAudience', nonRetryable: true });
    expect(failure.message).toContain('config/notifications.yaml');
  });

  test('an error of the address book does not pass its numbers on', async () => {
    const audience: AudienceResolver = () => Promise.reject(new Error('+15550100 is listed twice'));
    const failure = await failureOf(runVerb(setUp({ audience }).steps.send, input));
    expect(failure).toMatchObject({ type: 'NoAudience', nonRetryable: true });
    assertLeaksNothing(failure, NUMBERS);
  });

  test.each([
    ['a text of more than one message', { ...input, text: 'x'.repeat(161) }],
    ['a number instead of an audience', { ...input, audience: '+15550100' }],
  ])('%s is refused before anything is asked', async (_what, wrong) => {
    expect((await failureOf(runVerb(setUp().steps.send, wrong))).type).toBe('InvalidInput');
    expect(vendor.world.requests).toHaveLength(0);
  });
});
