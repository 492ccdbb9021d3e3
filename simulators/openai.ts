import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Call, Operation, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** The admin key of every simulated organisation. */
export const OPENAI_SIM_ADMIN_KEY = 'sk-admin-sim-admin';

type Owner = { readonly type: 'user' } | { readonly type: 'service_account'; readonly id: string };

interface Key {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  /** SHA-256 of the value: a simulated vendor doesn't keep values either. */
  readonly hash: string;
  readonly created_at: number;
  readonly owner: Owner;
  last_used_at: number | null;
}

interface ServiceAccount {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly created_at: number;
}

interface AuditEvent {
  readonly id: string;
  readonly type: string;
  readonly effective_at: number;
  readonly project: { readonly id: string };
  readonly actor: unknown;
  readonly [details: string]: unknown;
}

/** The organisation at OpenAI: plain JSON. */
export interface OpenaiState {
  projects: { id: string; archived: boolean }[];
  serviceAccounts: ServiceAccount[];
  keys: Key[];
  /** Oldest first. */
  auditLogs: AuditEvent[];
  /** Hashes of values that are accepted even after their keys were deleted. */
  neverRefused: string[];
  /** Ids count up, so that they are the same in every run of a scenario. */
  ids: number;
}

const SYSTEM = 'openai';
const initialState = (): OpenaiState => ({
  projects: [],
  serviceAccounts: [],
  keys: [],
  auditLogs: [],
  neverRefused: [],
  ids: 0,
});

export interface OpenaiSeed {
  readonly project: string;
  readonly archived?: boolean;
  /** Keys that exist already. Those of a service account (the default) with the same name share the account. */
  readonly keys?: readonly {
    readonly name: string;
    readonly value: string;
    readonly owner?: Owner['type'];
  }[];
  /** Further audit log events. `at` is ISO 8601; the actor is a person's session unless it is a key's id. */
  readonly auditLogs?: readonly { readonly type: string; readonly at: string; readonly actorKey?: string }[];
}

/** Prepares a project of a world. Returns the ids of the seeded keys, in their order. */
export function seedOpenai(world: World, seed: OpenaiSeed): { readonly keyIds: readonly string[] } {
  const state = world.state(SYSTEM, initialState);
  const { project } = seed;
  state.projects = [
    ...state.projects.filter(({ id }) => id !== project),
    { id: project, archived: seed.archived ?? false },
  ];
  const keyIds = (seed.keys ?? []).map(({ name, value, owner = 'service_account' }) => {
    if (owner === 'user') return addKey(state, project, name, value, { type: 'user' }).id;
    const account =
      state.serviceAccounts.find((a) => a.project === project && a.name === name) ??
      addServiceAccount(state, project, name);
    return addKey(state, project, name, value, { type: 'service_account', id: account.id }).id;
  });
  for (const { type, at, actorKey } of seed.auditLogs ?? []) {
    const actor =
      actorKey === undefined ? SESSION : { type: 'api_key', api_key: { type: 'user', id: actorKey } };
    audit(state, project, type, {}, actor, seconds(new Date(at)));
  }
  return { keyIds };
}

/** From now on the value is accepted whatever happens to its key: a revocation that does not take effect. */
export function keepAccepting(world: World, value: string): void {
  world.state(SYSTEM, initialState).neverRefused.push(hashOf(value));
}

/** Somebody revokes a key in OpenAI's dashboard, without any step. */
export function revokeOpenaiKey(world: World, value: string): void {
  const state = world.state(SYSTEM, initialState);
  const hash = hashOf(value);
  const key = state.keys.find((k) => k.hash === hash);
  if (key === undefined) return;
  state.keys = state.keys.filter((k) => k !== key);
  world.effects.push({ system: SYSTEM, what: 'key deleted', subject: subjectOf(key.project, key.name) });
}

const ADMIN = { type: 'api_key', api_key: { type: 'user', id: 'key_admin', user: { id: 'user-sim' } } };
const SESSION = { type: 'session', session: { user: { id: 'user-sim' }, ip_address: '192.0.2.1' } };

const seconds = (date = new Date()): number => Math.floor(date.getTime() / 1000);
const hashOf = (value: string): string => createHash('sha256').update(value).digest('hex');

function nextId(state: OpenaiState, prefix: string): string {
  state.ids += 1;
  return `${prefix}${String(state.ids).padStart(6, '0')}`;
}

function addServiceAccount(state: OpenaiState, project: string, name: string): ServiceAccount {
  const account = { id: nextId(state, 'svc_acct_'), project, name, created_at: seconds() };
  state.serviceAccounts.push(account);
  return account;
}

function addKey(state: OpenaiState, project: string, name: string, value: string, owner: Owner): Key {
  const id = nextId(state, 'key_');
  const key = { id, project, name, hash: hashOf(value), created_at: seconds(), last_used_at: null, owner };
  state.keys.push(key);
  return key;
}

