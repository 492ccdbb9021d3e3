import { ApplicationFailure } from '@temporalio/common';
import { answer, request, type RequestOptions } from '../http.js';
import {
  apiKeyPage,
  createdApiKey,
  domainPage,
  errorAnswer,
  type Access,
  type ApiKey,
  type Resend,
} from './contract.js';

/** `servers` of https://github.com/resend/resend-openapi */
export const RESEND_BASE_URL = new URL('https://api.resend.com');

export interface ResendConfig {
  readonly baseUrl?: URL;
  /** A key with full access, which creates and deletes the others: https://resend.com/api-keys */
  readonly adminKey: string;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs?: number;
}

/** Largest `limit` of a list: https://resend.com/docs/api-reference/api-keys/list-api-keys */
const PAGE_SIZE = 100;

/** Requests without one are refused with 403: https://resend.com/docs/api-reference/introduction, User-Agent. */
const USER_AGENT = 'runbook';

/** Resend over HTTP. */
export const resend = ({ baseUrl = RESEND_BASE_URL, adminKey, timeoutMs }: ResendConfig): Resend => {
  const base = baseUrl.href.replace(/\/$/, '');

  const call = (
    path: string,
    { key = adminKey, ...options }: Omit<RequestOptions, 'headers' | 'next' | 'timeoutMs'> & { key?: string },
  ): Promise<Response> =>
    request(new URL(`${base}${path}`), {
      headers: { authorization: `Bearer ${key}`, 'user-agent': USER_AGENT },
      next: 'Check that the admin key is valid and has full access (https://resend.com/api-keys), then retry.',
      timeoutMs,
      ...options,
    });

  return {
    // https://resend.com/docs/api-reference/api-keys/create-api-key
    async createApiKey(name, permission, { signal } = {}) {
      const what = `create the key "${name}" at Resend`;
      const response = await call('/api-keys', { what, method: 'POST', body: { name, permission }, signal });
      return await answer(createdApiKey, response, what);
    },

    // https://resend.com/docs/api-reference/api-keys/list-api-keys
    async listApiKeys({ signal } = {}) {
      const what = 'list the keys at Resend';
      const found: ApiKey[] = [];
      const cursors = new Set<string>();
      for (let after: string | undefined; ;) {
        const query = new URLSearchParams({
          limit: String(PAGE_SIZE),
          ...(after === undefined ? {} : { after }),
        });
        const page = await answer(
          apiKeyPage,
          await call(`/api-keys?${query.toString()}`, { what, signal }),
          what,
        );
        found.push(...page.data);
        if (!page.has_more) return found;
        after = page.data.at(-1)?.id;
        if (after === undefined || cursors.has(after)) {
          throw ApplicationFailure.nonRetryable(
            `${what}: the list says that it has more pages but does not lead to them. Look at it in Resend's dashboard, then retry.`,
            'UnexpectedAnswer',
          );
        }
        cursors.add(after);
      }
    },

    // https://resend.com/docs/api-reference/api-keys/delete-api-key
    async deleteApiKey(id, { signal } = {}) {
      const what = `delete the key ${id} at Resend`;
      const path = `/api-keys/${encodeURIComponent(id)}`;
      const response = await call(path, { what, method: 'DELETE', accept: [404], signal });
      await response.body?.cancel();
    },

    // https://resend.com/docs/api-reference/domains/list-domains and https://resend.com/docs/api-reference/errors:
    // a key that may only send is told so (`restricted_api_key`), an unknown one is told that (`invalid_api_key`).
    async accessOf(key, { signal } = {}) {
      const what = 'list the domains at Resend with the key under test';
      const response = await call('/domains', { what, key, accept: [400, 401, 403], signal });
      if (response.ok) {
        await answer(domainPage, response, what);
        return 'full_access';
      }
      return accessFromError(await answer(errorAnswer, response, what), response.status, what);
    },
  };
};

/** Resend's answer to an unknown key. The errors page names it `invalid_api_key`; older answers `validation_error`. */
const INVALID_KEY = { name: 'invalid_api_key', message: 'API key is invalid' } as const;

function accessFromError(error: { name: string; message: string }, status: number, what: string): Access {
  if (error.name === 'restricted_api_key') return 'sending_access';
  if (error.name === INVALID_KEY.name || error.message === INVALID_KEY.message) return 'refused';
  throw ApplicationFailure.nonRetryable(
    `${what}: HTTP ${status}, for another reason than the key. Look at https://resend.com/logs, then retry.`,
    'VendorRefused',
    { status },
  );
}
