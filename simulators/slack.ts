import type { Call, Operation, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

export interface SlackChannel {
  readonly id: string;
  readonly name: string;
  readonly isPrivate: boolean;
  isArchived: boolean;
  /** Whether the bot is in it. */
  isMember: boolean;
}

export interface SlackMessage {
  readonly channel: string;
  readonly ts: string;
  text: string;
  blocks: readonly unknown[] | null;
  metadata: { readonly event_type: string; readonly event_payload: Readonly<Record<string, unknown>> } | null;
  editedTs: string | null;
}

export interface SlackState {
  /** Number of the object that is made next. */
  next: number;
  tokens: { readonly token: string; readonly scopes: readonly string[] }[];
  channels: SlackChannel[];
  /** Oldest first. */
  messages: SlackMessage[];
  /** Answers with `ok: false` that were ordered with `failSlack`. */
  failing: { readonly method: string; readonly error: string; left: number; injected: number }[];
}

/** The bot token that a new world accepts. */
export const SLACK_SIMULATED_TOKEN = 'xoxb-sim-admin';

/** Channels of a new world; the bot is in all of them. */
export const SLACK_CHANNELS = [
  'general',
  'operations',
  'incidents',
  'approvals',
  'security',
  'deployments',
] as const;

const TEAM = { team: 'Simulated', team_id: 'T0SIMULATED', url: 'https://simulated.slack.com/' };
const BOT = { user: 'runbook', user_id: 'U0RUNBOOKS', bot_id: 'B0RUNBOOKS' };
const SCOPES = ['chat:write', 'channels:read', 'channels:history', 'groups:read', 'groups:history'];
/** https://docs.slack.dev/reference/methods/chat.postMessage#truncating */
const MAX_TEXT = 40_000;

const channelIdOf = (number: number): string => `C0SIM${String(number).padStart(5, '0')}`;

const initialState = (): SlackState => ({
  next: SLACK_CHANNELS.length + 1,
  tokens: [{ token: SLACK_SIMULATED_TOKEN, scopes: SCOPES }],
  channels: SLACK_CHANNELS.map((name, index) => ({
    id: channelIdOf(index + 1),
    name,
    isPrivate: false,
    isArchived: false,
    isMember: true,
  })),
  messages: [],
  failing: [],
});

const stateOf = (world: World): SlackState => world.state('slack', initialState);

/** Adds a channel and returns its id. By default it is public and the bot is in it. */
export function seedSlackChannel(
  world: World,
  channel: { name: string; isPrivate?: boolean; isArchived?: boolean; isMember?: boolean },
): string {
  const state = stateOf(world);
  const id = channelIdOf(state.next++);
  state.channels.push({ id, isPrivate: false, isArchived: false, isMember: true, ...channel });
  return id;
}

/** Adds a bot token with these scopes: https://docs.slack.dev/reference/scopes */
export function createSlackToken(world: World, scopes: readonly string[]): string {
  const state = stateOf(world);
  const token = `xoxb-simulated-${state.next++}`;
  state.tokens.push({ token, scopes });
  return token;
}

/** Lets a method answer `ok: false` with a code, before it does anything: `failSlack(world, 'chat.postMessage', 'internal_error')`. */
export function failSlack(world: World, method: string, error: string, times = 1): void {
  stateOf(world).failing.push({ method, error, left: times, injected: 0 });
}

/** How often answers ordered with `failSlack` were really given. */
export function injectedSlackFailures(world: World): number {
  return stateOf(world).failing.reduce((sum, { injected }) => sum + injected, 0);
}

/** What people see in a channel (by name), oldest first. */
export function slackMessages(world: World, channel: string): readonly SlackMessage[] {
  const { channels, messages } = stateOf(world);
  const id = channels.find(({ name }) => name === channel)?.id;
  return messages.filter((message) => message.channel === id);
}

/** Answered as HTTP 200 with `ok: false`. */
class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly more: Readonly<Record<string, unknown>> = {},
  ) {
    super(code);
  }
}

type Arguments = Readonly<Record<string, unknown>>;

interface MethodCall {
  readonly state: SlackState;
  readonly args: Arguments;
  readonly effect: (what: string, subject: string) => void;
  /** @throws Refusal `missing_scope` */
  readonly need: (scope: string) => void;
}

