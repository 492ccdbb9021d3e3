import { describe, expect, test } from 'vitest';
import type { AudienceResolver } from '../../activities/audience.js';
import { resendEmail, type ResendEmailConfig } from '../../activities/email/resend.js';
import { emailSteps } from '../../activities/email/steps.js';
import {
  EMAIL_SIM_FROM,
  EMAIL_SIM_KEY,
  emailSimulator,
  passTimeAtResend,
  sentEmails,
} from '../../simulators/email.js';
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

const vendor = useSimulators(emailSimulator);
const ADDRESSES = ['ada@example.com', 'grace@example.com', 'edsger@example.com'];
const SECRETS = [EMAIL_SIM_KEY, ...ADDRESSES];
const input = { audience: 'ops-team', subject: 'Backups are missing', body: 'The last one is of Monday.' };
const HOUR_MS = 3_600_000;

function setUp(more: Partial<ResendEmailConfig> = {}) {
  const email = resendEmail({
    baseUrl: vendor.url('email'),
    apiKey: EMAIL_SIM_KEY,
    from: EMAIL_SIM_FROM,
    audience: (audience) => (audience === 'ops-team' ? ADDRESSES : []),
    pauseMs: 0,
    timeoutMs: 5_000,
    ...more,
  });
  return { email, steps: emailSteps({ email }) };
}

const recipients = () => sentEmails(vendor.world).map(({ to }) => to);
/** A step of a run that was started on 1 January 2026. */
const stepOfJanuary = () => stepContext({ run: 'default.test.20260101-abcdefgh' });
const january = (hours: number) => () => Date.UTC(2026, 0, 1) + hours * HOUR_MS;

describe('e-mail through Resend', () => {
  test('which answers are retried, and none of the errors holds the key or an address', async () => {
    const { email } = setUp();
    const [to = ''] = ADDRESSES;
    await assertRetries({
      world: vendor.world,
      operation: 'email.send',
      call: () => email.send({ to, ...input }, stepContext()),
      secrets: SECRETS,
      handles: [409],
    });
  });

  test('a wrong key is refused for good', async () => {
    const failure = await failureOf(runVerb(setUp({ apiKey: 're_some-other-key' }).steps.send, input));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('RESEND_API_KEY');
  });

  test('a malformed answer is refused by the contract', async () => {
    const fake = await fakeVendorAnswering({ body: { id: '' } });
    const failure = await failureOf(runVerb(setUp({ baseUrl: fake.url }).steps.send, input));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(runVerb(setUp({ baseUrl: fake.url, timeoutMs: 50 }).steps.send, input));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });

  test('while an earlier attempt is still worked on, it is tried again', async () => {
    const fake = await fakeVendorAnswering({ status: 409, body: { name: 'concurrent_idempotent_requests' } });
    const failure = await failureOf(runVerb(setUp({ baseUrl: fake.url }).steps.send, input));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });

  test('what was sent with another sender meanwhile is not sent again', async () => {
    const step = stepContext();
    await runVerb(setUp().steps.send, input, step);
    const changed = setUp({ from: 'Others <others@rehearsal.invalid>' });
    const failure = await failureOf(changed.email.send({ to: ADDRESSES[0] ?? '', ...input }, step));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(recipients()).toEqual(ADDRESSES);
    assertLeaksNothing(failure, SECRETS);
  });
});

