import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import type { Database, DatabaseInventory } from '../../config/databases.js';
import { revealCurrent } from '../application/runner/secrets.js';
import type { S3 } from '../s3/contract.js';
import type { Vault } from '../vault/contract.js';
import { backupStore, hashOf, type Manifest } from './backups.js';
import { backupByHand, restoreByHand } from './by-hand.js';
import { beside, connected, reading, type Target } from './connection.js';
import { BACKUP_ID, backupId, previousName, type Backup, type Postgres } from './contract.js';
import { createLike, dropDatabase, existing, renameAll } from './databases.js';
import { backupDamaged, refused } from './failures.js';
import { fingerprintIn } from './fingerprint.js';
import { integrityOf } from './integrity.js';
import { assertProgram, runProgram, type Programs } from './programs.js';

/** PostgreSQL cuts longer names. https://www.postgresql.org/docs/current/limits.html */
const LONGEST_NAME = 63;
const MOST_LISTED = 50;
/** Connections over which a backup is restored. */
const JOBS = 4;

export interface PostgresConfig {
  /** config/databases.yaml, read at every call. */
  readonly databases: () => DatabaseInventory;
  /** Holds the connection strings. */
  readonly vault: Vault;
  /** Holds the backups. */
  readonly s3: S3;
  readonly programs?: Programs;
  /** Where backups are kept while they are on their way; it must have room for the largest. Default: TMPDIR. */
  readonly folder?: string;
}

/** Real PostgreSQL servers: pg_dump, pg_restore, and databases that are swapped by renaming. */
export function postgres({
  databases,
  vault,
  s3,
  programs = {},
  folder: parent = tmpdir(),
}: PostgresConfig): Postgres {
  const opened = async (id: string): Promise<{ database: Database; target: Target }> => {
    const database = databases().get(id);
    if (database === undefined) throw unknownDatabase(id, [...databases().keys()]);
    const value = await revealCurrent(vault, database.url.secret);
    return { database, target: targetOf(database, value) };
  };
  const chosen = async (input: { database: string; scratch?: string | undefined }): Promise<Target> => {
    const { target } = await opened(input.database);
    return input.scratch === undefined ? target : beside(target, scratchName(target, input.scratch));
  };

  return {
    async findBackup({ database: id, label }, call) {
      const { database } = await opened(id);
      const found = await backupStore(s3, database).ofStep({ label, key: call.key }, call);
      return found === undefined ? undefined : backupOf(found);
    },

    async backup({ database: id, label }, call) {
      const { database, target } = await opened(id);
      const store = backupStore(s3, database);
      const what = `back up database ${id}`;
      return await inFolder(parent, (folder) =>
        connected(target, what, call, async (client) => {
          const major = await majorOf(client);
          const instruction = backupByHand(id, label, store.place, major);
          const need = { major, for: 'the server is', instruction };
          const program = await assertProgram('pg_dump', programs, need, call);
          const path = join(folder, 'backup.dump');
          const { at, fingerprint } = await reading(client, async () => {
            // The transaction began before its snapshot was taken: whatever was committed by then is in it.
            const { rows } = await client.query<{ snapshot: string; at: Date }>(
              'select pg_export_snapshot() as snapshot, transaction_timestamp() as at',
            );
            const [moment] = rows;
            if (moment === undefined) throw refused(what, 'the server exports no snapshot. Name its primary');
            const args = [
              '--format=custom',
              `--snapshot=${moment.snapshot}`,
              `--file=${path}`,
              '--no-password',
            ];
            await runProgram('pg_dump', programs, args, { what, target, call });
            return { at: moment.at.toISOString(), fingerprint: await fingerprintIn(client, call) };
          });
          const manifest: Manifest = {
            format: 1,
            key: call.key,
            database: id,
            label,
            backup: backupId(id, label, call.key, at),
            ...(await hashOf(path, call)),
            at,
            ...fingerprint,
            program,
          };
          await store.upload(path, manifest, call);
          return backupOf(manifest);
        }),
      );
    },

    async listBackups({ database: id, before }, call) {
      const { database } = await opened(id);
      return (await backupStore(s3, database).list(before, call)).slice(0, MOST_LISTED);
    },

    async restoreInto({ database: id, backup, scratch }, call) {
      const { database, target } = await opened(id);
      // The backup of another database, restored at the recovery site, lies where that one keeps its backups.
      const [, owner = id] = BACKUP_ID.exec(backup) ?? [];
      const store = backupStore(s3, databases().get(owner) ?? database);
      const what = `restore backup ${backup} into ${id} as ${scratch}`;
      const name = scratchName(target, scratch);
      const manifest = await store.manifest(backup, call);
      const server = await connected(target, what, call, majorOf);
      const major = Math.max(server, manifest.program);
      const instruction = restoreByHand(target.name, scratch, `${store.place}${backup}.dump`, major);
      await assertProgram(
        'pg_restore',
        programs,
        { major, for: 'server and backup need', instruction },
        call,
      );
      return await inFolder(parent, async (folder) => {
        const path = join(folder, 'backup.dump');
        await store.download(manifest, path, call);
        await createLike(target, name, what, call);
        const restored = beside(target, name);
        const args = ['--exit-on-error', `--jobs=${JOBS}`, `--dbname=${name}`, '--no-password', path];
        await runProgram('pg_restore', programs, args, { what, target: restored, call });
        const found = await connected(restored, what, call, async (client) => {
          await client.query('analyze');
          return await reading(client, () => fingerprintIn(client, call));
        });
        if (found.digest !== manifest.digest) {
          await dropDatabase(target, name, what, call);
          throw backupDamaged(
            backup,
            `${found.rows} rows with digest ${found.digest.slice(0, 16)} came back instead of ${manifest.rows} rows ` +
              `with digest ${manifest.digest.slice(0, 16)}`,
          );
        }
        return { scratch, at: manifest.at, ...found };
      });
    },

    async fingerprint(input, call) {
      const what = `compute the checksums of ${shown(input)}`;
      return await connected(await chosen(input), what, call, (client) =>
        reading(client, () => fingerprintIn(client, call)),
      );
    },

    async checkIntegrity(input, call) {
      const what = `check the integrity of ${shown(input)}`;
      return await connected(await chosen(input), what, call, (client) => integrityOf(client, call));
    },

    async promoted({ database: id, scratch }, call) {
      const { target } = await opened(id);
      const previous = previousName(call.key);
      const kept = scratchName(target, previous);
      const restored = scratchName(target, scratch);
      const there = await existing(target, [kept, restored], `look whether ${id} was replaced`, call);
      return there.has(kept) && !there.has(restored) ? { previous } : undefined;
    },

    async promote({ database: id, scratch }, call) {
      const { target } = await opened(id);
      const what = `replace database ${id} by ${scratch}`;
      const previous = previousName(call.key);
      const kept = scratchName(target, previous);
      const restored = scratchName(target, scratch);
      const there = await existing(target, [kept, restored], what, call);
      if (there.has(kept) && !there.has(restored)) return { previous };
      if (!there.has(restored))
        throw refused(what, `there is no database ${restored}. Restore into it first`);
      const renames = [[target.name, kept] as const, [restored, target.name] as const];
      await renameAll(target, renames, what, call);
      return { previous };
    },

    async putBack({ database: id, previous, scratch }, call) {
      const { target } = await opened(id);
      const what = `put the former database ${id} back`;
      const kept = scratchName(target, previous);
      const restored = scratchName(target, scratch);
      const there = await existing(target, [kept, restored], what, call);
      if (!there.has(kept) && there.has(restored)) return;
      if (!there.has(kept))
        throw refused(what, `there is no database ${kept}. Look under which name it was kept`);
      await renameAll(target, [[target.name, restored] as const, [kept, target.name] as const], what, call);
    },

    async dropScratch({ database: id, scratch }, call) {
      const { target } = await opened(id);
      await dropDatabase(
        target,
        scratchName(target, scratch),
        `drop ${shown({ database: id, scratch })}`,
        call,
      );
    },

    async position({ database: id }, call) {
      const { target } = await opened(id);
      return await connected(target, `look how far database ${id} is`, call, positionOf);
    },
  };
}

