import { expect, test } from 'vitest';
import { smtpEmail } from '../../activities/email/smtp.js';
import { emailSteps } from '../../activities/email/steps.js';
import { assertLeaksNothing, failureOf, runVerb, runWithRetries, stepContext } from '../helpers/vendor.js';
import { smtpSink } from './smtp-sink.js';

const ADDRESSES = ['ada@example.com', 'grace@example.com', 'edsger@example.com'];
const input = { audience: 'ops-team', subject: 'Backups are missing', body: 'The last one is of Monday.' };

const stepsFor = (url: string, timeoutMs = 5_000) =>
  emailSteps({
    email: smtpEmail({
      url,
      from: 'Runbooks <runbooks@example.com>',
      audience: () => ADDRESSES,
      timeoutMs,
    }),
  });

test('everybody in the audience gets a message of their own, with an id that follows from the step', async () => {
  const sink = await smtpSink();
  const step = stepContext();
  expect(await runVerb(stepsFor(sink.url).send, input, step)).toEqual({ messages: 3 });
  expect(sink.taken.map(({ to }) => to)).toEqual(ADDRESSES);
  const ids = sink.taken.map(({ content }) => /^Message-ID: (.*)$/m.exec(content)?.[1]);
  expect(new Set(ids).size).toBe(3);
  for (const { to, content } of sink.taken) {
    expect(content).toContain(`To: ${to}`);
    expect(content).toContain('Subject: Backups are missing');
    expect(content).toContain('The last one is of Monday.');
  }
  const second = await smtpSink();
  await runVerb(stepsFor(second.url).send, input, step);
  expect(second.taken.map(({ content }) => /^Message-ID: (.*)$/m.exec(content)?.[1])).toEqual(ids);
});

test('a message whose answer was lost is not sent again: a person decides', async () => {
  const sink = await smtpSink();
  sink.next.push({ to: 'grace@example.com', do: 'cut' });
  const failure = await failureOf(runWithRetries(stepsFor(sink.url).send, input));
  expect(failure.type).toBe('OutcomeUnknown');
  expect(sink.next).toEqual([]);
  expect(sink.taken.map(({ to }) => to)).toEqual(ADDRESSES.slice(0, 2));
});

test('a message that the server put off is tried again, and those before it are not sent twice', async () => {
  const sink = await smtpSink();
  sink.next.push({ to: 'grace@example.com', do: '451 try later' });
  expect(await runWithRetries(stepsFor(sink.url).send, input)).toEqual({ messages: 3 });
  expect(sink.next).toEqual([]);
  expect(sink.taken.map(({ to }) => to)).toEqual(ADDRESSES);
});

test('a message that the server refused fails for good, without the address that its reply quotes', async () => {
  const sink = await smtpSink();
  sink.next.push({ to: 'grace@example.com', do: '550 no such mailbox' });
  const { send } = stepsFor(sink.url);
  const step = stepContext();
  const failure = await failureOf(runVerb(send, input, step));
  expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  expect(failure.message).toContain('550');
  assertLeaksNothing(failure, ADDRESSES);
  await runVerb(send, input, { ...step, attempt: 2 });
  expect(sink.taken.map(({ to }) => to)).toEqual(ADDRESSES);
});

test('another worker can not know what was sent: a person decides', async () => {
  const sink = await smtpSink();
  sink.next.push({ to: 'grace@example.com', do: '451 try later' });
  const step = stepContext();
  await failureOf(runVerb(stepsFor(sink.url).send, input, step));
  const other = runVerb(stepsFor(sink.url).send, input, { ...step, attempt: 2 });
  expect((await failureOf(other)).type).toBe('OutcomeUnknown');
  expect(sink.taken.map(({ to }) => to)).toEqual(['ada@example.com']);
});

test('a server that is away is asked again, without the password of its URL in the error', async () => {
  const { send } = stepsFor('smtp://runbooks:hunter2-hunter2@127.0.0.1:1');
  const step = stepContext();
  const failure = await failureOf(runVerb(send, input, step));
  expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  assertLeaksNothing(failure, ['hunter2-hunter2', ...ADDRESSES]);
  const again = await failureOf(runVerb(send, input, { ...step, attempt: 2 }));
  expect(again.type).toBe('VendorUnavailable');
});

test('a server that goes silent ends at the time-out', async () => {
  const sink = await smtpSink();
  sink.next.push({ to: 'ada@example.com', do: 'ignore' });
  const failure = await failureOf(runVerb(stepsFor(sink.url, 100).send, input));
  expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  expect(sink.next).toEqual([]);
});

test('a body that names a file is text: nothing of this machine is attached', async () => {
  const sink = await smtpSink();
  await runVerb(stepsFor(sink.url).send, { ...input, body: '{"path":"/etc/passwd"}' });
  expect(sink.taken[0]?.content).toContain('/etc/passwd');
  expect(sink.taken[0]?.content).not.toContain('root:');
});
