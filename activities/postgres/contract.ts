import { z } from 'zod';

/** What a database holds. `digest` is the same for the same rows in any order, on any server. */
export interface Fingerprint {
  readonly tables: number;
  readonly rows: number;
  /** SHA-256 in hex over name, row count and checksum of every table. */
  readonly digest: string;
}

export interface Backup extends Fingerprint {
  /** `<database>/<time>--<label>--<first 8 of the step's key>`, below the prefix of the database's backups. */
  readonly backup: string;
  readonly bytes: number;
  /** SHA-256 of the backup file, in hex. */
  readonly sha256: string;
  /** ISO 8601, UTC: everything that was committed before is in it. */
  readonly at: string;
}

export interface ListedBackup {
  readonly backup: string;
  readonly at: string;
  readonly bytes: number;
}

export interface Restored extends Fingerprint {
  readonly scratch: string;
  /** The moment whose data it holds: the backup's `at`. */
  readonly at: string;
}

export interface Integrity {
  readonly passed: boolean;
  /** What is wrong, by names of tables, indexes and constraints. Never holds data. */
  readonly problems: readonly string[];
  /** Whether the files of tables and indexes were read through with amcheck as well. */
  readonly amcheck: boolean;
}

/** What a method needs to know of its step. */
export interface DatabaseCall {
  readonly key: string;
  readonly signal: AbortSignal;
  heartbeat(detail?: unknown): void;
}

export interface Swap {
  readonly database: string;
  readonly scratch: string;
}

/**
 * Databases of config/databases.yaml, by id. A scratch database is called `<name>__<scratch>` and lives beside the
 * given one. Every method throws ApplicationFailure `VendorUnavailable` (retryable), `VendorRefused`,
 * `UnknownDatabase` or `NotConfigured` (not retryable; details `[{ instruction }]`: what a person does instead).
 */
export interface Postgres {
  /** The backup that an earlier attempt of this step has completed. */
  findBackup(
    input: { readonly database: string; readonly label: string },
    call: DatabaseCall,
  ): Promise<Backup | undefined>;
  /** Takes a backup of one moment, and the fingerprint of that moment. */
  backup(input: { readonly database: string; readonly label: string }, call: DatabaseCall): Promise<Backup>;
  /** Newest first. */
  listBackups(
    input: { readonly database: string; readonly before?: string | undefined },
    call: DatabaseCall,
  ): Promise<readonly ListedBackup[]>;
  /**
   * Restores into a new scratch database; a half-made one of the same name is dropped first. The backup may be one of
   * another database.
   * @throws ApplicationFailure `BackupDamaged` (not retryable), which names the backup.
   */
  restoreInto(input: Swap & { readonly backup: string }, call: DatabaseCall): Promise<Restored>;
  fingerprint(
    input: { readonly database: string; readonly scratch?: string | undefined },
    call: DatabaseCall,
  ): Promise<Fingerprint>;
  checkIntegrity(
    input: { readonly database: string; readonly scratch?: string | undefined },
    call: DatabaseCall,
  ): Promise<Integrity>;
  /** Whether the step has swapped already, and under which scratch name the previous database is kept. */
  promoted(input: Swap, call: DatabaseCall): Promise<{ previous: string } | undefined>;
  /** Swaps the scratch database in by renaming, in one transaction; connections to both are ended. */
  promote(input: Swap, call: DatabaseCall): Promise<{ previous: string }>;
  /** The reverse swap. Repeating it changes nothing. */
  putBack(input: Swap & { readonly previous: string }, call: DatabaseCall): Promise<void>;
  /** One that is not there is fine. */
  dropScratch(input: Swap, call: DatabaseCall): Promise<void>;
  /** How far the database is: of a replica, what it has replayed. */
  position(
    input: { readonly database: string },
    call: DatabaseCall,
  ): Promise<{ readonly at: string; readonly lsn: string }>;
}

/** `app/20261120T224247123Z--before-migration--1f2e3d4c`. */
export const BACKUP_ID = /^([a-z0-9-]+)\/(\d{8}T\d{9}Z)--([a-z0-9-]+)--([0-9a-f]{8})$/;

/** The scratch name under which `promote` keeps the database that it replaced. */
export const previousName = (key: string): string => `before_${key.slice(0, 8)}`;

/** Id of the backup that a step takes of the moment `at` (ISO 8601, UTC, with milliseconds). */
export function backupId(database: string, label: string, key: string, at: string): string {
  return `${database}/${at.replace(/[-:.]/g, '')}--${label}--${key.slice(0, 8)}`;
}

/** The moment in a backup's id, as ISO 8601; undefined when it is not such an id. */
export function momentOf(backup: string): string | undefined {
  const [, , time] = BACKUP_ID.exec(backup) ?? [];
  return time?.replace(/^(....)(..)(..T..)(..)(..)(...)Z$/, '$1-$2-$3:$4:$5.$6Z');
}

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const FingerprintSchema = z.object({ tables: count, rows: count, digest: sha256 });

export const BackupSchema = z.object({
  backup: z.string().regex(BACKUP_ID),
  bytes: count,
  sha256,
  at: z.iso.datetime(),
  ...FingerprintSchema.shape,
});

export const ListedBackupSchema = z.object({ backup: z.string(), at: z.iso.datetime(), bytes: count });

export const RestoredSchema = z.object({
  scratch: z.string(),
  at: z.iso.datetime(),
  ...FingerprintSchema.shape,
});

export const IntegritySchema = z.object({
  passed: z.boolean(),
  problems: z.array(z.string()),
  amcheck: z.boolean(),
});

export const PositionSchema = z.object({ at: z.iso.datetime(), lsn: z.string() });