/** A replica that is connected and has replayed everything is where its primary is, however long ago that wrote. */
const POSITION = `
  select case
      when not pg_is_in_recovery() then clock_timestamp()
      when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
        and exists (select from pg_stat_wal_receiver where status = 'streaming') then clock_timestamp()
      else pg_last_xact_replay_timestamp()
    end as at,
    case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as lsn`;

async function positionOf(client: pg.Client): Promise<{ at: string; lsn: string }> {
  const { rows } = await client.query<{ at: Date | null; lsn: string }>(POSITION);
  const [found] = rows;
  if (found?.at == null)
    throw refused('look how far the replica is', 'it has replayed nothing yet. Wait until it has');
  return { at: found.at.toISOString(), lsn: found.lsn };
}

async function majorOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ number: number }>(
    "select current_setting('server_version_num')::int as number",
  );
  return Math.floor((rows[0]?.number ?? 0) / 10_000);
}

function targetOf({ id, url: { secret } }: Database, value: string): Target {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const name = decodeURIComponent(url?.pathname.slice(1) ?? '');
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || name === '') {
    throw ApplicationFailure.nonRetryable(
      `The value of ${secret} is not a connection string with a database (postgres://user:password@host:5432/name). ` +
        `Hand it in with \`runbook secret put ${secret}\`, then retry.`,
      'BadSecretValue',
    );
  }
  return { id, secret, url, name, password: decodeURIComponent(url.password) };
}

/** @throws ApplicationFailure `InvalidInput` (not retryable) for a name that the server would cut */
function scratchName({ name }: Target, scratch: string): string {
  const whole = `${name}__${scratch}`;
  if (Buffer.byteLength(whole) <= LONGEST_NAME) return whole;
  throw ApplicationFailure.nonRetryable(
    `The database name ${whole} is longer than ${LONGEST_NAME} bytes. Take a shorter scratch name, then retry.`,
    'InvalidInput',
  );
}

const shown = ({ database, scratch }: { database: string; scratch?: string | undefined }): string =>
  scratch === undefined ? `database ${database}` : `database ${database}__${scratch}`;

const backupOf = ({ backup, bytes, sha256, at, tables, rows, digest }: Manifest): Backup => ({
  backup,
  bytes,
  sha256,
  at,
  tables,
  rows,
  digest,
});

/** Runs something with a folder of its own that only this user can read. */
async function inFolder<T>(parent: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent, 'runbook-backup-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function unknownDatabase(id: string, known: readonly string[]): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `config/databases.yaml has no database ${id}. It has: ${known.join(', ') || 'none'}. Add it there, then retry.`,
    'UnknownDatabase',
  );
}