function audit(
  state: OpenaiState,
  project: string,
  type: string,
  details: unknown,
  actor: unknown = ADMIN,
  effective_at = seconds(),
): void {
  const id = nextId(state, 'audit_log-');
  state.auditLogs.push({ id, type, effective_at, project: { id: project }, actor, [type]: details });
}

/** Effects name the project and what the key is for; the part of the name that differs per run is left out. */
const subjectOf = (project: string, name: string): string =>
  `${project}/${name.replace(/-[0-9a-f]{12}$/, '')}`;

/** `ErrorResponse` of openai/openai-openapi. */
function refusal(
  status: number,
  message: string,
  code: string | null = null,
  param: string | null = null,
): Reply {
  return { status, body: { error: { message, type: 'invalid_request_error', param, code } } };
}

/** OpenAI's answer echoes a part of the key. */
const incorrectKey = (key: string): Reply =>
  refusal(
    401,
    `Incorrect API key provided: ${key.slice(0, 8)}${'*'.repeat(8)}${key.slice(-4)}. You can find your API key at https://platform.openai.com/account/api-keys.`,
    'invalid_api_key',
  );

const bearer = ({ headers }: Call<OpenaiState>): string | undefined =>
  /^Bearer (.+)$/.exec(headers['authorization'] ?? '')?.[1];

/** Whether the request carries the value of a project's key; notes the use. */
function carriesKey(call: Call<OpenaiState>): boolean {
  const hash = hashOf(bearer(call) ?? '');
  const key = call.state.keys.find((k) => k.hash === hash);
  if (key !== undefined) key.last_used_at = seconds();
  return key !== undefined || call.state.neverRefused.includes(hash);
}

type Handler = (call: Call<OpenaiState>) => Reply;

/** "Admin API keys cannot be used for non-administration endpoints", and the other way round. */
const forAdmins =
  (handle: Handler): Handler =>
  (call) =>
    bearer(call) === OPENAI_SIM_ADMIN_KEY
      ? handle(call)
      : refusal(403, 'You have insufficient permissions for this operation.', 'insufficient_permissions');

const inProject = (handle: (call: Call<OpenaiState>, project: string) => Reply): Handler =>
  forAdmins((call) => {
    const id = call.params['project_id'] ?? '';
    const project = call.state.projects.find((p) => p.id === id);
    if (project === undefined) return refusal(404, `Project with id '${id}' not found.`, 'not_found');
    if (project.archived) return refusal(400, `Project with id '${id}' is archived.`, 'project_archived');
    return handle(call, id);
  });

const limitSchema = z.coerce.number().int().min(1).max(100).default(20);

/** `limit` and `after` of every list; any other parameter must be named in `others`. */
function page<T extends { readonly id: string }>(
  { query }: Call<OpenaiState>,
  items: readonly T[],
  show: (item: T) => unknown,
  others: readonly string[] = [],
): Reply {
  const unknown = [...query.keys()].find((name) => !['limit', 'after', ...others].includes(name));
  if (unknown !== undefined)
    return refusal(400, `Unknown parameter: '${unknown}'.`, 'unknown_parameter', unknown);
  const limit = limitSchema.safeParse(query.get('limit') ?? undefined);
  if (!limit.success) return refusal(400, "Invalid 'limit': expected 1 to 100.", 'invalid_value', 'limit');
  const after = query.get('after');
  const start = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0)
    return refusal(400, `Invalid 'after': ${after}.`, 'invalid_value', 'after');
  const shown = items.slice(start, start + limit.data);
  return {
    body: {
      object: 'list',
      data: shown.map(show),
      first_id: shown.at(0)?.id ?? null,
      last_id: shown.at(-1)?.id ?? null,
      has_more: start + shown.length < items.length,
    },
  };
}

const createBody = z.strictObject({
  name: z.string().min(1),
  create_service_account_only: z.literal(false).nullish(),
});

const showAccount = ({ id, name, created_at }: ServiceAccount) => ({
  object: 'organization.project.service_account',
  id,
  name,
  role: 'member',
  created_at,
});

const showKey =
  (state: OpenaiState) =>
  ({ id, name, created_at, last_used_at, owner }: Key) => ({
    object: 'organization.project.api_key',
    id,
    redacted_value: 'sk-...sim',
    name,
    created_at,
    last_used_at,
    owner_project_access: 'active',
    owner:
      owner.type === 'user'
        ? {
            type: 'user',
            user: { id: 'user-sim', name: 'Sim', email: 'sim@example.com', role: 'owner', created_at },
          }
        : {
            type: 'service_account',
            service_account: state.serviceAccounts.filter((a) => a.id === owner.id).map(showAccount)[0],
          },
  });

const REFERENCE = 'https://developers.openai.com/api/reference/resources/organization/subresources';

