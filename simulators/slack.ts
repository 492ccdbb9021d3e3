import type { Simulator } from './simulator.js';
import { archiveChannel, createChannel, describeChannel, listChannels } from './slack/channels.js';
import {
  channelOf,
  flag,
  isObject,
  limitOf,
  method,
  optional,
  paged,
  Refusal,
  refusal,
  required,
  structured,
  tokenOf,
  type Arguments,
  type MethodCall,
} from './slack/method.js';
import { BOT, initialState, TEAM, type SlackMessage, type SlackState } from './slack/state.js';

export {
  createSlackToken,
  failSlack,
  injectedSlackFailures,
  seedSlackChannel,
  SLACK_CHANNELS,
  SLACK_SIMULATED_TOKEN,
  slackChannel,
  slackMessages,
  type SlackChannel,
  type SlackMessage,
  type SlackState,
} from './slack/state.js';

/** https://docs.slack.dev/reference/methods/chat.postMessage#truncating */
const MAX_TEXT = 40_000;

/** https://docs.slack.dev/messaging/message-metadata */
function metadataOf(args: Arguments): SlackMessage['metadata'] {
  const metadata = structured(args, 'metadata', 'invalid_metadata_format');
  if (metadata === undefined) return null;
  if (!isObject(metadata)) throw new Refusal('invalid_metadata_format');
  const { event_type, event_payload } = metadata;
  if (typeof event_type !== 'string' || !isObject(event_payload))
    throw new Refusal('invalid_metadata_schema');
  return { event_type, event_payload };
}

/** Text and blocks of a post or an update. @throws Refusal `invalid_blocks`, `no_text` */
function contentOf(args: Arguments): Pick<SlackMessage, 'text' | 'blocks'> {
  const blocks = structured(args, 'blocks', 'invalid_blocks') ?? null;
  if (blocks !== null && !Array.isArray(blocks)) throw new Refusal('invalid_blocks');
  const text = (optional(args, 'text') ?? '').slice(0, MAX_TEXT);
  if (text === '' && blocks === null) throw new Refusal('no_text');
  return { text, blocks };
}

const nextTs = (state: SlackState): string =>
  `${Math.floor(Date.now() / 1000)}.${String(state.next++).padStart(6, '0')}`;

const shown = ({ ts, text, blocks, metadata, editedTs }: SlackMessage, withMetadata: boolean) => ({
  type: 'message',
  user: BOT.user_id,
  bot_id: BOT.bot_id,
  ts,
  text,
  ...(blocks === null ? {} : { blocks }),
  ...(metadata === null || !withMetadata ? {} : { metadata }),
  ...(editedTs === null ? {} : { edited: { user: BOT.user_id, ts: editedTs } }),
});

function postMessage({ state, args, need, effect }: MethodCall): Record<string, unknown> {
  need('chat:write');
  const channel = channelOf(state, required(args, 'channel'), true);
  if (channel.isArchived) throw new Refusal('is_archived');
  if (!channel.isMember) throw new Refusal('not_in_channel');
  const message: SlackMessage = {
    channel: channel.id,
    ts: nextTs(state),
    ...contentOf(args),
    metadata: metadataOf(args),
    editedTs: null,
  };
  state.messages.push(message);
  effect('message posted', `#${channel.name}`);
  return { channel: channel.id, ts: message.ts, message: shown(message, true) };
}

function updateMessage({ state, args, need, effect }: MethodCall): Record<string, unknown> {
  need('chat:write');
  const channel = channelOf(state, required(args, 'channel'));
  const ts = required(args, 'ts');
  const message = state.messages.find((one) => one.channel === channel.id && one.ts === ts);
  if (message === undefined) throw new Refusal('message_not_found');
  if (channel.isArchived) throw new Refusal('is_archived');
  Object.assign(message, contentOf(args), { editedTs: nextTs(state) });
  message.metadata = metadataOf(args) ?? message.metadata;
  effect('message updated', `#${channel.name}`);
  return { channel: channel.id, ts, text: message.text, message: shown(message, true) };
}

/** Newest first. */
function listHistory({ state, args, need }: MethodCall): Record<string, unknown> {
  const channel = channelOf(state, required(args, 'channel'));
  need(channel.isPrivate ? 'groups:history' : 'channels:history');
  if (!channel.isMember) throw new Refusal('not_in_channel');
  const limit = limitOf(args, 999);
  const inclusive = flag(args, 'inclusive');
  const [oldest, latest] = [optional(args, 'oldest'), optional(args, 'latest')];
  const within = ({ ts }: SlackMessage): boolean =>
    (oldest === undefined || ts > oldest || (inclusive && ts === oldest)) &&
    (latest === undefined || ts < latest || (inclusive && ts === latest));
  const all = state.messages.filter((one) => one.channel === channel.id && within(one)).toReversed();
  const { items, next } = paged(all, ({ ts }) => ts, optional(args, 'cursor'), limit);
  return {
    messages: items.map((message) => shown(message, flag(args, 'include_all_metadata'))),
    has_more: next !== '',
    pin_count: 0,
    response_metadata: { next_cursor: next },
  };
}

/** Slack's Web API. */
export const slackSimulator: Simulator<SlackState> = {
  system: 'slack',
  initialState,
  authenticate(call) {
    const token = tokenOf(call);
    if (token === undefined) return refusal('not_authed');
    return call.state.tokens.some((known) => known.token === token) ? undefined : refusal('invalid_auth');
  },
  operations: {
    'auth.test': method('auth.test', () => ({ ...TEAM, ...BOT, is_enterprise_install: false })),
    'chat.postMessage': method('chat.postMessage', postMessage),
    'chat.update': method('chat.update', updateMessage),
    'conversations.archive': method('conversations.archive', archiveChannel),
    'conversations.create': method('conversations.create', createChannel),
    'conversations.history': method('conversations.history', listHistory),
    'conversations.list': method('conversations.list', listChannels),
    'conversations.setPurpose': method('conversations.setPurpose', describeChannel('purpose')),
    'conversations.setTopic': method('conversations.setTopic', describeChannel('topic')),
  },
};
