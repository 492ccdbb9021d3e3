import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { answer, request, type RequestOptions } from '../http.js';
import {
  ApiKey,
  LOG_ROWS_PER_PAGE,
  LogAnswer,
  RevealedKey,
  type LogRange,
  type Supabase,
} from './contract.js';
import { databaseCalls } from './database.js';
import { keyUser } from './key-user.js';
import { projectClient } from './project-client.js';
import { storageObjects } from './storage.js';
import { banSetter } from './users.js';

/** https://supabase.com/docs/reference/api/introduction */
export const SUPABASE_BASE_URL = 'https://api.supabase.com';

const MINUTE_MS = 60_000;

/** A restore takes minutes; the API allows 120 requests a minute: https://supabase.com/docs/reference/api/introduction */
const POLL_INTERVAL_MS = 5_000;

export interface SupabaseConfig {
  /** Of the Management API. Default: SUPABASE_BASE_URL. */
  readonly baseUrl?: URL;
  /** Personal access token of the Management API (`sbp_...`). */
  readonly accessToken: string;
  /** Where a project answers its own clients. Default: `https://<ref>.supabase.co`. */
  readonly projectUrl?: (ref: string) => URL;
  /** A table in schema `public` that `useKey` reads from (no row is transferred). Default: no read. */
  readonly table?: string;
  /** Longest time for one answer, in milliseconds. Default: that of `request`. */
  readonly timeoutMs?: number;
  /** Time between two looks at a project that is being restored, in milliseconds. Default: 5 s. */
  readonly pollIntervalMs?: number;
}

type Call = Omit<RequestOptions, 'headers' | 'next'>;

/** A request to the Management API; `path` is below `/v1/projects/{ref}`. */
export type ManagementCall = (project: string, path: string, options: Call) => Promise<Response>;

const TOKEN_NEXT =
  'Check that the Supabase access token (SUPABASE_ACCESS_TOKEN) is valid and may manage this project, and the ' +
  'values in the step, then retry.';

/** The real client of the Supabase Management API, with supabase-js for the project itself. */
export const supabase = (config: SupabaseConfig): Supabase => {
  const { accessToken, timeoutMs, table } = config;
  const {
    baseUrl = new URL(SUPABASE_BASE_URL),
    projectUrl = (ref) => new URL(`https://${ref}.supabase.co`),
    pollIntervalMs = POLL_INTERVAL_MS,
  } = config;
  const base = baseUrl.href.replace(/\/$/, '');

  const call: ManagementCall = (project, path, options) =>
    request(new URL(`${base}/v1/projects/${encodeURIComponent(project)}${path}`), {
      next: TOKEN_NEXT,
      timeoutMs,
      ...options,
      headers: { authorization: `Bearer ${accessToken}`, accept: 'application/json' },
    });

  const useProject = projectClient({ projectUrl, timeoutMs });

  return {
    pollIntervalMs,
    ...databaseCalls(call),
    setBan: banSetter(useProject),
    objects: storageObjects(useProject),

    // https://supabase.com/docs/reference/api/v1-get-project-api-keys
    async keys(project, { signal } = {}) {
      const what = `list the keys of Supabase project ${project}`;
      return await answer(z.array(ApiKey), await call(project, '/api-keys', { what, signal }), what);
    },

    // https://supabase.com/docs/reference/api/v1-create-project-api-key
    async createKey(project, name, { signal } = {}) {
      const what = `create key ${name} of Supabase project ${project}`;
      const body = { type: 'secret', name };
      const response = await call(project, '/api-keys?reveal=true', { what, method: 'POST', body, signal });
      return await answer(RevealedKey, response, what);
    },

    // https://supabase.com/docs/reference/api/v1-get-project-api-key
    async revealKey(project, keyId, { signal } = {}) {
      const what = `read key ${keyId} of Supabase project ${project}`;
      const path = `/api-keys/${encodeURIComponent(keyId)}?reveal=true`;
      const response = await call(project, path, { what, signal, accept: [404] });
      if (response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      return RevealedKey.safeParse(await answer(ApiKey, response, what)).data;
    },

    // https://supabase.com/docs/reference/api/v1-delete-project-api-key
    async deleteKey(project, keyId, { signal } = {}) {
      const what = `delete key ${keyId} of Supabase project ${project}`;
      const path = `/api-keys/${encodeURIComponent(keyId)}`;
      const response = await call(project, path, { what, method: 'DELETE', signal, accept: [404] });
      await response.body?.cancel();
    },

    useKey: keyUser(useProject, table),

    // https://supabase.com/docs/reference/api/v1-bulk-create-secrets
    async setSecret(project, name, value, { signal } = {}) {
      const what = `set function secret ${name} of Supabase project ${project}`;
      const response = await call(project, '/secrets', {
        what,
        method: 'POST',
        body: [{ name, value }],
        signal,
      });
      await response.body?.cancel();
    },

    // https://supabase.com/docs/reference/api/v1-bulk-delete-secrets
    async removeSecret(project, name, { signal } = {}) {
      const what = `remove function secret ${name} of Supabase project ${project}`;
      const response = await call(project, '/secrets', {
        what,
        method: 'DELETE',
        body: [name],
        signal,
        accept: [404],
      });
      await response.body?.cancel();
    },

    // https://supabase.com/docs/reference/api/v1-get-project-logs
    async gatewayLogs(project, range, offset, { signal } = {}) {
      const what = `search the logs of Supabase project ${project}`;
      const query = new URLSearchParams({
        sql: gatewayLogsSql(range, offset),
        iso_timestamp_start: wholeMinute(range.start, Math.floor),
        iso_timestamp_end: wholeMinute(range.end, Math.ceil),
      });
      const response = await call(project, `/analytics/endpoints/logs?${query}`, { what, signal });
      const { result, error } = await answer(LogAnswer, response, what);
      if (error === undefined || error === null) return result ?? [];
      throw ApplicationFailure.nonRetryable(
        `${what}: Supabase refused the query. Search the logs in the dashboard (Logs > API gateway) from ` +
          `${range.start.toISOString()} to ${range.end.toISOString()} and enter the result by hand.`,
        'VendorRefused',
      );
    },
  };
};

/** ClickHouse SQL, as https://supabase.com/docs/guides/observability/advanced-log-filtering describes it. */
const gatewayLogsSql = ({ start, end }: LogRange, offset: number): string =>
  "select id, timestamp, event_message from logs where source = 'edge_logs' " +
  `and timestamp >= ${sqlTime(start)} and timestamp < ${sqlTime(end)} ` +
  `order by timestamp, id limit ${LOG_ROWS_PER_PAGE} offset ${offset}`;

const sqlTime = (date: Date): string =>
  `toDateTime64('${date.toISOString().replace('T', ' ').replace('Z', '')}', 3, 'UTC')`;

/** The API rounds to whole minutes: rounding outwards loses nothing, and the SQL cuts off what is too much. */
const wholeMinute = (date: Date, round: (minutes: number) => number): string =>
  new Date(round(date.getTime() / MINUTE_MS) * MINUTE_MS).toISOString();