/** Arguments come as a form, as JSON, or in the query: https://docs.slack.dev/apis/web-api/ */
const argumentsOf = ({ body, query }: Pick<Call<SlackState>, 'body' | 'query'>): Arguments => ({
  ...Object.fromEntries(query),
  ...(typeof body === 'object' && body !== null ? (body as Arguments) : {}),
});

const tokenOf = (call: Call<SlackState>): string | undefined => {
  const given = call.headers['authorization']?.replace(/^Bearer /i, '') ?? argumentsOf(call)['token'];
  return typeof given === 'string' && given !== '' ? given : undefined;
};

const refusal = (error: string, more: Readonly<Record<string, unknown>> = {}): Reply => ({
  body: { ok: false, error, ...more },
});

/** One method of the Web API: https://docs.slack.dev/reference/methods */
function method(name: string, work: (call: MethodCall) => Record<string, unknown>): Operation<SlackState> {
  return {
    method: 'post',
    path: `/${name}`,
    source: `https://docs.slack.dev/reference/methods/${name}`,
    handle(call) {
      const { state } = call;
      const effect = (what: string, subject: string): void => call.effect(what, subject);
      const ordered = state.failing.find((failing) => failing.method === name && failing.left > 0);
      if (ordered !== undefined) {
        ordered.left -= 1;
        ordered.injected += 1;
        return refusal(ordered.error);
      }
      const scopes = state.tokens.find(({ token }) => token === tokenOf(call))?.scopes ?? [];
      const need = (scope: string): void => {
        if (!scopes.includes(scope)) {
          throw new Refusal('missing_scope', { needed: scope, provided: scopes.join(',') });
        }
      };
      try {
        return { body: { ok: true, ...work({ state, effect, need, args: argumentsOf(call) }) } };
      } catch (error) {
        if (error instanceof Refusal) return refusal(error.code, error.more);
        throw error;
      }
    },
  };
}

/** @throws Refusal `invalid_arguments` */
function required(args: Arguments, name: string): string {
  const value = args[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Refusal('invalid_arguments', {
    response_metadata: { messages: [`[ERROR] missing required field: ${name}`] },
  });
}

function optional(args: Arguments, name: string): string | undefined {
  const value = args[name];
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const flag = (args: Arguments, name: string): boolean => ['true', '1'].includes(optional(args, name) ?? '');

/** @throws Refusal `invalid_limit` */
function limitOf(args: Arguments, highest: number): number {
  const limit = Number(optional(args, 'limit') ?? 100);
  if (!Number.isInteger(limit) || limit < 1 || limit > highest) throw new Refusal('invalid_limit');
  return limit;
}

/** An argument that is JSON in a form and an object in JSON. @throws Refusal */
function structured(args: Arguments, name: string, code: string): unknown {
  const value = args[name];
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw new Refusal(code);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

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

/** @throws Refusal `channel_not_found`: also for private channels that the bot is not in */
function channelOf(state: SlackState, wanted: string, byName = false): SlackChannel {
  const channel = state.channels.find(
    ({ id, name }) => id === wanted || (byName && name === wanted.replace(/^#/, '')),
  );
  if (channel === undefined || (channel.isPrivate && !channel.isMember))
    throw new Refusal('channel_not_found');
  return channel;
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

function listChannels({ state, args, need }: MethodCall): Record<string, unknown> {
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
  const channels = items.map(({ id, name, isPrivate, isArchived, isMember }) => ({
    id,
    name,
    is_channel: true,
    is_private: isPrivate,
    is_archived: isArchived,
    is_member: isMember,
  }));
  return { channels, response_metadata: { next_cursor: next } };
}

/** https://docs.slack.dev/apis/web-api/pagination: the cursor names the last item of the page before. */
function paged<T>(
  all: readonly T[],
  nameOf: (item: T) => string,
  cursor: string | undefined,
  limit: number,
): { items: readonly T[]; next: string } {
  const after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64').toString();
  const start = after === undefined ? 0 : all.findIndex((item) => `after:${nameOf(item)}` === after) + 1;
  if (after !== undefined && start === 0) throw new Refusal('invalid_cursor');
  const items = all.slice(start, start + limit);
  const last = items.at(-1);
  const more = last !== undefined && start + limit < all.length;
  return { items, next: more ? Buffer.from(`after:${nameOf(last)}`).toString('base64') : '' };
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
    'conversations.history': method('conversations.history', listHistory),
    'conversations.list': method('conversations.list', listChannels),
  },
};
