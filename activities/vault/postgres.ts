import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import { z } from 'zod';
import type { SecretVersion, Vault } from './contract.js';
import type { Place, VaultKeys } from './crypto.js';
import { checkValue, secretConflict, secretNotFound, secretRevoked, secretUnreadable } from './errors.js';
import { formatRef, parseRef, secretName, type ParsedRef } from './ref.js';

export interface PostgresVaultOptions {
  /** Connected as the application role. */
  readonly pool: pg.Pool;
  readonly org: string;
  readonly keys: VaultKeys;
}

const VersionRow = z.object({
  name: z.string(),
  version: z.number().int(),
  fingerprint: z.string(),
  vendor_id: z.string().nullable(),
  state: z.enum(['pending', 'current', 'previous', 'revoked']),
  created_at: z.date(),
});
const SealedRow = z.object({ key_id: z.string(), nonce: z.instanceof(Buffer), sealed: z.instanceof(Buffer) });

const COLUMNS = 'name, version, fingerprint, vendor_id, state, created_at';

/** The vault in Postgres: values encrypted under keys that the database never sees. Schema `vault`. */
export function postgresVault({ pool, org, keys }: PostgresVaultOptions): Vault {
  const query = (sql: string, values: readonly unknown[], on: pg.Pool | pg.PoolClient = pool) =>
    guarded(async () => (await on.query<Record<string, unknown>>(sql, [org, ...values])).rows);

  const find = async (
    where: string,
    values: readonly unknown[],
    on?: pg.PoolClient,
  ): Promise<SecretVersion[]> => {
    const rows = await query(
      `SELECT ${COLUMNS} FROM vault.version WHERE org = $1 AND ${where} ORDER BY version`,
      values,
      on,
    );
    return rows.map(fromRow);
  };

  /** Writers of one secret take turns. */
  const inTurn = async <T>(name: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await guarded(() => pool.connect());
    let broken: Error | undefined;
    try {
      await query(
        'INSERT INTO vault.secret (org, name) VALUES ($1, $2) ON CONFLICT DO NOTHING',
        [name],
        client,
      );
      await guarded(() => client.query('BEGIN'));
      await query('SELECT latest FROM vault.secret WHERE org = $1 AND name = $2 FOR UPDATE', [name], client);
      const result = await work(client);
      await guarded(() => client.query('COMMIT'));
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((reason: unknown) => {
        broken = reason instanceof Error ? reason : new Error('rollback failed');
      });
      throw error;
    } finally {
      client.release(broken);
    }
  };

  const version = async (ref: string, on?: pg.PoolClient): Promise<SecretVersion> => {
    const { kind, name, version: number } = parseRef(ref);
    const [found] = kind === 'secret' ? await find('name = $2 AND version = $3', [name, number], on) : [];
    if (found === undefined) throw secretNotFound(ref, name);
    return found;
  };

  const open = async (
    ref: string,
    { kind, name, version: number }: ParsedRef,
    on?: pg.PoolClient,
  ): Promise<string> => {
    const table = kind === 'secret' ? 'vault.version' : 'vault.backup';
    const sql = `SELECT key_id, nonce, sealed FROM ${table} WHERE org = $1 AND name = $2 AND version = $3`;
    const [row] = await query(sql, [name, number], on);
    if (row === undefined) throw secretNotFound(ref, name);
    const { key_id: keyId, nonce, sealed } = SealedRow.parse(row);
    return keys.open({ keyId, nonce, sealed }, place(kind, name, number));
  };

  const place = (kind: ParsedRef['kind'], name: string, number: number): Place => ({
    purpose: kind === 'secret' ? 'value' : 'backup',
    org,
    name,
    version: number,
  });

  const setState = (ref: string, state: SecretVersion['state'], client: pg.PoolClient) => {
    const { name, version: number } = parseRef(ref);
    return query(
      'UPDATE vault.version SET state = $4 WHERE org = $1 AND name = $2 AND version = $3',
      [name, number, state],
      client,
    );
  };

  return {
    async put(name, value, { key, vendorId }) {
      checkValue(secretName(name), value);
      return await inTurn(name, async (client) => {
        const [earlier] = await find('name = $2 AND key = $3', [name, key], client);
        if (earlier !== undefined) {
          if ((await open(earlier.ref, parseRef(earlier.ref), client)) !== value)
            throw secretConflict(name, earlier.ref);
          return earlier;
        }
        const [{ latest }] = z
          .tuple([z.object({ latest: z.number() })])
          .parse(
            await query(
              'UPDATE vault.secret SET latest = latest + 1 WHERE org = $1 AND name = $2 RETURNING latest',
              [name],
              client,
            ),
          );
        const { keyId, nonce, sealed } = keys.seal(value, place('secret', name, latest));
        const rows = await query(
          `INSERT INTO vault.version (org, name, version, key, fingerprint, vendor_id, key_id, nonce, sealed)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${COLUMNS}`,
          [name, latest, key, keys.fingerprint(value), vendorId ?? null, keyId, nonce, sealed],
          client,
        );
        return fromRow(rows[0]);
      });
    },
    findByKey: async (name, key) => (await find('name = $2 AND key = $3', [secretName(name), key]))[0],
    reveal: async (ref) => await open(ref, parseRef(ref)),
    describe: async (ref) => await version(ref),
    current: async (name) => (await find(`name = $2 AND state = 'current'`, [secretName(name)]))[0],
    list: async (name) => await find('name = $2', [secretName(name)]),
    async promote(ref) {
      const { name } = await version(ref);
      await inTurn(name, async (client) => {
        const { state } = await version(ref, client);
        if (state === 'revoked') throw secretRevoked(ref);
        if (state === 'current') return;
        await query(
          `UPDATE vault.version SET state = 'previous' WHERE org = $1 AND name = $2 AND state = 'current'`,
          [name],
          client,
        );
        await setState(ref, 'current', client);
      });
    },
    async markRevoked(ref) {
      const { name } = await version(ref);
      await inTurn(name, (client) => setState(ref, 'revoked', client));
    },
    async backup(ref) {
      const { name, version: number, fingerprint } = await version(ref);
      const { keyId, nonce, sealed } = keys.seal(
        await open(ref, parseRef(ref)),
        place('backup', name, number),
      );
      await query(
        `INSERT INTO vault.backup (org, name, version, key_id, nonce, sealed) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING`,
        [name, number, keyId, nonce, sealed],
      );
      const backupRef = formatRef(name, number, 'backup');
      const copy = keys.fingerprint(await open(backupRef, parseRef(backupRef)));
      if (copy !== fingerprint)
        throw secretUnreadable(backupRef, 'the copy is not the value that it should be');
      return { backupRef, fingerprint };
    },
  };
}

function fromRow(row: unknown): SecretVersion {
  const { name, version, fingerprint, vendor_id, state, created_at } = VersionRow.parse(row);
  return {
    ref: formatRef(name, version),
    name,
    version,
    fingerprint,
    vendorId: vendor_id,
    state,
    createdAt: created_at.toISOString(),
  };
}

/** Errors of the database may quote parameters: only their code goes on. */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'connection failed';
    throw ApplicationFailure.retryable(
      `The vault's database did not answer as it should (${code}). It is tried again; if it goes on, ` +
        'run `runbook doctor`.',
      'VaultUnavailable',
    );
  }
}
