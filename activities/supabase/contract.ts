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

/** https://supabase.com/docs/reference/api/v1-list-all-backups: `GET /v1/projects/{ref}/database/backups` */
export const BackupsAnswer = z.object({
  pitr_enabled: z.boolean(),
  backups: z.array(z.object({ inserted_at: z.string(), status: z.string() })),
  physical_backup_data: z
    .object({
      earliest_physical_backup_date_unix: z.number().nullish(),
      latest_physical_backup_date_unix: z.number().nullish(),
    })
    .nullish(),
});

export interface Backups {
  /** Whether the project can be set back to any moment between `earliest` and `latest`. */
  readonly pointInTime: boolean;
  readonly earliest: Date | undefined;
  readonly latest: Date | undefined;
  /** The daily backups, oldest first. */
  readonly backups: readonly { readonly at: Date; readonly status: string }[];
}

/**
 * https://supabase.com/docs/reference/api/v1-get-project: `ACTIVE_HEALTHY`, `RESTORING`, `RESTORE_FAILED` and others.
 * A status that is added later must not make a project unreadable.
 */
export const ProjectAnswer = z.object({ status: z.string() });

/** An object in a bucket of Supabase Storage. */
export interface StorageObject {
  readonly path: string;
  readonly bytes: number;
  /** Without quotes; empty where Storage has none. */
  readonly etag: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The Supabase Management API, and a project as its own clients use it. Every method throws ApplicationFailure
 * `VendorUnavailable` (retryable), `VendorRefused` or `UnexpectedAnswer` (not retryable).
 */
export interface Supabase {
  /** Time between two looks at something that takes long, in milliseconds. */
  readonly pollIntervalMs: number;
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
  /**
   * Bans a user, or lifts the ban, with a secret key of the project. A banned user can neither sign in nor refresh a
   * session; an access token that is out already works until it expires.
   * @returns false when the project has no such user
   */
  setBan(
    project: string,
    key: string,
    user: string,
    banned: boolean,
    options?: CallOptions,
  ): Promise<boolean>;
  /**
   * Ends the sessions of all users: nobody can refresh a session that was there before.
   * @returns how many of the sessions that were there before are left
   */
  endSessions(project: string, options?: CallOptions): Promise<number>;
  backups(project: string, options?: CallOptions): Promise<Backups>;
  /** Starts to set the project back to `at` (whole seconds; rounded down). Supabase works on it after it has answered. */
  restorePointInTime(project: string, at: Date, options?: CallOptions): Promise<void>;
  /** What Supabase says of the project: `ACTIVE_HEALTHY`, `RESTORING`, ... */
  status(project: string, options?: CallOptions): Promise<string>;
  /**
   * Every object of a bucket, with a secret key of the project, folder after folder.
   * @throws ApplicationFailure also `VendorRefused` (not retryable) when there is no such bucket
   */
  objects(project: string, key: string, bucket: string, options?: CallOptions): AsyncIterable<StorageObject>;
}
