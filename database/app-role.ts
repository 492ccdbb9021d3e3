import type pg from 'pg';

/**
 * Refuses a database user who could change the record. Every process calls it before it does anything else.
 * @throws Error with a sentence that names the user, what is wrong and what to do.
 */
export async function assertAppRole(pool: pg.Pool): Promise<void> {
  // Through the catalogues: naming ledger.leaf would already fail for a user without rights.
  const { rows } = await pool.query<Rights>(
    `SELECT r.rolname AS user, r.rolsuper AS superuser, r.rolbypassrls AS bypass, r.rolcreaterole AS createrole,
       pg_has_role(r.oid, leaf.relowner, 'MEMBER') OR pg_has_role(r.oid, append.proowner, 'MEMBER') AS owner,
       pg_has_role(r.oid, 'pg_write_all_data', 'MEMBER')
         OR has_table_privilege(r.oid, leaf.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') AS writes,
       has_schema_privilege(r.oid, schema.oid, 'USAGE') AND has_function_privilege(r.oid, append.oid, 'EXECUTE') AS appends
     FROM pg_catalog.pg_roles AS r,
       pg_catalog.pg_namespace AS schema
       JOIN pg_catalog.pg_class AS leaf ON leaf.relnamespace = schema.oid AND leaf.relname = 'leaf'
       JOIN pg_catalog.pg_proc AS append ON append.pronamespace = schema.oid AND append.proname = 'append'
     WHERE r.rolname = session_user AND schema.nspname = 'ledger'`,
  );
  const rights = rows[0];
  if (rights === undefined) {
    throw new Error(
      'The database has no ledger yet. Execute `npm run migrate` with DATABASE_ADMIN_URL first.',
    );
  }
  const problem = problemOf(rights);
  if (problem === undefined) return;
  throw new Error(
    `DATABASE_URL names the user "${rights.user}", who ${problem}. ` +
      'Put a user without special rights there (for example runbook_app) and execute `npm run migrate`, which sets it up.',
  );
}

interface Rights {
  user: string;
  superuser: boolean;
  bypass: boolean;
  createrole: boolean;
  owner: boolean;
  writes: boolean;
  appends: boolean;
}

function problemOf(rights: Rights): string | undefined {
  if (rights.superuser) return 'is a superuser and could change the record';
  if (rights.owner) return 'owns the ledger and could change the record';
  if (rights.bypass) return 'has BYPASSRLS and could read what belongs to other organisations';
  if (rights.createrole) return 'may create roles (CREATEROLE) and could give itself the ledger';
  if (rights.writes) return 'may write to the ledger table directly';
  if (!rights.appends) return 'may not append to the ledger';
  return undefined;
}
