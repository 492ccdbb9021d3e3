import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { ApplicationFailure } from '@temporalio/common';
import { request } from '../http.js';
import type { Supabase } from './contract.js';

interface KeyUserConfig {
  readonly projectUrl: (ref: string) => URL;
  readonly table: string | undefined;
  readonly timeoutMs: number | undefined;
}

/** How a project says that a key does not count (401) or does not suffice (403). */
const REFUSED = [401, 403];

/** Uses a project's key with supabase-js, as the application does. */
export const keyUser =
  ({ projectUrl, table, timeoutMs }: KeyUserConfig): Supabase['useKey'] =>
  async (project, key, { signal } = {}) => {
    checkKey(project, key);
    const tryService = async (
      service: string,
      use: (client: SupabaseClient) => PromiseLike<{ error: unknown }>,
    ): Promise<boolean> => {
      const what = `use a key of Supabase project ${project} (${service})`;
      // supabase-js turns whatever its fetch throws into results of its own, so what happened is kept here.
      let failure: Error | undefined;
      let status: number | undefined;
      const fetchOnce: typeof fetch = async (url, init) => {
        try {
          const response = await request(new URL(url instanceof Request ? url.url : url), {
            what,
            method: init?.method === 'HEAD' ? 'HEAD' : 'GET',
            headers: Object.fromEntries(new Headers(init?.headers)),
            signal,
            timeoutMs,
            accept: REFUSED,
            next: 'Check the project, and the table that is configured for this check, then retry.',
          });
          const text = await bodyOf(response, what);
          ({ status } = response);
          return new Response(text === '' ? null : text, { status, headers: response.headers });
        } catch (error) {
          failure = error instanceof Error ? error : new Error(`${what} was stopped`);
          return new Response('{}', { status: 500 });
        }
      };
      const client = createClient(projectUrl(project).href.replace(/\/$/, ''), key, {
        auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
        global: { fetch: fetchOnce },
      });
      const { error } = await Promise.resolve(use(client)).catch((reason: unknown) => ({ error: reason }));
      if (failure !== undefined) throw failure;
      if (status !== undefined && REFUSED.includes(status)) return false;
      if (error === null && status !== undefined) return true;
      throw ApplicationFailure.nonRetryable(
        `${what}: the answer does not have the published shape. Look at the project's status, then retry.`,
        'UnexpectedAnswer',
      );
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

/** A key that no header can carry is found before supabase-js sees it: that would print the key to the console. */
function checkKey(project: string, key: string): void {
  if (/^[\x21-\x7e]+$/.test(key)) return;
  throw ApplicationFailure.nonRetryable(
    `The key of Supabase project ${project} in the vault holds spaces, line breaks or other characters that a key ` +
      'never has. Hand the value in again, then retry.',
    'BadSecretValue',
  );
}

async function bodyOf(response: Response, what: string): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw ApplicationFailure.retryable(
      `${what}: the connection failed while reading the answer. It is tried again.`,
      'VendorUnavailable',
    );
  }
}
