import { z } from 'zod';

/**
 * A key of a project. `api_key` is masked unless the request asks to reveal it.
 * https://supabase.com/docs/reference/api/v1-get-project-api-keys
 */
export const ApiKey = z.object({
  id: z.string().nullish(),
  name: z.string(),
  type: z.enum(['legacy', 'publishable', 'secret']).nullish(),
  api_key: z.string().nullish(),
});
export type ApiKey = z.output<typeof ApiKey>;

/** A key with its value: of a create, or of a look-up with `reveal=true`. A masked value does not match. */
export const RevealedKey = z.object({
  id: z.string().min(1),
  name: z.string(),
  api_key: z.string().regex(/^[\w.-]+$/),
});
export type RevealedKey = z.output<typeof RevealedKey>;

/** https://supabase.com/docs/reference/api/v1-get-project-logs */
export const LogAnswer = z.object({
  result: z
    .array(
      z.object({ id: z.string(), timestamp: z.union([z.string(), z.number()]), event_message: z.string() }),
    )
    .nullish(),
  error: z.unknown().optional(),
});
export type LogRow = NonNullable<z.output<typeof LogAnswer>['result']>[number];

/** Log rows of one answer at most: https://supabase.com/docs/guides/observability/advanced-log-filtering */
export const LOG_ROWS_PER_PAGE = 1_000;

/** The longest range of one log query, in milliseconds: 24 hours. Same page as LogAnswer. */
export const LOG_RANGE_MS = 24 * 60 * 60 * 1_000;

/** From `start`, up to but not including `end`; at most LOG_RANGE_MS from the minute in which it starts. */
export interface LogRange {
  readonly start: Date;
  readonly end: Date;
}

/** Which services of a project took a key. `data` is undefined where no table to read is configured. */
export interface KeyUse {
  readonly auth: boolean;
  readonly storage: boolean;
  readonly data?: boolean;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The Supabase Management API, and a project as its own clients use it. Every method throws ApplicationFailure
 * `VendorUnavailable` (retryable), `VendorRefused` or `UnexpectedAnswer` (not retryable).
 */
export interface Supabase {
  /** Keys of a project, with masked values. */
  keys(project: string, options?: CallOptions): Promise<readonly ApiKey[]>;
  /** Creates a secret key. The API has no idempotency key: the name is how the key is found again. */
  createKey(project: string, name: string, options?: CallOptions): Promise<RevealedKey>;
  /** A key with its value; undefined when it is gone, or when the API does not reveal the value. */
  revealKey(project: string, keyId: string, options?: CallOptions): Promise<RevealedKey | undefined>;
  /** Deletes a key: it stops working. One that is not there is fine. */
  deleteKey(project: string, keyId: string, options?: CallOptions): Promise<void>;
  /** Uses a key: lists a user (auth admin), the buckets (storage), and reads from a table where one is configured. */
  useKey(project: string, key: string, options?: CallOptions): Promise<KeyUse>;
  /** Creates or replaces a secret of the project's Edge Functions. */
  setSecret(project: string, name: string, value: string, options?: CallOptions): Promise<void>;
  /** Removes a secret of the project's Edge Functions. One that is not there is fine. */
  removeSecret(project: string, name: string, options?: CallOptions): Promise<void>;
  /** Requests that the API gateway logged, oldest first; at most LOG_ROWS_PER_PAGE from `offset` on. */
  gatewayLogs(
    project: string,
    range: LogRange,
    offset: number,
    options?: CallOptions,
  ): Promise<readonly LogRow[]>;
}
