import { describe, expect, it } from 'vitest';
import { escapeMrkdwn } from '../../activities/slack/escape.js';
import { slack } from '../../activities/slack/http.js';
import { slackSteps } from '../../activities/slack/steps.js';
import {
  createSlackToken,
  failSlack,
  injectedSlackFailures,
  seedSlackChannel,
  SLACK_SIMULATED_TOKEN,
  slackMessages,
  slackSimulator,
} from '../../simulators/slack.js';
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

const vendors = useSimulators(slackSimulator);

const client = (more: { token?: string; timeoutMs?: number; baseUrl?: URL } = {}) =>
  slack({ baseUrl: vendors.url('slack'), token: SLACK_SIMULATED_TOKEN, ...more });
const steps = () => slackSteps({ slack: client() });

const posted = () => vendors.world.effects.filter(({ what }) => what === 'message posted');
const texts = (channel = 'operations') => slackMessages(vendors.world, channel).map(({ text }) => text);
const requests = (operation: string) =>
  vendors.world.requests.filter((request) => request.operation === `slack.${operation}`);

describe('the client', () => {
  it('retries what can pass and gives up on the rest, without showing the token', async () => {
    const { world } = vendors;
    const channel = seedSlackChannel(world, { name: 'on-call' });
    const question = { world, secrets: [SLACK_SIMULATED_TOKEN] };
    await assertRetries({
      ...question,
      operation: 'slack.chat.postMessage',
      call: () => client().postMessage({ channel, text: 'hello', key: 'k' }),
    });
    await assertRetries({
      ...question,
      operation: 'slack.conversations.history',
      call: () => client().findByKey({ channel, key: 'k' }),
    });
    await assertRetries({
      ...question,
      operation: 'slack.conversations.list',
      call: () => client().postMessage({ channel: '#operations', text: 'hello', key: 'k' }),
    });
    await assertRetries({ ...question, operation: 'slack.auth.test', call: () => client().identity() });
  });

  it.each([
    'ratelimited',
    'rate_limited',
    'internal_error',
    'fatal_error',
    'service_unavailable',
    'request_timeout',
  ])('tries again after "%s" with status 200', async (code) => {
    failSlack(vendors.world, 'chat.postMessage', code);
    const failure = await failureOf(client().postMessage({ channel: 'operations', text: 'x', key: 'k' }));
    expect(injectedSlackFailures(vendors.world)).toBe(1);
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
    expect(failure.message).toContain(`"${code}"`);
  });

  it.each([
    ['channel_not_found', '/invite'],
    ['not_in_channel', '/invite'],
    ['is_archived', 'Unarchive'],
    ['invalid_auth', 'bot token'],
    ['token_revoked', 'bot token'],
    ['msg_too_long', 'text'],
    ['a_code_of_tomorrow', 'https://docs.slack.dev/reference/methods'],
  ])('does not try again after "%s", and says what to do', async (code, next) => {
    failSlack(vendors.world, 'chat.postMessage', code);
    const failure = await failureOf(client().postMessage({ channel: 'operations', text: 'x', key: 'k' }));
    expect(injectedSlackFailures(vendors.world)).toBe(1);
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain(`"${code}"`);
    expect(failure.message).toContain(next);
  });

  it('names the scope that is missing', async () => {
    const token = createSlackToken(vendors.world, ['channels:read', 'groups:read']);
    const failure = await failureOf(
      client({ token }).postMessage({ channel: 'operations', text: 'x', key: 'k' }),
    );
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('scope "chat:write"');
    assertLeaksNothing(failure, [token]);
  });

  it('says that a wrong token is wrong without showing it', async () => {
    const token = 'xoxb-0123456789-wrong';
    const failure = await failureOf(client({ token }).identity());
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(failure, [token]);
  });

  it.each([
    ['not JSON', '<html>xoxb-0123456789</html>'],
    ['an object without ok', { token: 'xoxb-0123456789' }],
    ['ok without a timestamp', { ok: true, channel: 'xoxb-0123456789' }],
  ])('refuses an answer that is %s, without quoting it', async (_, body) => {
    const { url: baseUrl } = await fakeVendorAnswering({ body });
    const call = client({ baseUrl }).postMessage({ channel: 'C0123456789', text: 'x', key: 'k' });
    const failure = await failureOf(call);
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    assertLeaksNothing(failure, ['xoxb-0123456789']);
  });

  it.each([
    ['does not come', { delay: 'never' }],
    ['stops in the middle', { body: { ok: true }, truncate: { bytes: 3, then: 'stall' } }],
    ['is cut off', { body: { ok: true }, truncate: { bytes: 3, then: 'cut' } }],
  ] as const)('gives up on an answer that %s, and tries again', async (_, fake) => {
    const { url: baseUrl, requests } = await fakeVendorAnswering(fake);
    const failure = await failureOf(client({ baseUrl, timeoutMs: 100 }).identity());
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
    expect(requests).toHaveLength(1);
  });

  it('knows whose token it has', async () => {
    expect(await client().identity()).toEqual({ team: 'Simulated', user: 'runbook' });
  });
});

