import { channelOf, flag, limitOf, optional, paged, Refusal, required, type MethodCall } from './method.js';
import { BOT, channelIdOf, type SlackChannel } from './state.js';

const LONGEST_NAME = 80;
const LONGEST_TEXT = 250;

const shownChannel = (channel: SlackChannel) => ({
  id: channel.id,
  name: channel.name,
  is_channel: true,
  is_private: channel.isPrivate,
  is_archived: channel.isArchived,
  is_member: channel.isMember,
  created: channel.created ?? 0,
  creator: channel.creator ?? 'U0SOMEBODY',
  topic: { value: channel.topic ?? '', creator: '', last_set: 0 },
  purpose: { value: channel.purpose ?? '', creator: '', last_set: 0 },
});

export function listChannels({ state, args, need }: MethodCall): Record<string, unknown> {
  const types = (optional(args, 'types') ?? 'public_channel').split(',');
  if (types.some((type) => !['public_channel', 'private_channel', 'mpim', 'im'].includes(type))) {
    throw new Refusal('invalid_types');
  }
  if (types.includes('public_channel')) need('channels:read');
  if (types.includes('private_channel')) need('groups:read');
  const all = state.channels
    .filter(({ isPrivate, isMember }) =>
      isPrivate ? isMember && types.includes('private_channel') : types.includes('public_channel'),
    )
    .filter(({ isArchived }) => !(isArchived && flag(args, 'exclude_archived')));
  const { items, next } = paged(all, ({ id }) => id, optional(args, 'cursor'), limitOf(args, 1000));
  const channels = items.map(shownChannel);
  return { channels, response_metadata: { next_cursor: next } };
}

/** Archived channels and private ones that the bot does not see keep their names. */
export function createChannel({ state, args, need, effect }: MethodCall): Record<string, unknown> {
  const isPrivate = flag(args, 'is_private');
  need(isPrivate ? 'groups:write' : 'channels:manage');
  const name = optional(args, 'name') ?? '';
  if (name === '') throw new Refusal('invalid_name_required');
  if (name.length > LONGEST_NAME) throw new Refusal('invalid_name_maxlength');
  if (!/^[\p{Ll}\p{Lo}\p{N}_-]+$/u.test(name)) throw new Refusal('invalid_name_specials');
  if (/^[_-]+$/.test(name)) throw new Refusal('invalid_name_punctuation');
  if (state.channels.some((channel) => channel.name === name)) throw new Refusal('name_taken');
  const channel: SlackChannel = {
    id: channelIdOf(state.next++),
    name,
    isPrivate,
    isArchived: false,
    isMember: true,
    creator: BOT.user_id,
    created: Math.floor(Date.now() / 1_000),
  };
  state.channels.push(channel);
  effect('channel opened', `#${name}`);
  return { channel: shownChannel(channel) };
}

/** `conversations.setTopic` and `conversations.setPurpose`. */
export const describeChannel =
  (field: 'topic' | 'purpose') =>
  ({ state, args, need, effect }: MethodCall): Record<string, unknown> => {
    const channel = channelOf(state, required(args, 'channel'));
    need(channel.isPrivate ? 'groups:write' : 'channels:manage');
    const text = optional(args, field) ?? '';
    if (text.length > LONGEST_TEXT) throw new Refusal('too_long');
    if (channel.isArchived) throw new Refusal('is_archived');
    if (!channel.isMember) throw new Refusal('not_in_channel');
    if (channel[field] !== text) effect(`channel ${field} set`, `#${channel.name}`);
    channel[field] = text;
    return { channel: shownChannel(channel) };
  };

export function archiveChannel({ state, args, need, effect }: MethodCall): Record<string, unknown> {
  const channel = channelOf(state, required(args, 'channel'));
  need(channel.isPrivate ? 'groups:write' : 'channels:manage');
  if (channel.name === 'general') throw new Refusal('cant_archive_general');
  if (channel.isArchived) throw new Refusal('already_archived');
  if (!channel.isMember) throw new Refusal('not_in_channel');
  channel.isArchived = true;
  effect('channel archived', `#${channel.name}`);
  return {};
}
