import { ApplicationFailure } from '@temporalio/common';
import type { z } from 'zod';

/** No request to a vendor may hang longer than this; the step's own timeout is longer. */
export const REQUEST_TIMEOUT_MS = 20_000;

/** Answers after which trying again can help, for every vendor. A vendor's own additions are passed to `request`. */
export const RETRYABLE_STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

export interface RequestOptions {
  /** What is attempted, as the start of an error sentence: `create key "x" at OpenAI`. Never holds a secret. */
  readonly what: string;
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as JSON unless it is URLSearchParams (form encoding). */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** What a person does next when the vendor refuses for good. */
  readonly next: string;
  /** Statuses that the caller handles itself (404 of a delete, 409 of a create): returned, not thrown. */
  readonly accept?: readonly number[];
  readonly alsoRetry?: readonly number[];
  /** Longest wait for the whole answer, in milliseconds. Default: REQUEST_TIMEOUT_MS. */
  readonly timeoutMs?: number | undefined;
}

/**
 * One HTTP request to a vendor.
 * @throws ApplicationFailure `VendorUnavailable` (retryable; after the vendor's Retry-After where it sent one) for
 * network errors, time-outs and retryable statuses; `VendorRefused` (not retryable) for every other failure, also a
 * redirect, which would carry the credentials elsewhere; `BadSecretValue` (not retryable) for a credential that no
 * header can carry. When `signal` fires, its reason is thrown as it is.
 * Bodies of failed answers are not quoted: some vendors echo the key that was sent.
 */
export async function request(url: URL, options: RequestOptions): Promise<Response> {
  const { what, method = 'GET', headers, body, signal, next, accept = [], alsoRetry = [] } = options;
  const { timeoutMs = REQUEST_TIMEOUT_MS } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  const isForm = body instanceof URLSearchParams;
  const sent = toHeaders(what, {
    ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
    ...headers,
  });
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      redirect: 'manual',
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      headers: sent,
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const reason = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : networkReason(error);
    throw ApplicationFailure.retryable(
      `${what}: ${reason} from ${url.host}. It is tried again.`,
      'VendorUnavailable',
    );
  }
  if (response.ok || accept.includes(response.status)) return response;
  await response.body?.cancel().catch(() => undefined);
  const retryAfter = retryAfterMs(response.headers.get('retry-after'));
  if (RETRYABLE_STATUSES.includes(response.status) || alsoRetry.includes(response.status)) {
    throw ApplicationFailure.create({
      message: `${what}: HTTP ${response.status} from ${url.host}. It is tried again.`,
      type: 'VendorUnavailable',
      ...(retryAfter === undefined || retryAfter === 0 ? {} : { nextRetryDelay: retryAfter }),
    });
  }
  throw ApplicationFailure.nonRetryable(
    `${what}: HTTP ${response.status} from ${url.host}. ${next}`,
    'VendorRefused',
    {
      status: response.status,
    },
  );
}

/** The delay that a Retry-After header (seconds or an HTTP date, RFC 9110 10.2.3) asks for, in milliseconds. */
export function retryAfterMs(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Header values that can't be sent are found before `fetch` sees them: its error would quote the credential. */
function toHeaders(what: string, headers: Readonly<Record<string, string>>): Headers {
  try {
    return new Headers(headers);
  } catch {
    throw ApplicationFailure.nonRetryable(
      `${what}: a credential holds characters that no header can carry (line breaks, for instance). ` +
        'Hand the value in again, then retry.',
      'BadSecretValue',
    );
  }
}

function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code =
    typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : undefined;
  return `the connection failed${code === undefined ? '' : ` (${code})`}`;
}

/**
 * Reads a JSON answer and parses it with the contract's schema.
 * @throws ApplicationFailure `UnexpectedAnswer` (not retryable) when the answer has another shape than the vendor
 * publishes; only the paths of the mismatch are named, never the values.
 */
export async function answer<S extends z.ZodType>(
  schema: S,
  response: Response,
  what: string,
): Promise<z.output<S>> {
  let body: unknown;
  try {
    body = await response.json();
  } catch (error) {
    const name = error instanceof Error ? error.name : undefined;
    if (name === 'AbortError') throw error;
    if (name !== 'SyntaxError') {
      const reason = name === 'TimeoutError' ? 'the time ran out' : networkReason(error);
      throw ApplicationFailure.retryable(
        `${what}: ${reason} while reading the answer. It is tried again.`,
        'VendorUnavailable',
      );
    }
    throw unexpected(what, 'it is not JSON');
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw unexpected(
    what,
    parsed.error.issues.map((issue) => `${issue.path.join('.') || 'answer'}: ${issue.code}`).join('; '),
  );
}

function unexpected(what: string, detail: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `${what}: the answer does not have the published shape (${detail}). Look at the vendor's side before you retry: it may have acted.`,
    'UnexpectedAnswer',
  );
}