const operations = {
  listServiceAccounts: {
    method: 'get',
    path: '/organization/projects/:project_id/service_accounts',
    source: `${REFERENCE}/projects/subresources/service_accounts/methods/list`,
    handle: inProject((call, project) =>
      page(
        call,
        call.state.serviceAccounts.filter((account) => account.project === project),
        showAccount,
      ),
    ),
  },
  createServiceAccount: {
    method: 'post',
    path: '/organization/projects/:project_id/service_accounts',
    source: `${REFERENCE}/projects/subresources/service_accounts/methods/create`,
    handle: inProject((call, project) => {
      const { state } = call;
      if (call.headers['content-type']?.startsWith('application/json') !== true) {
        return refusal(415, "Unsupported media type: 'Content-Type' must be 'application/json'.");
      }
      const body = createBody.safeParse(call.body);
      if (!body.success) return refusal(400, `Invalid body: ${z.prettifyError(body.error)}`, 'invalid_value');
      const account = addServiceAccount(state, project, body.data.name);
      const value = `sk-svcacct-${randomBytes(32).toString('base64url')}`;
      const key = addKey(state, project, body.data.name, value, { type: 'service_account', id: account.id });
      audit(state, project, 'service_account.created', { id: account.id, data: { role: 'member' } });
      call.effect('service account created', subjectOf(project, account.name));
      const { id, name, created_at } = key;
      const api_key = { object: 'organization.project.service_account.api_key', id, name, created_at, value };
      return { body: { ...showAccount(account), api_key } };
    }),
  },
  deleteServiceAccount: {
    method: 'delete',
    path: '/organization/projects/:project_id/service_accounts/:service_account_id',
    source: `${REFERENCE}/projects/subresources/service_accounts/methods/delete`,
    handle: inProject((call, project) => {
      const { state } = call;
      const id = call.params['service_account_id'] ?? '';
      const account = state.serviceAccounts.find((a) => a.project === project && a.id === id);
      if (account === undefined)
        return refusal(404, `Service account with id '${id}' not found.`, 'not_found');
      state.serviceAccounts = state.serviceAccounts.filter((a) => a !== account);
      state.keys = state.keys.filter(({ owner }) => owner.type === 'user' || owner.id !== id);
      audit(state, project, 'service_account.deleted', { id });
      call.effect('service account deleted', subjectOf(project, account.name));
      return { body: { object: 'organization.project.service_account.deleted', id, deleted: true } };
    }),
  },
  listApiKeys: {
    method: 'get',
    path: '/organization/projects/:project_id/api_keys',
    source: `${REFERENCE}/projects/subresources/api_keys/methods/list`,
    handle: inProject((call, project) =>
      page(
        call,
        call.state.keys.filter((key) => key.project === project),
        showKey(call.state),
        ['owner_project_access'],
      ),
    ),
  },
  deleteApiKey: {
    method: 'delete',
    path: '/organization/projects/:project_id/api_keys/:api_key_id',
    source: `${REFERENCE}/projects/subresources/api_keys/methods/delete`,
    handle: inProject((call, project) => {
      const { state } = call;
      const id = call.params['api_key_id'] ?? '';
      const key = state.keys.find((k) => k.project === project && k.id === id);
      if (key === undefined) return refusal(404, `API key with id '${id}' not found.`, 'not_found');
      if (key.owner.type === 'service_account') {
        return refusal(400, 'The API key belongs to a service account and cannot be deleted.');
      }
      state.keys = state.keys.filter((k) => k !== key);
      audit(state, project, 'api_key.deleted', { id });
      call.effect('key deleted', subjectOf(project, key.name));
      return { body: { object: 'organization.project.api_key.deleted', id, deleted: true } };
    }),
  },
  listAuditLogs: {
    method: 'get',
    path: '/organization/audit_logs',
    source: `${REFERENCE}/audit_logs/methods/list`,
    handle: forAdmins((call) => {
      const { query, state } = call;
      const bound = (name: string, otherwise: number): number => Number(query.get(name) ?? otherwise);
      const projects = query.getAll('project_ids[]');
      const found = state.auditLogs
        .filter(({ project }) => projects.length === 0 || projects.includes(project.id))
        .filter(({ effective_at: at }) => at >= bound('effective_at[gte]', 0))
        .filter(({ effective_at: at }) => at < bound('effective_at[lt]', Infinity))
        .reverse();
      return page(call, found, (event) => event, ['project_ids[]', 'effective_at[gte]', 'effective_at[lt]']);
    }),
  },
  listModels: {
    method: 'get',
    path: '/models',
    source: 'https://developers.openai.com/api/reference/resources/models/methods/list',
    handle: (call) => {
      if (!carriesKey(call)) return refusal(403, 'Admin API keys cannot be used for this endpoint.');
      return {
        body: { object: 'list', data: [{ id: 'gpt-sim', object: 'model', created: 0, owned_by: 'sim' }] },
      };
    },
  },
} as const satisfies Record<string, Operation<OpenaiState>>;

/** OpenAI: projects, service accounts and their keys, audit logs, and a look with a key itself. */
export const openaiSimulator: Simulator<OpenaiState> = {
  system: SYSTEM,
  initialState,
  authenticate(call) {
    const key = bearer(call);
    if (key === undefined) return refusal(401, "You didn't provide an API key.");
    return key === OPENAI_SIM_ADMIN_KEY || carriesKey(call) ? undefined : incorrectKey(key);
  },
  operations,
};
