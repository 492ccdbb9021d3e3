import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Database } from '../../config/databases.js';
import type { ObjectName, S3 } from '../s3/contract.js';
import { BackupSchema, momentOf, type DatabaseCall, type ListedBackup } from './contract.js';
import { backupDamaged } from './failures.js';

/** What is kept beside a backup file, as JSON. Holds no data and no credentials. */
const Manifest = z.object({
  format: z.literal(1),
  /** The step that took it. */
  key: z.string(),
  database: z.string(),
  label: z.string(),
  ...BackupSchema.shape,
  /** Major version of the pg_dump that wrote it: an older pg_restore can't read it. */
  program: z.int().positive(),
});
export type Manifest = z.output<typeof Manifest>;

const DUMP = '.dump';
const MANIFEST = '.json';

/**
 * Where the backups of a database are kept. The manifest is written first, so that a backup whose file is there is
 * complete.
 */
export function backupStore(s3: S3, { id, backups: { bucket, prefix } }: Database) {
  const fileOf = (backup: string): ObjectName => ({ bucket, key: `${prefix}${backup}${DUMP}` });
  const manifestOf = (backup: string): ObjectName => ({ bucket, key: `${prefix}${backup}${MANIFEST}` });

  /** Names of the backups of which an object of the given kind is there, with its size. */
  const named = async (
    extension: string,
    call: DatabaseCall,
  ): Promise<{ backup: string; bytes: number }[]> => {
    const found: { backup: string; bytes: number }[] = [];
    for await (const { key, bytes } of s3.list({ bucket, prefix: `${prefix}${id}/` }, call)) {
      if (key.endsWith(extension)) found.push({ backup: key.slice(prefix.length, -extension.length), bytes });
    }
    return found;
  };

  const manifest = async (backup: string, call: DatabaseCall): Promise<Manifest | 'none' | 'unreadable'> => {
    const text = await s3.getText(manifestOf(backup), call);
    if (text === undefined) return 'none';
    try {
      return Manifest.parse(JSON.parse(text));
    } catch {
      return 'unreadable';
    }
  };

  return {
    place: `${bucket}/${prefix}`,

    /** The backup of a step, if it is complete. */
    async ofStep(
      { label, key }: { label: string; key: string },
      call: DatabaseCall,
    ): Promise<Manifest | undefined> {
      const ending = `--${label}--${key.slice(0, 8)}`;
      for (const { backup } of await named(DUMP, call)) {
        if (!backup.endsWith(ending)) continue;
        const found = await manifest(backup, call);
        if (typeof found === 'object' && found.key === key) return found;
      }
      return undefined;
    },

    /** Newest first. */
    async list(before: string | undefined, call: DatabaseCall): Promise<ListedBackup[]> {
      const limit = before === undefined ? undefined : Date.parse(before);
      const listed = (await named(DUMP, call)).flatMap(({ backup, bytes }) => {
        const at = momentOf(backup);
        return at === undefined || (limit !== undefined && Date.parse(at) >= limit)
          ? []
          : [{ backup, at, bytes }];
      });
      return listed.sort((a, b) => b.at.localeCompare(a.at));
    },

    /** @throws ApplicationFailure `UnknownBackup` or `BackupDamaged` (not retryable) */
    async manifest(backup: string, call: DatabaseCall): Promise<Manifest> {
      const found = await manifest(backup, call);
      if (typeof found === 'object' && found.backup === backup) return found;
      if (found === 'none' && (await s3.head(fileOf(backup), call)) === undefined)
        throw unknown(backup, bucket);
      throw backupDamaged(backup, found === 'none' ? 'its manifest is gone' : 'its manifest can not be read');
    },

    async upload(path: string, content: Manifest, call: DatabaseCall): Promise<void> {
      await s3.putText(manifestOf(content.backup), JSON.stringify(content, undefined, 2), call);
      await s3.putFile(fileOf(content.backup), path, { sha256: content.sha256 }, call);
    },

    /** Downloads a backup and checks it. @throws ApplicationFailure `BackupDamaged` (not retryable) */
    async download({ backup, sha256, bytes }: Manifest, path: string, call: DatabaseCall): Promise<void> {
      const head = await s3.head(fileOf(backup), call);
      if (head === undefined) throw backupDamaged(backup, 'its file is gone');
      if (head.bytes !== bytes) throw backupDamaged(backup, `it has ${head.bytes} bytes instead of ${bytes}`);
      if (!(await s3.getFile(fileOf(backup), path, call))) throw backupDamaged(backup, 'its file is gone');
      const found = await hashOf(path, call);
      if (found.sha256 !== sha256) throw backupDamaged(backup, 'its SHA-256 is not the one of its manifest');
    },
  };
}

/** Size and SHA-256 (hex) of a file. */
export async function hashOf(path: string, call: DatabaseCall): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(
    createReadStream(path),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
      }
    },
    { signal: call.signal },
  );
  return { bytes, sha256: hash.digest('hex') };
}

function unknown(backup: string, bucket: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `Bucket ${bucket} has no backup ${backup}. Take a name that postgres.listBackups shows, then retry.`,
    'UnknownBackup',
  );
}
