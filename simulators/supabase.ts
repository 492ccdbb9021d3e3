import { z } from 'zod';
import { digest } from './digest.js';
import type { Operation, Simulator } from './simulator.js';
import {
  initialState,
  keyValue,
  managed,
  newKey,
  refuse,
  SYSTEM,
  type StoredKey,
  type SupabaseState,
} from './supabase/state.js';
import { databaseOperations } from './supabase/database.js';
import { projectOperations } from './supabase/project.js';

export {
  disabledSupabaseUsers,
  revokeSupabaseKey,
  seedSupabase,
  setSupabaseBucket,
  supabaseKeys,
  supabaseRestoredTo,
  supabaseSecret,
  supabaseSessions,
  SUPABASE_PROJECT,
  SUPABASE_TOKEN,
  SUPABASE_USERS,
  type SupabaseSeed,
  setSupabaseSecret,
} from './supabase/state.js';

const KeyBody = z.strictObject({
  type: z.enum(['publishable', 'secret']),
  name: z
    .string()
    .min(4)
    .max(64)
    .regex(/^[a-z_][a-z0-9_]+$/),
  description: z.string().nullish(),
  secret_jwt_template: z.record(z.string(), z.unknown()).nullish(),
});
const SecretName = z
  .string()
  .max(256)
  .regex(/^(?!SUPABASE_)/);
const SecretsBody = z.array(z.strictObject({ name: SecretName, value: z.string().max(24_576) }));
const SecretNames = z.array(z.string());

const shownKey = (key: StoredKey, value: string | undefined) => ({
  id: key.id,
  type: 'secret',
  name: key.name,
  prefix: key.shown,
  api_key: value ?? `${key.shown}···············`,
  description: null,
  hash: key.digest,
});

const invalid = (error: z.ZodError) =>
  refuse(400, error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));

