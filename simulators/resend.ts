import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Call, Operation, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** The full-access key of every simulated team. */
export const RESEND_SIM_ADMIN_KEY = 're_sim_admin';

type Permission = 'full_access' | 'sending_access';

interface Key {
  readonly id: string;
  readonly name: string;
  readonly permission: Permission;
  /** SHA-256 of the token: a simulated vendor doesn't keep tokens either. */
  readonly hash: string;
  readonly created_at: string;
  last_used_at: string | null;
}

/** The team at Resend: plain JSON. */
export interface ResendState {
  /** Newest first, as the list shows them. */
  keys: Key[];
  domains: { id: string; name: string }[];
  /** Ids count up, so that they are the same in every run of a scenario. */
  ids: number;
}

const SYSTEM = 'resend';
const initialState = (): ResendState => ({ keys: [], domains: [], ids: 0 });

export interface ResendSeed {
  /** Keys that exist already. */
  readonly keys?: readonly {
    readonly name: string;
    readonly value: string;
    readonly permission: Permission;
  }[];
  readonly domains?: readonly string[];
}

/** Prepares the team of a world. Returns the ids of the seeded keys, in their order. */
export function seedResend(world: World, seed: ResendSeed): { readonly keyIds: readonly string[] } {
  const state = world.state(SYSTEM, initialState);
  for (const name of seed.domains ?? []) state.domains.push({ id: nextId(state), name });
  return {
    keyIds: (seed.keys ?? []).map(({ name, value, permission }) => addKey(state, name, value, permission).id),
  };
}

/** Somebody revokes a key in Resend's dashboard, without any step. */
export function revokeResendKey(world: World, value: string): void {
  const state = world.state(SYSTEM, initialState);
  const hash = hashOf(value);
  const key = state.keys.find((k) => k.hash === hash);
  if (key === undefined) return;
  state.keys = state.keys.filter((k) => k !== key);
  world.effects.push({ system: SYSTEM, what: 'key deleted', subject: subjectOf(key.name) });
}

const hashOf = (value: string): string => createHash('sha256').update(value).digest('hex');

function nextId(state: ResendState): string {
  state.ids += 1;
  return `00000000-0000-4000-8000-${String(state.ids).padStart(12, '0')}`;
}

function addKey(state: ResendState, name: string, token: string, permission: Permission): Key {
  const created_at = new Date().toISOString();
  const key = { id: nextId(state), name, permission, hash: hashOf(token), created_at, last_used_at: null };
  state.keys.unshift(key);
  return key;
}

/** What a key is for, without the part of its name that differs per run. */
const subjectOf = (name: string): string => name.replace(/-[0-9a-f]{12}$/, '');

/** https://resend.com/docs/api-reference/errors */
const refusal = (status: number, name: string, message: string): Reply => ({
  status,
  body: { statusCode: status, name, message },
});

const token = ({ headers }: Call<ResendState>): string | undefined =>
  /^Bearer (.+)$/.exec(headers['authorization'] ?? '')?.[1];

const keyOf = (call: Call<ResendState>): Key | undefined => {
  const hash = hashOf(token(call) ?? '');
  return call.state.keys.find((key) => key.hash === hash);
};

/** `limit` is optional; without it everything is listed: https://resend.com/docs/api-reference/api-keys/list-api-keys */
const limitSchema = z.coerce.number().int().min(1).max(100).optional();

function page<T extends { readonly id: string }>(
  { query }: Call<ResendState>,
  items: readonly T[],
): Reply | T[] {
  const unknown = [...query.keys()].find((name) => !['limit', 'after'].includes(name));
  if (unknown !== undefined) return refusal(422, 'validation_error', `Unknown parameter \`${unknown}\`.`);
  const limit = limitSchema.safeParse(query.get('limit') ?? undefined);
  if (!limit.success) return refusal(422, 'validation_error', 'The `limit` must be 1 to 100.');
  const after = query.get('after');
  const start = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0)
    return refusal(422, 'validation_error', 'The `after` cursor is unknown.');
  return items.slice(start, limit.data === undefined ? undefined : start + limit.data);
}

function list<T extends { readonly id: string }>(
  call: Call<ResendState>,
  items: readonly T[],
  show: (item: T) => unknown,
): Reply {
  const shown = page(call, items);
  if (!Array.isArray(shown)) return shown;
  const has_more = shown.length > 0 && shown.at(-1)?.id !== items.at(-1)?.id;
  return { body: { object: 'list', has_more, data: shown.map(show) } };
}

const createBody = z.strictObject({
  name: z.string().min(1).max(50),
  permission: z.enum(['full_access', 'sending_access']).default('full_access'),
});

const REFERENCE = 'https://resend.com/docs/api-reference';

const operations = {
  createApiKey: {
    method: 'post',
    path: '/api-keys',
    source: `${REFERENCE}/api-keys/create-api-key`,
    handle(call) {
      if (call.headers['content-type']?.startsWith('application/json') !== true) {
        return refusal(400, 'validation_error', 'The request body must be JSON.');
      }
      const body = createBody.safeParse(call.body);
      if (!body.success) return refusal(422, 'validation_error', z.prettifyError(body.error));
      const { name, permission } = body.data;
      const value = `re_${randomBytes(24).toString('base64url')}`;
      const { id } = addKey(call.state, name, value, permission);
      call.effect('key created', subjectOf(name));
      return { status: 201, body: { id, token: value } };
    },
  },
  listApiKeys: {
    method: 'get',
    path: '/api-keys',
    source: `${REFERENCE}/api-keys/list-api-keys`,
    handle: (call) =>
      list(call, call.state.keys, ({ id, name, created_at, last_used_at }) => ({
        id,
        name,
        created_at,
        last_used_at,
      })),
  },
  deleteApiKey: {
    method: 'delete',
    path: '/api-keys/:api_key_id',
    source: `${REFERENCE}/api-keys/delete-api-key`,
    handle(call) {
      const id = call.params['api_key_id'] ?? '';
      if (!z.uuid().safeParse(id).success) {
        return refusal(422, 'invalid_parameter', 'The `id` must be a valid UUID.');
      }
      const key = call.state.keys.find((k) => k.id === id);
      if (key === undefined) return refusal(404, 'not_found', 'API key not found');
      call.state.keys = call.state.keys.filter((k) => k !== key);
      call.effect('key deleted', subjectOf(key.name));
      return { body: { object: 'api_key', id, deleted: true } };
    },
  },
  listDomains: {
    method: 'get',
    path: '/domains',
    source: `${REFERENCE}/domains/list-domains`,
    handle: (call) => list(call, call.state.domains, ({ id, name }) => ({ id, name, status: 'verified' })),
  },
} as const satisfies Record<string, Operation<ResendState>>;

/** Resend: the keys of a team, and a look with a key itself. */
export const resendSimulator: Simulator<ResendState> = {
  system: SYSTEM,
  initialState,
  authenticate(call) {
    if (call.headers['user-agent'] === undefined) return { status: 403, body: 'error code: 1010' };
    const value = token(call);
    if (value === undefined) {
      return refusal(401, 'missing_api_key', 'Missing API key in the authorization header.');
    }
    if (value === RESEND_SIM_ADMIN_KEY) return undefined;
    const key = keyOf(call);
    if (key === undefined) return refusal(403, 'invalid_api_key', 'API key is invalid');
    key.last_used_at = new Date().toISOString();
    // No operation here sends an e-mail, and that is all such a key may do.
    return key.permission === 'full_access'
      ? undefined
      : refusal(401, 'restricted_api_key', 'This API key is restricted to only send emails.');
  },
  operations,
};
