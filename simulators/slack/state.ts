import type { World } from '../world.js';

export interface SlackChannel {
  readonly id: string;
  readonly name: string;
  readonly isPrivate: boolean;
  isArchived: boolean;
  /** Whether the bot is in it. */
  isMember: boolean;
  /** What follows is missing in channels that nobody has described, and in those of older states. */
  topic?: string;
  purpose?: string;
  /** Who made it. */
  creator?: string;
  /** Unix seconds. */
  created?: number;
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
  'incidents-critical',
  'incidents-high',
  'monitoring',
  'approvals',
  'security',
  'deployments',
] as const;

export const TEAM = { team: 'Simulated', team_id: 'T0SIMULATED', url: 'https://simulated.slack.com/' };
export const BOT = { user: 'runbook', user_id: 'U0RUNBOOKS', bot_id: 'B0RUNBOOKS' };
const SCOPES = [
  'chat:write',
  'channels:read',
  'channels:history',
  'channels:manage',
  'groups:read',
  'groups:history',
];

export const channelIdOf = (number: number): string => `C0SIM${String(number).padStart(5, '0')}`;

export const initialState = (): SlackState => ({
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
  channel: Partial<Omit<SlackChannel, 'id'>> & { readonly name: string },
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

/** The channel of this name, archived or not. */
export function slackChannel(world: World, name: string): Readonly<SlackChannel> | undefined {
  return stateOf(world).channels.find((channel) => channel.name === name);
}

/** What people see in a channel (by name), oldest first. */
export function slackMessages(world: World, channel: string): readonly SlackMessage[] {
  const { channels, messages } = stateOf(world);
  const id = channels.find(({ name }) => name === channel)?.id;
  return messages.filter((message) => message.channel === id);
}
