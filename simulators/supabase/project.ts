import { digest } from '../digest.js';
import type { Operation, Reply } from '../simulator.js';
import { refuse, type StoredProject, type SupabaseCall, type SupabaseState } from './state.js';

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
