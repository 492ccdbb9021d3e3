import { ApplicationFailure } from '@temporalio/common';
import type { z } from 'zod';
import { answer, request, type RequestOptions } from '../http.js';
import {
  auditLog,
  createdServiceAccount,
  deleted,
  models,
  pageOf,
  projectApiKey,
  serviceAccount,
  type CallOptions,
  type Openai,
} from './contract.js';

/** `servers` of https://github.com/openai/openai-openapi */
export const OPENAI_BASE_URL = new URL('https://api.openai.com/v1');

export interface OpenaiConfig {
  readonly baseUrl?: URL;
  /** An admin key: https://platform.openai.com/settings/organization/admin-keys */
  readonly adminKey: string;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs?: number;
}

/** `limit` "can range between 1 and 100" in every list of the Administration API. */
const PAGE_SIZE = 100;

const ADMIN_KEY_NEXT =
  'Check that the admin key is valid and that the project exists and is not archived ' +
  '(https://platform.openai.com/settings/organization), then retry.';

/** OpenAI over HTTP. */
export const openai = ({ baseUrl = OPENAI_BASE_URL, adminKey, timeoutMs }: OpenaiConfig): Openai => {
  const base = baseUrl.href.replace(/\/$/, '');
  const admin = { authorization: `Bearer ${adminKey}` };

  const call = (
    path: string,
    query: URLSearchParams | undefined,
    options: Omit<RequestOptions, 'headers' | 'next' | 'timeoutMs'> & {
      headers?: Record<string, string>;
      next?: string;
    },
  ): Promise<Response> =>
    request(new URL(`${base}${path}${query === undefined ? '' : `?${query.toString()}`}`), {
      headers: admin,
      next: ADMIN_KEY_NEXT,
      timeoutMs,
      ...options,
    });

  const projectPath = (project: string): string => `/organization/projects/${encodeURIComponent(project)}`;

  /** Follows `after` cursors to the end: a name that is searched for may be on any page. */
  async function list<T extends z.ZodType<{ id: string }>>(
    item: T,
    path: string,
    filter: Readonly<Record<string, string>>,
    what: string,
    { signal, onPage }: CallOptions,
    next?: string,
  ): Promise<z.output<T>[]> {
    const found: z.output<T>[] = [];
    const cursors = new Set<string>();
    for (let after: string | undefined; ;) {
      const query = new URLSearchParams({
        ...filter,
        limit: String(PAGE_SIZE),
        ...(after === undefined ? {} : { after }),
      });
      const response = await call(path, query, { what, signal, ...(next === undefined ? {} : { next }) });
      const page = await answer(pageOf(item), response, what);
      found.push(...page.data);
      onPage?.();
      if (!page.has_more) return found;
      after = page.last_id ?? page.data.at(-1)?.id;
      if (after === undefined || cursors.has(after)) {
        throw ApplicationFailure.nonRetryable(
          `${what}: the list says that it has more pages but does not lead to them. Look at it in OpenAI's dashboard, then retry.`,
          'UnexpectedAnswer',
        );
      }
      cursors.add(after);
    }
  }

  async function remove(path: string, what: string, { signal }: CallOptions): Promise<void> {
    const response = await call(path, undefined, { what, method: 'DELETE', accept: [404], signal });
    if (response.status === 404) await response.body?.cancel();
    else await answer(deleted, response, what);
  }

  return {
    // https://developers.openai.com/api/reference/resources/organization/subresources/projects/subresources/service_accounts/methods/create
    async createServiceAccount(project, name, { signal } = {}) {
      const what = `create the service account "${name}" in OpenAI project ${project}`;
      const response = await call(`${projectPath(project)}/service_accounts`, undefined, {
        what,
        method: 'POST',
        body: { name },
        signal,
      });
      return await answer(createdServiceAccount, response, what);
    },

    // https://developers.openai.com/api/reference/resources/organization/subresources/projects/subresources/service_accounts/methods/list
    async listServiceAccounts(project, options = {}) {
      const what = `list the service accounts of OpenAI project ${project}`;
      return await list(serviceAccount, `${projectPath(project)}/service_accounts`, {}, what, options);
    },

    // https://developers.openai.com/api/reference/resources/organization/subresources/projects/subresources/service_accounts/methods/delete
    async deleteServiceAccount(project, id, options = {}) {
      const what = `delete the service account ${id} of OpenAI project ${project}`;
      await remove(`${projectPath(project)}/service_accounts/${encodeURIComponent(id)}`, what, options);
    },

    // https://developers.openai.com/api/reference/resources/organization/subresources/projects/subresources/api_keys/methods/list
    async listApiKeys(project, options = {}) {
      const what = `list the keys of OpenAI project ${project}`;
      const filter = { owner_project_access: 'any' };
      return await list(projectApiKey, `${projectPath(project)}/api_keys`, filter, what, options);
    },

    // https://developers.openai.com/api/reference/resources/organization/subresources/projects/subresources/api_keys/methods/delete
    async deleteApiKey(project, id, options = {}) {
      const what = `delete the key ${id} of OpenAI project ${project}`;
      await remove(`${projectPath(project)}/api_keys/${encodeURIComponent(id)}`, what, options);
    },

    // https://developers.openai.com/api/reference/resources/models/methods/list
    async acceptsKey(key, { signal } = {}) {
      const what = 'list the models at OpenAI with the key under test';
      const response = await call('/models', undefined, {
        what,
        headers: { authorization: `Bearer ${key}` },
        // A 403 says nothing about revocation: OpenAI knows the key but keeps it from this.
        next: 'OpenAI knows the key but keeps it from listing models: look at its permissions, then retry.',
        accept: [401],
        signal,
      });
      if (response.status === 401) {
        await response.body?.cancel();
        return false;
      }
      await answer(models, response, what);
      return true;
    },

    // https://developers.openai.com/api/reference/resources/admin/subresources/organization/subresources/audit_logs/methods/list
    async auditLogs(project, since, until, options = {}) {
      const what = `search the audit logs of OpenAI project ${project}`;
      const filter = {
        'project_ids[]': project,
        'effective_at[gte]': String(Math.floor(since.getTime() / 1000)),
        'effective_at[lt]': String(Math.ceil(until.getTime() / 1000)),
      };
      const next =
        'Check that the admin key is valid and that audit logging is switched on ' +
        '(https://platform.openai.com/settings/organization/data-controls), then retry.';
      return await list(auditLog, '/organization/audit_logs', filter, what, options, next);
    },
  };
};
