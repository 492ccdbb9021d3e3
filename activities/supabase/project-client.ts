import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { ApplicationFailure } from '@temporalio/common';
import { request, type RequestOptions } from '../http.js';

export interface ProjectConfig {
  /** Where a project answers its own clients. */
  readonly projectUrl: (ref: string) => URL;
  readonly timeoutMs: number | undefined;
}

export type ProjectCall = Pick<RequestOptions, 'what' | 'next' | 'accept' | 'signal'>;

export interface ProjectAnswer {
  readonly status: number;
  readonly data: unknown;
  readonly error: unknown;
}

type Use = (client: SupabaseClient) => PromiseLike<{ readonly data?: unknown; readonly error: unknown }>;

/** One request to a project with supabase-js. */
export type ProjectClient = (
  project: string,
  key: string,
  call: ProjectCall,
  use: Use,
) => Promise<ProjectAnswer>;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT'] as const;

/**
 * Uses a project with supabase-js, as the application does, but with the time-outs, retries and errors of `request`.
 * The returned function throws what `request` throws; `BadSecretValue` (not retryable) for a key that no header can
 * carry; `UnexpectedAnswer` (not retryable) when supabase-js cannot read the answer. An accepted status is returned
 * with what supabase-js made of it.
 */
export const projectClient =
  ({ projectUrl, timeoutMs }: ProjectConfig): ProjectClient =>
  async (project, key, call, use) => {
    checkKey(project, key);
    // supabase-js turns whatever its fetch throws into results of its own, so what happened is kept here.
    let failure: Error | undefined;
    let status: number | undefined;
    const fetchOnce: typeof fetch = async (url, init) => {
      try {
        const response = await request(new URL(url instanceof Request ? url.url : url), {
          ...call,
          timeoutMs,
          method: METHODS.find((method) => method === init?.method) ?? 'GET',
          headers: Object.fromEntries(new Headers(init?.headers)),
          ...(typeof init?.body === 'string' ? { body: JSON.parse(init.body) as unknown } : {}),
        });
        const text = await bodyOf(response, call.what);
        ({ status } = response);
        return new Response(text === '' ? null : text, { status, headers: response.headers });
      } catch (error) {
        failure = error instanceof Error ? error : new Error(`${call.what} was stopped`);
        return new Response('{}', { status: 500 });
      }
    };
    const client = createClient(projectUrl(project).href.replace(/\/$/, ''), key, {
      auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
      global: { fetch: fetchOnce },
    });
    const { data, error } = await Promise.resolve(use(client)).catch((reason: unknown) => ({
      data: null,
      error: reason,
    }));
    if (failure !== undefined) throw failure;
    if (status !== undefined && call.accept?.includes(status) === true) return { status, data, error };
    if (error === null && status !== undefined) return { status, data, error };
    throw unexpectedAnswer(call.what);
  };

export const unexpectedAnswer = (what: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(
    `${what}: the answer does not have the published shape. Look at the project's status, then retry.`,
    'UnexpectedAnswer',
  );

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