/** The one query that the simulated log store understands. */
const LOG_SQL =
  /^select id, timestamp, event_message from logs where source = 'edge_logs' and timestamp >= toDateTime64\('([\d:. -]+)', 3, 'UTC'\) and timestamp < toDateTime64\('([\d:. -]+)', 3, 'UTC'\) order by timestamp, id limit (\d+) offset (\d+)$/;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const management: Record<string, Operation<SupabaseState>> = {
  listKeys: {
    method: 'get',
    path: '/v1/projects/:ref/api-keys',
    source: 'https://supabase.com/docs/reference/api/v1-get-project-api-keys',
    handle: managed(({ world, params, query }, project) => {
      const reveal = query.get('reveal') === 'true';
      const value = (key: StoredKey) => (reveal ? keyValue(world, params['ref'] ?? '', key) : undefined);
      return { body: project.keys.map((key) => shownKey(key, value(key))) };
    }),
  },

  createKey: {
    method: 'post',
    path: '/v1/projects/:ref/api-keys',
    source: 'https://supabase.com/docs/reference/api/v1-create-project-api-key',
    handle: managed((call, project) => {
      const parsed = KeyBody.safeParse(call.body);
      if (!parsed.success) return invalid(parsed.error);
      const ref = call.params['ref'] ?? '';
      if (parsed.data.type === 'publishable') return refuse(400, 'publishable keys are not simulated');
      const key = newKey(call.world, call.state, ref, parsed.data.name);
      project.keys.push(key);
      call.effect('API key created', ref);
      const reveal = call.query.get('reveal') === 'true';
      return { status: 201, body: shownKey(key, reveal ? keyValue(call.world, ref, key) : undefined) };
    }),
  },

  getKey: {
    method: 'get',
    path: '/v1/projects/:ref/api-keys/:id',
    source: 'https://supabase.com/docs/reference/api/v1-get-project-api-key',
    handle: managed(({ world, params, query }, project) => {
      const key = project.keys.find(({ id }) => id === params['id']);
      if (key === undefined) return refuse(404, 'API key not found');
      const reveal = query.get('reveal') === 'true';
      return { body: shownKey(key, reveal ? keyValue(world, params['ref'] ?? '', key) : undefined) };
    }),
  },

  deleteKey: {
    method: 'delete',
    path: '/v1/projects/:ref/api-keys/:id',
    source: 'https://supabase.com/docs/reference/api/v1-delete-project-api-key',
    handle: managed((call, project) => {
      const index = project.keys.findIndex(({ id }) => id === call.params['id']);
      const [key] = index < 0 ? [] : project.keys.splice(index, 1);
      if (key === undefined) return refuse(404, 'API key not found');
      call.effect('API key deleted', call.params['ref'] ?? '');
      return { body: shownKey(key, undefined) };
    }),
  },

  listSecrets: {
    method: 'get',
    path: '/v1/projects/:ref/secrets',
    source: 'https://supabase.com/docs/reference/api/v1-list-all-secrets',
    handle: managed((_call, project) => ({
      body: Object.entries(project.secrets).map(([name, value]) => ({ name, value })),
    })),
  },

  setSecrets: {
    method: 'post',
    path: '/v1/projects/:ref/secrets',
    source: 'https://supabase.com/docs/reference/api/v1-bulk-create-secrets',
    handle: managed((call, project) => {
      const parsed = SecretsBody.safeParse(call.body);
      if (!parsed.success) return invalid(parsed.error);
      for (const { name, value } of parsed.data) {
        if (project.secrets[name] === digest(value)) continue;
        project.secrets[name] = digest(value);
        call.effect('function secret set', `${call.params['ref']}/${name}`);
      }
      return { status: 201 };
    }),
  },

  removeSecrets: {
    method: 'delete',
    path: '/v1/projects/:ref/secrets',
    source: 'https://supabase.com/docs/reference/api/v1-bulk-delete-secrets',
    handle: managed((call, project) => {
      const parsed = SecretNames.safeParse(call.body);
      if (!parsed.success) return invalid(parsed.error);
      for (const name of parsed.data) {
        if (!(name in project.secrets)) continue;
        delete project.secrets[name];
        call.effect('function secret removed', `${call.params['ref']}/${name}`);
      }
      return {};
    }),
  },

  logs: {
    method: 'get',
    path: '/v1/projects/:ref/analytics/endpoints/logs',
    source: 'https://supabase.com/docs/reference/api/v1-get-project-logs',
    handle: managed(({ query }, project) => {
      const minute = (name: string): number =>
        Math.round(Date.parse(query.get(name) ?? '') / MINUTE_MS) * MINUTE_MS;
      const [start, end] = [minute('iso_timestamp_start'), minute('iso_timestamp_end')];
      if (!(end > start)) return refuse(400, 'iso_timestamp_start and iso_timestamp_end must be provided');
      if (end - start > DAY_MS) return refuse(400, 'The timestamp range must be no more than 24 hours');
      const [, from, to, limit, offset] = LOG_SQL.exec(query.get('sql') ?? '') ?? [];
      if (from === undefined || to === undefined) return { body: { error: 'syntax error' } };
      const [first, last] = [Date.parse(`${from}Z`), Date.parse(`${to}Z`)];
      const rows = project.logs
        .filter(({ timestamp }) => {
          const at = Date.parse(timestamp);
          return at >= Math.max(start, first) && at < Math.min(end, last);
        })
        .toSorted((a, b) => (`${a.timestamp} ${a.id}` < `${b.timestamp} ${b.id}` ? -1 : 1));
      return {
        body: { result: rows.slice(Number(offset), Number(offset) + Math.min(Number(limit), 1_000)) },
      };
    }),
  },
};

/** Supabase: the Management API, and under `/project/<ref>` what a project answers its own clients. */
export const supabaseSimulator: Simulator<SupabaseState> = {
  system: SYSTEM,
  initialState,
  operations: { ...management, ...databaseOperations, ...projectOperations },
};
