import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { answer, request, retryAfterMs, type RequestOptions } from '../http.js';
import {
  Build,
  Deploy,
  DEPLOYS_PER_PAGE,
  EnvVar,
  type Context,
  type Netlify,
  type SiteVariable,
} from './contract.js';

/** https://docs.netlify.com/api-and-cli-guides/api-guides/get-started-with-api/#make-a-request */
export const NETLIFY_BASE_URL = 'https://api.netlify.com/api/v1';

/** A production build takes minutes; the API allows 500 requests a minute for everything together. */
const POLL_INTERVAL_MS = 5_000;

/** Longest pause that a rate limit may impose: its window is one minute. */
const RATE_LIMIT_WINDOW_MS = 60_000;

/**
 * Scopes of a secret: all but post-processing, which secrets are not allowed in. They have to be named on every plan.
 * https://docs.netlify.com/build/environment-variables/secrets-controller/#environment-variable-secrets-policy
 */
const SECRET_SCOPES = ['builds', 'functions', 'runtime'] as const;

/** Contexts whose values everybody in the team may read, so that a secret may not have them. Same source. */
const READABLE_CONTEXTS: readonly Context[] = ['all', 'dev'];

export interface NetlifyConfig {
  /** Default: NETLIFY_BASE_URL. */
  readonly baseUrl?: URL;
  /** Personal access token. */
  readonly token: string;
  /** Time between two looks at a deploy, in milliseconds. Default: 5 s. */
  readonly pollIntervalMs?: number;
  /** Longest time for one answer, in milliseconds. Default: that of `request`. */
  readonly timeoutMs?: number;
}

type Call = Omit<RequestOptions, 'headers' | 'next'> & { readonly next?: string };

const TOKEN_NEXT =
  'Check that the Netlify token (NETLIFY_AUTH_TOKEN) is valid and may manage this site, and the ids in the step, then retry.';

/** The real client of the Netlify API. */
export const netlify = (config: NetlifyConfig): Netlify => {
  const { baseUrl = new URL(NETLIFY_BASE_URL), token, pollIntervalMs = POLL_INTERVAL_MS, timeoutMs } = config;
  const base = baseUrl.href.replace(/\/$/, '');

  const call = async (path: string, options: Call): Promise<Response> => {
    const response = await request(new URL(`${base}${path}`), {
      next: TOKEN_NEXT,
      timeoutMs,
      ...options,
      accept: [...(options.accept ?? []), 429],
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    });
    if (response.status === 429) throw await rateLimited(response, options.what);
    return response;
  };
  const envPath = ({ account, site, variable }: SiteVariable, withKey = true): string =>
    `/accounts/${encodeURIComponent(account)}/env${withKey ? `/${encodeURIComponent(variable)}` : ''}` +
    `?site_id=${encodeURIComponent(site)}`;

  return {
    pollIntervalMs,

    // https://open-api.netlify.com/#tag/environmentVariables/operation/getEnvVar
    async variable(where, { signal } = {}) {
      const what = `look up ${where.variable} of site ${where.site} at Netlify`;
      const response = await call(envPath(where), { what, signal, accept: [404] });
      if (response.status !== 404) return await answer(EnvVar, response, what);
      await response.body?.cancel();
      return undefined;
    },

    // https://open-api.netlify.com/#tag/environmentVariables/operation/createEnvVars
    async createVariable(where, { context, value }, { signal } = {}) {
      const what = `create ${where.variable} of site ${where.site} at Netlify`;
      const secret = READABLE_CONTEXTS.includes(context) ? {} : { is_secret: true, scopes: SECRET_SCOPES };
      const body = [{ key: where.variable, ...secret, values: [{ context, value }] }];
      const response = await call(envPath(where, false), { what, method: 'POST', body, signal });
      await answer(z.array(EnvVar), response, what);
    },

    // https://open-api.netlify.com/#tag/environmentVariables/operation/setEnvVarValue
    async setValue(where, { context, value }, { signal } = {}) {
      const what = `set ${where.variable} of site ${where.site} (${context}) at Netlify`;
      const response = await call(envPath(where), {
        what,
        method: 'PATCH',
        body: { context, value },
        signal,
      });
      await answer(EnvVar, response, what);
    },

    // https://open-api.netlify.com/#tag/environmentVariables/operation/deleteEnvVar
    async removeVariable(where, { signal } = {}) {
      const what = `delete ${where.variable} of site ${where.site} at Netlify`;
      const response = await call(envPath(where), { what, method: 'DELETE', signal, accept: [404] });
      await response.body?.cancel();
    },

    // https://open-api.netlify.com/#tag/build/operation/createSiteBuild: no branch means production
    async startBuild(site, title, { signal } = {}) {
      const what = `start a production build of site ${site} at Netlify`;
      const query = new URLSearchParams({ title });
      const response = await call(`/sites/${encodeURIComponent(site)}/builds?${query}`, {
        what,
        method: 'POST',
        signal,
      });
      return await answer(Build, response, what);
    },

    // https://open-api.netlify.com/#tag/deploy/operation/listSiteDeploys
    async deploys(site, page, { signal } = {}) {
      const what = `list the deploys of site ${site} at Netlify`;
      const query = new URLSearchParams({
        production: 'true',
        page: String(page),
        per_page: String(DEPLOYS_PER_PAGE),
      });
      const response = await call(`/sites/${encodeURIComponent(site)}/deploys?${query}`, { what, signal });
      return await answer(z.array(Deploy), response, what);
    },

    // https://open-api.netlify.com/#tag/deploy/operation/getDeploy
    async deploy(deployId, { signal } = {}) {
      const what = `look at deploy ${deployId} at Netlify`;
      const response = await call(`/deploys/${encodeURIComponent(deployId)}`, { what, signal });
      return await answer(Deploy, response, what);
    },
  };
};

/**
 * Netlify says in X-RateLimit-Reset (Unix seconds) when its limit is over, and documents no Retry-After.
 * https://docs.netlify.com/api-and-cli-guides/api-guides/get-started-with-api/#rate-limiting
 */
async function rateLimited(response: Response, what: string): Promise<ApplicationFailure> {
  await response.body?.cancel();
  const reset = Number(response.headers.get('x-ratelimit-reset') ?? Number.NaN);
  const untilReset = Number.isFinite(reset) ? Math.max(0, reset * 1000 - Date.now()) : undefined;
  const delay = retryAfterMs(response.headers.get('retry-after')) ?? untilReset;
  return ApplicationFailure.create({
    message: `${what}: HTTP 429, Netlify's rate limit is used up. It is tried again.`,
    type: 'VendorUnavailable',
    ...(delay === undefined || delay === 0 ? {} : { nextRetryDelay: Math.min(delay, RATE_LIMIT_WINDOW_MS) }),
  });
}
