import { ApplicationFailure } from '@temporalio/common';
import { RETRYABLE_STATUSES, retryAfterMs } from '../http.js';

/**
 * Refusals (HTTP 400) after which the same request may succeed. `PriorRequestNotComplete` is 400 too.
 * https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/throttling-api-requests.html
 * https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html#API_ChangeResourceRecordSets_Errors
 * https://docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html
 */
const RETRYABLE = ['Throttling', 'ThrottlingException', 'PriorRequestNotComplete', 'ServiceUnavailable'];

const NEXT =
  'Check that the AWS key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) may route53:ListResourceRecordSets, ' +
  'route53:ChangeResourceRecordSets and route53:GetChange for this zone, that the zone id is right and the name lies ' +
  'in it, and that no record of another type stands in the way. Then retry.';

export interface Attempt {
  /** What is attempted, as the start of an error sentence. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/**
 * One request of the AWS SDK.
 * @throws ApplicationFailure `VendorUnavailable` (retryable, after Retry-After where there is one) or `VendorRefused`
 * (not retryable). Messages of the SDK are not passed on: some quote the signed request. When `signal` fires, its
 * reason is thrown.
 */
export async function sent<T>(attempt: Attempt, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { what, signal, timeoutMs } = attempt;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await work(signal === undefined ? timeout : AbortSignal.any([timeout, signal]));
  } catch (error) {
    signal?.throwIfAborted();
    if (timeout.aborted) throw unavailable(`${what}: no answer within ${timeoutMs / 1000} s`);
    throw failure(what, error);
  }
}

function failure(what: string, error: unknown): ApplicationFailure {
  const { name, status, retryAfter } = factsOf(error);
  if (status === undefined) return unavailable(`${what}: no answer (${name})`);
  if (status >= 200 && status < 300) {
    return ApplicationFailure.nonRetryable(
      `${what}: the answer can't be read. Look at the vendor's side before you retry: it may have acted.`,
      'UnexpectedAnswer',
    );
  }
  const sentence = `${what}: ${name} (HTTP ${status})`;
  if (status >= 500 || RETRYABLE_STATUSES.includes(status) || RETRYABLE.includes(name)) {
    return unavailable(sentence, retryAfter);
  }
  return ApplicationFailure.nonRetryable(`${sentence}. ${NEXT}`, 'VendorRefused', { status });
}

function unavailable(sentence: string, retryAfter?: number): ApplicationFailure {
  return ApplicationFailure.create({
    message: `${sentence}. It is tried again.`,
    type: 'VendorUnavailable',
    ...(retryAfter === undefined || retryAfter === 0 ? {} : { nextRetryDelay: retryAfter }),
  });
}

interface Facts {
  readonly name: string;
  /** undefined: there was no answer. */
  readonly status: number | undefined;
  /** Milliseconds. */
  readonly retryAfter: number | undefined;
}

/** The SDK keeps the answer beside its errors, also beside those that its parser made of something unreadable. */
function factsOf(error: unknown): Facts {
  const { name, $metadata, $response } = (typeof error === 'object' && error !== null ? error : {}) as {
    name?: string;
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number; headers?: Record<string, string> };
  };
  return {
    name: /^[A-Za-z]{1,60}$/.test(name ?? '') ? String(name) : 'an error',
    status: $metadata?.httpStatusCode ?? $response?.statusCode,
    retryAfter: retryAfterMs($response?.headers?.['retry-after'] ?? null),
  };
}