describe('post', () => {
  it('posts to a channel by name or by id and returns where', async () => {
    const byName = await runVerb(steps().post, { channel: '#operations', text: 'by name' });
    await runVerb(
      steps().post,
      { channel: byName.channel, text: 'by id' },
      stepContext({ stepId: 'slack.post#2' }),
    );
    expect(texts()).toEqual(['by name', 'by id']);
    expect(byName).toEqual({ channel: 'C0SIM00002', ts: slackMessages(vendors.world, 'operations')[0]?.ts });
  });

  it('finds a channel on a later page of the list, and asks once', async () => {
    for (let n = 0; n < 250; n += 1) seedSlackChannel(vendors.world, { name: `project-${n}` });
    const one = client();
    await one.postMessage({ channel: 'project-249', text: 'first', key: 'a' });
    await one.postMessage({ channel: 'project-249', text: 'second', key: 'b' });
    expect(texts('project-249')).toEqual(['first', 'second']);
    expect(requests('conversations.list')).toHaveLength(2);
  });

  it('a message whose answer was lost is adopted, never posted twice', async () => {
    vendors.world.fail({ operation: 'slack.chat.postMessage', point: 'after' });
    const found = await runWithRetries(steps().post, { channel: 'operations', text: 'the key is rotated' });
    expect(vendors.world.injected('slack.chat.postMessage')).toBe(1);
    expect(posted()).toHaveLength(1);
    expect(found.ts).toBe(slackMessages(vendors.world, 'operations')[0]?.ts);
  });

  it('a message that was never posted is posted by the next attempt', async () => {
    vendors.world.fail({ operation: 'slack.chat.postMessage', point: 'before' });
    await runWithRetries(steps().post, { channel: 'operations', text: 'the key is rotated' });
    expect(vendors.world.injected('slack.chat.postMessage')).toBe(1);
    expect(posted()).toHaveLength(1);
  });

  it('finds the message of the earlier attempt below many later ones', async () => {
    const step = stepContext();
    const first = await runVerb(steps().post, { channel: 'operations', text: 'mine' }, step);
    const one = client();
    const others = Array.from({ length: 250 }, (_, n) => ({
      channel: first.channel,
      text: 'x',
      key: `other ${n}`,
    }));
    await Promise.all(others.map((other) => one.postMessage(other)));
    const again = await runVerb(
      steps().post,
      { channel: 'operations', text: 'mine' },
      { ...step, attempt: 2 },
    );
    expect(again).toEqual(first);
    expect(requests('conversations.history')).toHaveLength(2);
  });

  it('leaves it to a person when the history is too long to tell', async () => {
    const page = {
      ok: true,
      messages: [{ ts: '1700000000.000001' }],
      has_more: true,
      response_metadata: { next_cursor: 'more' },
    };
    const { url: baseUrl, requests } = await fakeVendorAnswering({ body: page });
    expect(await client({ baseUrl }).findByKey({ channel: 'C0123456789', key: 'k' })).toBe('unknown');
    expect(requests).toHaveLength(25);
  });

  it('is not fooled by the metadata of other messages', async () => {
    const messages = [
      { ts: '3.000000', metadata: { event_type: 'other_app', event_payload: { key: 'k' } } },
      { ts: '2.000000', metadata: { event_type: 'runbook_step', event_payload: { key: 'another' } } },
      { ts: '1.000000', metadata: 'of another shape' },
    ];
    const { url: baseUrl } = await fakeVendorAnswering({ body: { ok: true, messages, has_more: false } });
    expect(await client({ baseUrl }).findByKey({ channel: 'C0123456789', key: 'k' })).toBe('not done');
  });

  it('mentions nobody and links nowhere, whatever the text says', async () => {
    await runVerb(steps().post, {
      channel: 'operations',
      text: '<!channel> <https://evil.example|bank> R&D &lt;',
    });
    expect(texts()).toEqual(['&lt;!channel&gt; &lt;https://evil.example|bank&gt; R&amp;D &amp;lt;']);
  });

  it('refuses a text that Slack would cut', async () => {
    const failure = await failureOf(
      runVerb(steps().post, { channel: 'operations', text: '&'.repeat(8_001) }),
    );
    expect(failure).toMatchObject({ type: 'MessageTooLong', nonRetryable: true });
    expect(posted()).toEqual([]);
  });

  it.each([
    ['a channel that does not exist', 'nowhere', {}],
    ['an archived channel', 'old', { isArchived: true }],
    ['a private channel without the bot', 'secret', { isPrivate: true, isMember: false }],
    ['a channel without the bot', 'others', { isMember: false }],
  ])('gives up on %s', async (_, name, channel) => {
    if (name !== 'nowhere') seedSlackChannel(vendors.world, { name, ...channel });
    const failure = await failureOf(runVerb(steps().post, { channel: `#${name}`, text: 'x' }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('/invite');
  });

  it.each([
    ['no text', { channel: 'operations', text: '' }],
    ['a sentence as channel', { channel: 'the operations channel', text: 'x' }],
  ])('is not tried with %s', async (_, input) => {
    expect((await failureOf(runVerb(steps().post, input))).type).toBe('InvalidInput');
    expect(vendors.world.requests).toEqual([]);
  });
});

describe('escapeMrkdwn', () => {
  it.each([
    ['a < b && c > d', 'a &lt; b &amp;&amp; c &gt; d'],
    ['*bold* "quoted" \'n\' é', '*bold* "quoted" \'n\' é'],
    ['', ''],
  ])('%j becomes %j', (text, escaped) => expect(escapeMrkdwn(text)).toBe(escaped));
});

describe('the simulated workspace', () => {
  const call = async (
    method: string,
    args: Record<string, unknown>,
    headers: Record<string, string> = {},
  ) => {
    const response = await fetch(`${vendors.url('slack').href}/${method}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${SLACK_SIMULATED_TOKEN}`,
        'content-type': 'application/json',
        ...headers,
      },
      body: JSON.stringify(args),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  };

  it.each([
    ['no token', 'auth.test', {}, { authorization: '' }, 'not_authed'],
    ['a wrong token', 'auth.test', {}, { authorization: 'Bearer xoxb-wrong' }, 'invalid_auth'],
    ['no channel', 'chat.postMessage', { text: 'x' }, {}, 'invalid_arguments'],
    ['no text', 'chat.postMessage', { channel: 'operations' }, {}, 'no_text'],
    [
      'metadata without a type',
      'chat.postMessage',
      { channel: 'operations', text: 'x', metadata: {} },
      {},
      'invalid_metadata_schema',
    ],
    [
      'metadata that is no JSON',
      'chat.postMessage',
      { channel: 'operations', text: 'x', metadata: '{' },
      {},
      'invalid_metadata_format',
    ],
    ['history by name', 'conversations.history', { channel: 'operations' }, {}, 'channel_not_found'],
    ['too long a page', 'conversations.history', { channel: 'C0SIM00001', limit: 1000 }, {}, 'invalid_limit'],
    [
      'a foreign cursor',
      'conversations.history',
      { channel: 'C0SIM00001', cursor: 'x' },
      {},
      'invalid_cursor',
    ],
    ['an unknown type', 'conversations.list', { types: 'public' }, {}, 'invalid_types'],
    [
      'an update of nothing',
      'chat.update',
      { channel: 'C0SIM00001', ts: '1.0', text: 'x' },
      {},
      'message_not_found',
    ],
  ])('refuses %s as Slack does', async (_, method, args, headers, error) => {
    expect(await call(method, args, headers)).toMatchObject({ ok: false, error });
    expect(vendors.world.effects).toEqual([]);
  });

  it('changes a message in place and shows metadata only when asked', async () => {
    const { channel, ts } = await client().postMessage({ channel: 'operations', text: 'before', key: 'k' });
    expect(await call('chat.update', { channel, ts, text: 'after' })).toMatchObject({
      ok: true,
      ts,
      text: 'after',
    });
    expect(texts()).toEqual(['after']);
    const plain = await call('conversations.history', { channel });
    expect(plain).toMatchObject({ messages: [{ ts, text: 'after' }], has_more: false });
    expect(JSON.stringify(plain)).not.toContain('event_payload');
    expect(await client().findByKey({ channel, key: 'k' })).toEqual({ done: { channel, ts } });
  });
});
