import { describe, expect, it } from 'vitest';
import { channelName, numberedName } from '../../activities/slack/channel-name.js';
import { slack } from '../../activities/slack/http.js';
import { slackSteps } from '../../activities/slack/steps.js';
import {
  createSlackToken,
  failSlack,
  injectedSlackFailures,
  seedSlackChannel,
  SLACK_SIMULATED_TOKEN,
  slackChannel,
  slackSimulator,
} from '../../simulators/slack.js';
import {
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendors = useSimulators(slackSimulator);

const client = (more: { token?: string; baseUrl?: URL } = {}) =>
  slack({ baseUrl: vendors.url('slack'), token: SLACK_SIMULATED_TOKEN, timeoutMs: 5_000, ...more });
const steps = () => slackSteps({ slack: client() });
const opened = () =>
  vendors.world.effects.filter(({ what }) => what === 'channel opened').map(({ subject }) => subject);
const named = (name: string) => slackChannel(vendors.world, name);

const INPUT = { name: 'Incident: Database is slow!', topic: 'Severity 1' };
const NAME = 'incident-database-is-slow';
const SELF = 'U0RUNBOOKS';

it('retries what can pass and gives up on the rest, without showing the token', async () => {
  const question = { world: vendors.world, secrets: [SLACK_SIMULATED_TOKEN] };
  const create = () => client().createChannel({ name: 'one', topic: 't', key: 'k', repeated: true });
  await assertRetries({
    ...question,
    operation: 'slack.conversations.create',
    call: () => client().createChannel({ name: 'one', topic: 't', key: 'k', repeated: false }),
  });
  await assertRetries({ ...question, operation: 'slack.conversations.setPurpose', call: create });
  await assertRetries({ ...question, operation: 'slack.conversations.setTopic', call: create });
  await assertRetries({ ...question, operation: 'slack.conversations.list', call: create });
  const channel = seedSlackChannel(vendors.world, { name: 'two' });
  await assertRetries({
    ...question,
    operation: 'slack.conversations.archive',
    call: () => client().archiveChannel(channel),
  });
  expect(opened()).toEqual(['#one']);
});

describe('createChannel', () => {
  it('opens a public channel with a name that Slack takes, its topic, and where it comes from', async () => {
    const step = stepContext();
    const { channel, name } = await runVerb(steps().createChannel, INPUT, step);
    expect(name).toBe(NAME);
    expect(named(NAME)).toMatchObject({ id: channel, isPrivate: false, isMember: true, topic: INPUT.topic });
    expect(named(NAME)?.purpose).toContain(step.key);
    await client().postMessage({ channel, text: 'hello', key: 'k' });
  });

  it.each(['create', 'setPurpose', 'setTopic'])(
    'a channel whose answer was lost (conversations.%s) is found again, never opened twice',
    async (method) => {
      const operation = `slack.conversations.${method}`;
      vendors.world.fail({ operation, point: 'after' });
      const { channel } = await runWithRetries(steps().createChannel, INPUT);
      expect(vendors.world.injected(operation)).toBe(1);
      expect(opened()).toEqual([`#${NAME}`]);
      expect(named(NAME)).toMatchObject({ id: channel, topic: INPUT.topic });
    },
  );

  it('a channel that was never opened is opened by the next attempt', async () => {
    vendors.world.fail({ operation: 'slack.conversations.create', point: 'before' });
    await runWithRetries(steps().createChannel, INPUT);
    expect(vendors.world.injected()).toBe(1);
    expect(opened()).toEqual([`#${NAME}`]);
  });

  it('a step that is executed again as if for the first time finds its channel by the key', async () => {
    const first = await runVerb(steps().createChannel, INPUT);
    expect(await runVerb(steps().createChannel, INPUT)).toEqual(first);
    expect(opened()).toHaveLength(1);
  });

  it('the channel of another step is left alone: ours gets the next number', async () => {
    const names = [];
    for (const n of [1, 2, 3]) {
      const step = stepContext({ stepId: `slack.createChannel#${n}` });
      names.push((await runVerb(steps().createChannel, INPUT, step)).name);
    }
    expect(names).toEqual([NAME, `${NAME}-2`, `${NAME}-3`]);
  });

  it('a repeated attempt finds its numbered channel although the first name is free again', async () => {
    const taken = seedSlackChannel(vendors.world, { name: NAME });
    const step = stepContext();
    const first = await runVerb(steps().createChannel, INPUT, step);
    expect(first.name).toBe(`${NAME}-2`);
    const state = vendors.world.state<{ channels: { id: string }[] }>('slack', () => ({ channels: [] }));
    state.channels = state.channels.filter(({ id }) => id !== taken);
    expect(await runVerb(steps().createChannel, INPUT, { ...step, attempt: 2 })).toEqual(first);
    expect(opened()).toEqual([`#${NAME}-2`]);
  });

  it.each([
    ['an archived channel', { isArchived: true }],
    ['a private channel that the bot does not see', { isPrivate: true, isMember: false }],
    ['a channel that a person opened and nobody described', { created: 1_700_000_000, creator: 'U0PERSON' }],
    ['a channel that the bot opened a moment ago for another step', { creator: SELF, created: now() }],
  ])('%s keeps its name', async (_, channel) => {
    seedSlackChannel(vendors.world, { name: NAME, ...channel });
    expect((await runVerb(steps().createChannel, INPUT)).name).toBe(`${NAME}-2`);
  });

  it('a channel that an attempt left without a mark minutes ago is used', async () => {
    const id = seedSlackChannel(vendors.world, { name: NAME, creator: SELF, created: now() - 180 });
    expect(await runVerb(steps().createChannel, INPUT)).toEqual({ channel: id, name: NAME });
    expect(opened()).toEqual([]);
  });

  it('our channel that somebody archived meanwhile is not replaced: a person decides', async () => {
    const { channel } = await runVerb(steps().createChannel, INPUT);
    await client().archiveChannel(channel);
    const failure = await failureOf(runVerb(steps().createChannel, INPUT));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('Unarchive');
    expect(opened()).toHaveLength(1);
  });

  it('a name of 80 characters is still numbered', async () => {
    const name = 'x'.repeat(80);
    seedSlackChannel(vendors.world, { name });
    const made = await runVerb(steps().createChannel, { name, topic: 't' });
    expect(made.name).toBe(`${'x'.repeat(78)}-2`);
  });

  it('gives up when a hundred channels have the name', async () => {
    for (let n = 1; n <= 100; n += 1) seedSlackChannel(vendors.world, { name: numberedName(NAME, n) });
    const failure = await failureOf(runVerb(steps().createChannel, INPUT));
    expect(failure).toMatchObject({ type: 'NameTaken', nonRetryable: true });
    expect(failure.message).toContain('another name');
  });

  it('a topic that is too long for Slack is cut, in front of half a character as well', async () => {
    const topic = `${'t'.repeat(248)}😀😀`;
    await runVerb(steps().createChannel, { ...INPUT, topic });
    expect(named(NAME)?.topic).toBe(`${'t'.repeat(248)}…`);
  });

  it('names the scope that is missing', async () => {
    const token = createSlackToken(vendors.world, ['chat:write', 'channels:read']);
    const failure = await failureOf(
      client({ token }).createChannel({ name: 'one', topic: '', key: 'k', repeated: false }),
    );
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('scope "channels:manage"');
  });

  it('says who can lift a restriction of the workspace', async () => {
    failSlack(vendors.world, 'conversations.create', 'restricted_action');
    const failure = await failureOf(runVerb(steps().createChannel, INPUT));
    expect(injectedSlackFailures(vendors.world)).toBe(1);
    expect(failure.message).toContain('administrator');
  });

  it('an answer of another shape is refused', async () => {
    const { url: baseUrl } = await fakeVendorAnswering({ body: { ok: true, channel: 'C0123456789' } });
    const call = client({ baseUrl }).createChannel({ name: 'one', topic: '', key: 'k', repeated: false });
    expect(await failureOf(call)).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  it('a name without a letter or digit is refused before anything is asked', async () => {
    const failure = await failureOf(runVerb(steps().createChannel, { name: '—!—', topic: 't' }));
    expect(failure.type).toBe('InvalidInput');
    expect(vendors.world.requests).toEqual([]);
  });
});

describe('archiveChannel', () => {
  it('archives once, and a channel that is archived is fine', async () => {
    const { channel } = await runVerb(steps().createChannel, INPUT);
    vendors.world.fail({ operation: 'slack.conversations.archive', point: 'after' });
    await runWithRetries(steps().archiveChannel, { channel });
    expect(vendors.world.injected()).toBe(1);
    expect(named(NAME)?.isArchived).toBe(true);
    expect(vendors.world.effects.filter(({ what }) => what === 'channel archived')).toHaveLength(1);
  });

  it.each([
    ['#general', () => named('general')?.id ?? '', 'another one'],
    ['a channel that is not there', () => 'C0NOTTHERE', 'channel'],
  ])('%s is refused with what to do', async (_, channel, next) => {
    const failure = await failureOf(runVerb(steps().archiveChannel, { channel: channel() }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain(next);
  });

  it('a name instead of an id is refused: names move on to other channels', async () => {
    const failure = await failureOf(runVerb(steps().archiveChannel, { channel: '#operations' }));
    expect(failure.type).toBe('InvalidInput');
  });
});

describe('channelName', () => {
  it.each([
    ['Größe & Café', 'gro-e-cafe'],
    ['--already_fine-1--', 'already_fine-1'],
    ['INC 2026/03: x', 'inc-2026-03-x'],
    ['日本', ''],
    [`${'a'.repeat(79)} b`, 'a'.repeat(79)],
  ])('%j becomes %j', (text, name) => expect(channelName(text)).toBe(name));
});

function now(): number {
  return Math.floor(Date.now() / 1_000);
}
