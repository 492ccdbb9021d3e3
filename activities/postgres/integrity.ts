import pg from 'pg';
import type { DatabaseCall, Integrity } from './contract.js';

/** More would not help a person, and would not fit into a history. */
const MOST_PROBLEMS = 50;

const OURS = `n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`;

const INVALID_INDEXES = `
  select n.nspname as schema, c.relname as name
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
  where not (i.indisvalid and i.indisready and i.indislive) and ${OURS} order by 1, 2`;

const CONSTRAINTS = `
  select n.nspname as schema, t.relname as table, c.conname as name, c.contype as type,
    c.convalidated as validated, pg_get_expr(c.conbin, c.conrelid) as expression,
    fn.nspname as "foreignSchema", f.relname as "foreignTable", c.confmatchtype as match,
    array(select a.attname::text from unnest(c.conkey) with ordinality k(n, i)
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n order by k.i) as columns,
    array(select a.attname::text from unnest(c.confkey) with ordinality k(n, i)
      join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n order by k.i) as "foreignColumns"
  from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
    left join pg_class f on f.oid = c.confrelid left join pg_namespace fn on fn.oid = f.relnamespace
  where c.contype in ('c', 'f') and c.conparentid = 0 and ${OURS} order by 1, 2, 3`;

interface Constraint {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly type: 'c' | 'f';
  readonly validated: boolean;
  readonly expression: string | null;
  readonly foreignSchema: string | null;
  readonly foreignTable: string | null;
  readonly match: string;
  readonly columns: readonly string[];
  readonly foreignColumns: readonly string[];
}

const RELATIONS = `
  select c.oid, n.nspname as schema, c.relname as name, c.relkind as kind
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_am a on a.oid = c.relam
  where c.relpersistence <> 't' and ${OURS}
    and (c.relkind in ('r', 'm') or (c.relkind = 'i' and a.amname = 'btree'
      and exists (select from pg_index i where i.indexrelid = c.oid and i.indisvalid)))
  order by 2, 3`;

const id = (...names: readonly string[]): string => names.map((name) => pg.escapeIdentifier(name)).join('.');

/** Looks for indexes, constraints and rows that a database should not have. Changes nothing. */
export async function integrityOf(client: pg.Client, call: DatabaseCall): Promise<Integrity> {
  const problems: string[] = [];
  await client.query('set row_security = off');
  const { rows: indexes } = await client.query<{ schema: string; name: string }>(INVALID_INDEXES);
  problems.push(...indexes.map(({ schema, name }) => `index ${schema}.${name} is not valid`));

  const { rows: constraints } = await client.query<Constraint>(CONSTRAINTS);
  for (const constraint of constraints) {
    const { schema, table, name, validated } = constraint;
    const { rowCount } = await client.query(violationOf(constraint));
    if (rowCount !== 0) problems.push(`constraint ${name} of ${schema}.${table} is violated`);
    else if (!validated) problems.push(`constraint ${name} of ${schema}.${table} was never validated`);
    call.heartbeat({ constraint: name });
  }
  const amcheck = await withAmcheck(client, call, problems);
  return { passed: problems.length === 0, problems: problems.slice(0, MOST_PROBLEMS), amcheck };
}

/** Finds one row that a constraint does not allow. */
function violationOf(constraint: Constraint): string {
  const { schema, table, type, expression, match, columns, foreignColumns } = constraint;
  const { foreignSchema, foreignTable } = constraint;
  if (type === 'c') return `select from ${id(schema, table)} where not (${expression ?? 'true'}) limit 1`;
  const any = columns.map((column) => `r.${id(column)} is not null`);
  const same = columns.map((column, index) => `r.${id(column)} = f.${id(foreignColumns[index] ?? '')}`);
  // MATCH SIMPLE looks at rows without any null only, MATCH FULL at those with any value.
  return (
    `select from ${id(schema, table)} r where (${any.join(match === 'f' ? ' or ' : ' and ')}) and not exists ` +
    `(select from ${id(foreignSchema ?? '', foreignTable ?? '')} f where ${same.join(' and ')}) limit 1`
  );
}

/**
 * Reads tables and B-tree indexes through with amcheck, where the server has it and lets us: in a transaction that
 * is taken back, so that the extension does not stay.
 * https://www.postgresql.org/docs/current/amcheck.html
 */
async function withAmcheck(client: pg.Client, call: DatabaseCall, problems: string[]): Promise<boolean> {
  await client.query('begin');
  try {
    try {
      await client.query('create extension if not exists amcheck');
    } catch (error) {
      if (error instanceof pg.DatabaseError) return false;
      throw error;
    }
    const { rows: homes } = await client.query<{ schema: string; heap: boolean }>(
      `select n.nspname as schema, exists (
        select from pg_proc p where p.pronamespace = n.oid and p.proname = 'verify_heapam') as heap
      from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'amcheck'`,
    );
    const [home] = homes;
    if (home === undefined) return false;
    const { rows: relations } = await client.query<{
      oid: number;
      schema: string;
      name: string;
      kind: string;
    }>(RELATIONS);
    for (const { oid, schema, name, kind } of relations) {
      if (kind !== 'i' && !home.heap) continue;
      await client.query('savepoint one');
      try {
        const { rowCount } =
          kind === 'i'
            ? await client.query(
                `select from ${id(home.schema)}.bt_index_check($1::regclass, true) limit 0`,
                [oid],
              )
            : await client.query(`select from ${id(home.schema)}.verify_heapam($1::regclass) limit 1`, [oid]);
        if (rowCount !== 0) problems.push(`the file of table ${schema}.${name} is damaged`);
      } catch (error) {
        // XX001, XX002: data or index corrupted. https://www.postgresql.org/docs/current/errcodes-appendix.html
        if (!(error instanceof pg.DatabaseError) || error.code?.startsWith('XX') !== true) throw error;
        problems.push(`the file of ${kind === 'i' ? 'index' : 'table'} ${schema}.${name} is damaged`);
        await client.query('rollback to savepoint one');
      }
      call.heartbeat({ file: name });
    }
    return true;
  } finally {
    await client.query('rollback').catch(() => undefined);
  }
}
