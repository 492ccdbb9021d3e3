import type { Call, Operation, Reply } from '../simulator.js';
import type { SlackChannel, SlackState } from './state.js';

/** Answered as HTTP 200 with `ok: false`. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly more: Readonly<Record<string, unknown>> = {},
  ) {
    super(code);
  }
}

export type Arguments = Readonly<Record<string, unknown>>;

export interface MethodCall {
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

export const tokenOf = (call: Call<SlackState>): string | undefined => {
  const given = call.headers['authorization']?.replace(/^Bearer /i, '') ?? argumentsOf(call)['token'];
  return typeof given === 'string' && given !== '' ? given : undefined;
};

export const refusal = (error: string, more: Readonly<Record<string, unknown>> = {}): Reply => ({
  body: { ok: false, error, ...more },
});

/** One method of the Web API: https://docs.slack.dev/reference/methods */
export function method(
  name: string,
  work: (call: MethodCall) => Record<string, unknown>,
): Operation<SlackState> {
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
export function required(args: Arguments, name: string): string {
  const value = args[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Refusal('invalid_arguments', {
    response_metadata: { messages: [`[ERROR] missing required field: ${name}`] },
  });
}

export function optional(args: Arguments, name: string): string | undefined {
  const value = args[name];
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export const flag = (args: Arguments, name: string): boolean =>
  ['true', '1'].includes(optional(args, name) ?? '');

/** @throws Refusal `invalid_limit` */
export function limitOf(args: Arguments, highest: number): number {
  const limit = Number(optional(args, 'limit') ?? 100);
  if (!Number.isInteger(limit) || limit < 1 || limit > highest) throw new Refusal('invalid_limit');
  return limit;
}

/** An argument that is JSON in a form and an object in JSON. @throws Refusal */
export function structured(args: Arguments, name: string, code: string): unknown {
  const value = args[name];
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw new Refusal(code);
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws Refusal `channel_not_found`: also for private channels that the bot is not in */
export function channelOf(state: SlackState, wanted: string, byName = false): SlackChannel {
  const channel = state.channels.find(
    ({ id, name }) => id === wanted || (byName && name === wanted.replace(/^#/, '')),
  );
  if (channel === undefined || (channel.isPrivate && !channel.isMember))
    throw new Refusal('channel_not_found');
  return channel;
}

/** https://docs.slack.dev/apis/web-api/pagination: the cursor names the last item of the page before. */
export function paged<T>(
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
