import { z } from 'zod';
import { digest } from '../digest.js';
import type { Operation, Reply } from '../simulator.js';
import {
  refuse,
  type StoredObject,
  type StoredProject,
  type SupabaseCall,
  type SupabaseState,
} from './state.js';

/** A request to a project's own services: needs one of its secret keys. */
const withKey =
  (handle: (call: SupabaseCall, project: StoredProject) => Reply) =>
  (call: SupabaseCall): Reply => {
    const project = call.state.projects[call.params['ref'] ?? ''];
    if (project === undefined) return refuse(404, 'Project not found');
    const apikey = call.headers['apikey'];
    if (apikey === undefined) return refuse(401, 'No API key found in request');
    const known = project.keys.some((key) => key.digest === digest(apikey));
    // The gateway takes a secret key as bearer token only when it is the API key as well.
    if (!known || call.headers['authorization'] !== `Bearer ${apikey}`) return refuse(401, 'Invalid API key');
    return handle(call, project);
  };

/** A Go duration in whole hours, or `none`. */
const BanBody = z.object({ ban_duration: z.string().regex(/^(\d+h|none)$/) });

const ListBody = z.object({
  prefix: z.string(),
  limit: z.number().int().min(1).default(100),
  offset: z.number().int().min(0).default(0),
});

const HOUR_MS = 3_600_000;
const LARGEST_PAGE = 100;

/** Storage lists one folder: its folders have no id. */
function rowsOf(objects: readonly StoredObject[], folder: string): readonly object[] {
  const prefix = folder === '' ? '' : `${folder.replace(/\/$/, '')}/`;
  const rows = new Map<string, object>();
  for (const { path, bytes, etag } of objects) {
    if (!path.startsWith(prefix)) continue;
    const [name = '', ...rest] = path.slice(prefix.length).split('/');
    const file = { name, id: digest(path).slice(0, 32), metadata: { size: bytes, eTag: `"${etag}"` } };
    rows.set(name, rest.length > 0 ? { name, id: null, metadata: null } : file);
  }
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

const noBucket = (): Reply => ({
  status: 400,
  body: { statusCode: '404', error: 'Bucket not found', message: 'Bucket not found' },
});

/** What a project answers its own clients; each service as far as a key is checked with it. */
export const projectOperations: Record<string, Operation<SupabaseState>> = {
  listUsers: {
    method: 'get',
    path: '/project/:ref/auth/v1/admin/users',
    source: 'https://supabase.com/docs/reference/javascript/auth-admin-listusers',
    handle: withKey(() => ({ body: { users: [], aud: 'authenticated' }, headers: { 'x-total-count': '0' } })),
  },

  listBuckets: {
    method: 'get',
    path: '/project/:ref/storage/v1/bucket',
    source: 'https://supabase.com/docs/reference/javascript/storage-listbuckets',
    handle: withKey(() => ({ body: [] })),
  },

  updateUser: {
    method: 'put',
    path: '/project/:ref/auth/v1/admin/users/:user',
    source: 'https://supabase.com/docs/reference/javascript/auth-admin-updateuserbyid',
    handle: withKey((call, project) => {
      const user = project.users?.find(({ id }) => id === call.params['user']);
      if (user === undefined)
        return { status: 404, body: { code: 404, error_code: 'user_not_found', msg: 'User not found' } };
      const parsed = BanBody.safeParse(call.body);
      if (!parsed.success)
        return { status: 400, body: { code: 400, error_code: 'validation_failed', msg: 'invalid duration' } };
      const hours = parsed.data.ban_duration === 'none' ? 0 : Number.parseInt(parsed.data.ban_duration, 10);
      const wasBanned = user.bannedUntil !== null;
      user.bannedUntil = hours === 0 ? null : new Date(Date.now() + hours * HOUR_MS).toISOString();
      if (wasBanned !== hours > 0)
        call.effect(hours > 0 ? 'user disabled' : 'user enabled', `${call.params['ref']}/${user.id}`);
      return {
        body: {
          id: user.id,
          aud: 'authenticated',
          ...(user.bannedUntil === null ? {} : { banned_until: user.bannedUntil }),
        },
      };
    }),
  },

  getBucket: {
    method: 'get',
    path: '/project/:ref/storage/v1/bucket/:bucket',
    source: 'https://supabase.com/docs/reference/javascript/storage-getbucket',
    handle: withKey(({ params }, project) => {
      const name = params['bucket'] ?? '';
      return project.buckets?.[name] === undefined ? noBucket() : { body: { id: name, name, public: false } };
    }),
  },

  listObjects: {
    method: 'post',
    path: '/project/:ref/storage/v1/object/list/:bucket',
    source: 'https://supabase.com/docs/reference/javascript/storage-from-list',
    handle: withKey(({ params, body }, project) => {
      const parsed = ListBody.safeParse(body);
      if (!parsed.success)
        return { status: 400, body: { statusCode: '400', error: 'Error', message: 'body is invalid' } };
      const { prefix, limit, offset } = parsed.data;
      const rows = rowsOf(project.buckets?.[params['bucket'] ?? ''] ?? [], prefix);
      // A server may give less than was asked for.
      return { body: rows.slice(offset, offset + Math.min(limit, LARGEST_PAGE)) };
    }),
  },

  readTable: {
    method: 'get',
    path: '/project/:ref/rest/v1/:table',
    source: 'https://supabase.com/docs/reference/javascript/select',
    handle: withKey(({ params }, project) => {
      const table = params['table'] ?? '';
      if (project.tables.includes(table)) return { body: [], headers: { 'content-range': '*/*' } };
      const message = `Could not find the table 'public.${table}' in the schema cache`;
      return { status: 404, body: { code: 'PGRST205', details: null, hint: null, message } };
    }),
  },
};
