import { ApplicationFailure } from '@temporalio/common';
import { request, retryAfterMs, type RequestOptions } from '../http.js';

export const GITHUB_API_URL = new URL('https://api.github.com');

/** https://docs.github.com/en/rest/about-the-rest-api/api-versions */
const API_VERSION = '2022-11-28';

/** The primary limit counts per hour, so that no wait is longer. See `rateLimited`. */
const LONGEST_WAIT_MS = 3_600_000;
/** How long to wait when GitHub doesn't say. Same source. */
const SHORTEST_WAIT_MS = 60_000;

export type GithubCall = (path: string, options: GithubCallOptions) => Promise<Response>;
export type GithubCallOptions = Omit<RequestOptions, 'headers' | 'timeoutMs'>;

export interface GithubAccess {
  /** GitHub Enterprise Server: https://HOSTNAME/api/v3. */
  readonly baseUrl: URL;
  readonly token: string;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Requests to the REST API. Throws as `request` does; rate limits, which come as 403 as well, are retryable. */
export function githubCall({ baseUrl, token, timeoutMs }: GithubAccess): GithubCall {
  const base = baseUrl.href.replace(/\/+$/, '');
  return async (path, options) => {
    const { accept = [] } = options;
    const response = await request(new URL(`${base}${path}`), {
      ...options,
      accept: [...accept, 403],
      timeoutMs,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${token}`,
        'x-github-api-version': API_VERSION,
        'user-agent': 'runbook',
      },
    });
    if (response.status !== 403 || accept.includes(403)) return response;
    await response.body?.cancel();
    throw forbidden(response.headers, options);
  };
}

/**
 * 403 means "not allowed" or "too much": with Retry-After, or with nothing left, it is a rate limit.
 * https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
 */
function forbidden(headers: Headers, { what, next }: GithubCallOptions): ApplicationFailure {
  const wait = rateLimitMs(headers);
  if (wait === undefined) {
    return ApplicationFailure.nonRetryable(`${what}: HTTP 403 from GitHub. ${next}`, 'VendorRefused', {
      status: 403,
    });
  }
  return ApplicationFailure.create({
    message: `${what}: HTTP 403, GitHub's rate limit is used up. It is tried again.`,
    type: 'VendorUnavailable',
    nextRetryDelay: Math.min(wait, LONGEST_WAIT_MS),
  });
}

function rateLimitMs(headers: Headers): number | undefined {
  const asked = retryAfterMs(headers.get('retry-after'));
  if (asked !== undefined) return asked;
  if (headers.get('x-ratelimit-remaining') !== '0') return undefined;
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN) * 1000 - Date.now();
  return Number.isNaN(reset) ? SHORTEST_WAIT_MS : Math.max(1_000, reset);
}
