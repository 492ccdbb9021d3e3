import type { Supabase } from './contract.js';
import type { ProjectClient } from './project-client.js';

/** How a project says that a key does not count (401) or does not suffice (403). */
const REFUSED = [401, 403];

const NEXT = 'Check the project, and the table that is configured for this check, then retry.';

/** Uses a project's key with supabase-js, as the application does. */
export const keyUser =
  (useProject: ProjectClient, table: string | undefined): Supabase['useKey'] =>
  async (project, key, { signal } = {}) => {
    const tryService = async (service: string, use: Parameters<ProjectClient>[3]): Promise<boolean> => {
      const what = `use a key of Supabase project ${project} (${service})`;
      const { status } = await useProject(project, key, { what, next: NEXT, accept: REFUSED, signal }, use);
      return !REFUSED.includes(status);
    };

    // https://supabase.com/docs/reference/javascript/auth-admin-listusers
    const auth = await tryService('auth admin', (client) =>
      client.auth.admin.listUsers({ page: 1, perPage: 1 }),
    );
    // https://supabase.com/docs/reference/javascript/storage-listbuckets
    const storage = await tryService('storage', (client) => client.storage.listBuckets());
    if (table === undefined) return { auth, storage };
    // https://supabase.com/docs/reference/javascript/select: head asks for no rows
    const data = await tryService('data', (client) =>
      client.from(table).select('*', { head: true }).limit(1),
    );
    return { auth, storage, data };
  };
