import { S3ServiceException } from '@aws-sdk/client-s3';
import { ApplicationFailure } from '@temporalio/common';
import { retryAfterMs, RETRYABLE_STATUSES } from '../http.js';

/** A request that a source object has changed under: the next attempt sees it as it is now. */
const PRECONDITION_FAILED = 412;

const NEXT =
  'Check that the bucket exists and that the access key (AWS_ACCESS_KEY_ID) may read, list and write there, then retry.';

/**
 * The error of one S3 request, without anything that the request carried.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 * @returns ApplicationFailure `VendorUnavailable` (retryable) or `VendorRefused` (not retryable); an error of ours as
 * it is
 */
export function s3Failure(what: string, error: unknown, signal: AbortSignal | undefined): Error {
  if (signal?.aborted === true) return signal.reason instanceof Error ? signal.reason : new Error('aborted');
  if (error instanceof ApplicationFailure) return error;
  const status = statusOf(error);
  if (status === undefined || (status >= 200 && status < 300)) {
    return unavailable(what, `the connection failed${codeOf(error)}`);
  }
  if (RETRYABLE_STATUSES.includes(status) || status === PRECONDITION_FAILED) {
    return unavailable(what, `HTTP ${status}`, retryAfterOf(error));
  }
  const name =
    error instanceof S3ServiceException && /^[A-Za-z]{1,60}$/.test(error.name) ? ` (${error.name})` : '';
  return ApplicationFailure.nonRetryable(`${what}: HTTP ${status}${name}. ${NEXT}`, 'VendorRefused', {
    status,
  });
}

/** Whether the store says that there is no such object. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404 && !(error instanceof Error && error.name === 'NoSuchBucket');
}

function unavailable(what: string, reason: string, delay?: number): ApplicationFailure {
  return ApplicationFailure.create({
    message: `${what}: ${reason}. It is tried again.`,
    type: 'VendorUnavailable',
    ...(delay === undefined || delay === 0 ? {} : { nextRetryDelay: delay }),
  });
}

interface Answered {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: {
    readonly statusCode?: number;
    readonly headers?: Readonly<Record<string, string | undefined>>;
  };
}

function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = (error ?? {}) as Answered;
  return $metadata?.httpStatusCode ?? $response?.statusCode;
}

function retryAfterOf(error: unknown): number | undefined {
  return retryAfterMs((error as Answered).$response?.headers?.['retry-after'] ?? null);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const name = error instanceof Error ? error.name : undefined;
  const shown = code ?? (name === 'Error' ? undefined : name);
  return shown !== undefined && /^\w{1,40}$/.test(shown) ? ` (${shown})` : '';
}
