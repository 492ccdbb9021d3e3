import { createHash } from 'node:crypto';
import pg from 'pg';
import type { DatabaseCall, Fingerprint } from './contract.js';

/**
 * Tables that pg_dump copies the rows of: not those of the system, of extensions, of other servers (foreign tables),
 * and no views. Sequences and large objects are not looked at.
 */
const TABLES = `
  select n.nspname as schema, c.relname as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
  order by n.nspname collate "C", c.relname collate "C"`;

/** What the text of a row depends on, set as pg_dump sets it. */
const SETTINGS = `
  set local timezone = 'UTC'; set local datestyle = 'ISO'; set local intervalstyle = 'postgres';
  set local extra_float_digits = 3; set local bytea_output = 'hex'; set local lc_monetary = 'C';
  set local search_path = 'pg_catalog'; set local row_security = off;
  set local idle_in_transaction_session_timeout = 0`;

/** Sums do not depend on the order of the rows, and count a row that is there twice. */
const checksumOf = (schema: string, table: string): string => `
  select count(*)::text as rows,
    coalesce(sum(('x' || substr(hash, 1, 16))::bit(64)::bigint::numeric), 0)::text as first,
    coalesce(sum(('x' || substr(hash, 17, 16))::bit(64)::bigint::numeric), 0)::text as second
  from (
    select encode(sha256(convert_to((r.*)::text, 'UTF8')), 'hex') as hash
    from only ${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)} as r
  ) as hashes`;

/** Row count and checksum of every table as the current transaction sees it; call it in `reading`. */
export async function fingerprintIn(client: pg.Client, call: DatabaseCall): Promise<Fingerprint> {
  await client.query(SETTINGS);
  const { rows: tables } = await client.query<{ schema: string; name: string }>(TABLES);
  const hash = createHash('sha256');
  let rows = 0;
  for (const [index, { schema, name }] of tables.entries()) {
    call.signal.throwIfAborted();
    const { rows: sums } = await client.query<{ rows: string; first: string; second: string }>(
      checksumOf(schema, name),
    );
    const [sum] = sums;
    if (sum === undefined) continue;
    hash.update(`${JSON.stringify([schema, name, sum.rows, sum.first, sum.second])}\n`);
    rows += Number(sum.rows);
    call.heartbeat({ tables: index + 1, of: tables.length });
  }
  return { tables: tables.length, rows, digest: hash.digest('hex') };
}