describe('email.send', () => {
  test('everybody in the audience gets a message of their own; the result and the heartbeats hold counts only', async () => {
    const step = stepContext();
    expect(await runVerb(setUp().steps.send, input, step)).toEqual({ messages: 3 });
    expect(recipients()).toEqual(ADDRESSES);
    expect(step.heartbeats).toEqual([{ messages: 1 }, { messages: 2 }, { messages: 3 }]);
    const bodies = vendor.world.requests.map(({ body }) => JSON.parse(body) as { to: string[] });
    expect(bodies.map(({ to }) => to.length)).toEqual([1, 1, 1]);
  });

  test('a lost answer, also in the middle of the audience, sends nobody the message twice', async () => {
    vendor.world.fail({ operation: 'email.send', point: 'after', containing: 'grace@example.com' });
    const step = stepContext({ run: `default.test.${today()}-abcdefgh` });
    expect(await runWithRetries(setUp().steps.send, input, step)).toEqual({ messages: 3 });
    expect(vendor.world.injected('email.send')).toBe(1);
    expect(recipients()).toEqual(ADDRESSES);
  });

  test('another worker that takes the step over sends nobody the message twice', async () => {
    const step = stepOfJanuary();
    vendor.world.fail({ operation: 'email.send', point: 'after', containing: 'grace@example.com' });
    await failureOf(runVerb(setUp({ now: january(1) }).steps.send, input, step));
    expect(vendor.world.injected('email.send')).toBe(1);
    const other = setUp({ now: january(2) });
    await runVerb(other.steps.send, input, { ...step, attempt: 2 });
    expect(recipients()).toEqual(ADDRESSES);
  });

  test('after 24 hours Resend has forgotten the message: another worker asks a person instead of sending it again', async () => {
    const step = stepOfJanuary();
    vendor.world.fail({ operation: 'email.send', point: 'after', containing: 'edsger@example.com' });
    await failureOf(runVerb(setUp({ now: january(1) }).steps.send, input, step));
    expect(vendor.world.injected('email.send')).toBe(1);
    passTimeAtResend(vendor.world, 25);
    const again = runVerb(setUp({ now: january(26) }).steps.send, input, { ...step, attempt: 2 });
    expect((await failureOf(again)).type).toBe('OutcomeUnknown');
    expect(recipients()).toEqual(ADDRESSES);
  });

  test('the worker itself asks a person, too, once 24 hours are over', async () => {
    const step = stepOfJanuary();
    let hours = 1;
    const { steps } = setUp({ now: () => january(hours)() });
    vendor.world.fail({ operation: 'email.send', point: 'after', containing: 'edsger@example.com' });
    await failureOf(runVerb(steps.send, input, step));
    expect(vendor.world.injected('email.send')).toBe(1);
    hours = 26;
    passTimeAtResend(vendor.world, 25);
    const again = runVerb(steps.send, input, { ...step, attempt: 2 });
    expect((await failureOf(again)).type).toBe('OutcomeUnknown');
    expect(recipients()).toEqual(ADDRESSES);
  });

  test('a message that Resend refused is sent when a person retries days later, the others are not sent again', async () => {
    const step = stepOfJanuary();
    let hours = 1;
    const { steps } = setUp({ now: () => january(hours)() });
    vendor.world.fail({
      operation: 'email.send',
      point: 'before',
      status: 422,
      containing: 'grace@example.com',
    });
    await failureOf(runVerb(steps.send, input, step));
    expect(vendor.world.injected('email.send')).toBe(1);
    hours = 50;
    passTimeAtResend(vendor.world, 49);
    await runVerb(steps.send, input, { ...step, attempt: 2 });
    expect(recipients()).toEqual(ADDRESSES);
  });

  test('two steps are two messages', async () => {
    const { steps } = setUp({ audience: () => ['ada@example.com'] });
    await runVerb(steps.send, input, stepContext({ stepId: 'email.send#1' }));
    await runVerb(steps.send, input, stepContext({ stepId: 'email.send#2' }));
    expect(recipients()).toHaveLength(2);
  });

  test('an address that is listed twice gets one message', async () => {
    const { steps } = setUp({ audience: () => ['ada@example.com', 'ada@example.com'] });
    expect(await runVerb(steps.send, input)).toEqual({ messages: 1 });
  });

  test('an audience without an address fails for good and says where to add one', async () => {
    const failure = await failureOf(runVerb(setUp().steps.send, { ...input, audience: 'nobody' }));
    expect(failure).toMatchObject({ type: 'NoAudience', nonRetryable: true });
    expect(failure.message).toContain('config/notifications.yaml');
  });

  test('an error of the address book does not pass its addresses on', async () => {
    const audience: AudienceResolver = () => {
      throw new Error('ada@example.com is listed twice');
    };
    const failure = await failureOf(runVerb(setUp({ audience }).steps.send, input));
    expect(failure).toMatchObject({ type: 'NoAudience', nonRetryable: true });
    assertLeaksNothing(failure, ADDRESSES);
  });

  test.each([
    ['an address instead of an audience', { ...input, audience: 'ada@example.com' }],
    ['a subject with a line break, which could add headers', { ...input, subject: 'a\r\nBcc: b' }],
    ['an empty message', { ...input, body: '' }],
  ])('%s is refused before anything is asked', async (_what, wrong) => {
    expect((await failureOf(runVerb(setUp().steps.send, wrong))).type).toBe('InvalidInput');
    expect(vendor.world.requests).toHaveLength(0);
  });
});

function today(): string {
  return new Date().toISOString().slice(0, 10).replaceAll('-', '');
}
