import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { scramVerifier } from './scram.js';

/** Owns every table and function. Nobody can log in as it. */
export const OWNER_ROLE = 'runbook_owner';
/** What processes may do. Migrations grant to this role; the user of DATABASE_URL is it, or a member of it. */
export const APP_ROLE = 'runbook_app';
/** What auditors may do: read. The user of AUDIT_DATABASE_URL is it, or a member of it. */
export const AUDIT_ROLE = 'runbook_audit';

/** A user of the database: a role that logs in. Without a password the one it has stays. */
export interface Login {
  readonly user: string;
  readonly password?: string | undefined;
}

/** Roles belong to the whole server: migrations of two databases may touch the same one at the same moment. */
const ATTEMPTS = 20;
const INSUFFICIENT_PRIVILEGE = '42501';
const COLLISIONS: ReadonlySet<string | undefined> = new Set([
  '42710', // duplicate_object
  '23505', // unique_violation of pg_authid or pg_auth_members
  'XX000', // "tuple concurrently updated"
  '40001',
  '40P01',
]);

/**
 * Creates the roles that are missing and sets the passwords. Repeating it changes nothing else.
 * @throws Error with a sentence for the administrator when a login has more rights than its purpose allows.
 */
export async function ensureRoles(admin: pg.Client, app: Login, audit: Login): Promise<void> {
  if (app.user === audit.user) {
    throw new Error(
      `DATABASE_URL and AUDIT_DATABASE_URL name the same user "${app.user}". Give the auditor a user of its own.`,
    );
  }
  try {
    for (const role of [OWNER_ROLE, APP_ROLE, AUDIT_ROLE]) await ensureRole(admin, role);
    await ensureLogin(admin, app, APP_ROLE, 'DATABASE_URL');
    await ensureLogin(admin, audit, AUDIT_ROLE, 'AUDIT_DATABASE_URL');
    await becomeOwner(admin);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new Error(
      `the user of DATABASE_ADMIN_URL may not set up roles (${error.message}). It needs CREATEROLE and, when another ` +
        `administrator created ${OWNER_ROLE}, ${APP_ROLE} and ${AUDIT_ROLE}, the ADMIN option on them (GRANT ... WITH ADMIN OPTION).`,
      { cause: error },
    );
  }
}

async function ensureRole(admin: pg.Client, role: string): Promise<void> {
  await withoutCollision(async () => {
    const { rowCount } = await admin.query('SELECT FROM pg_catalog.pg_roles WHERE rolname = $1', [role]);
    if (rowCount === 0) await admin.query(`CREATE ROLE ${pg.escapeIdentifier(role)} NOLOGIN`);
  });
}

async function ensureLogin(admin: pg.Client, login: Login, role: string, variable: string): Promise<void> {
  const reserved = [OWNER_ROLE, APP_ROLE, AUDIT_ROLE].filter((name) => name !== role);
  if (reserved.includes(login.user)) {
    throw new Error(`${variable} names the user "${login.user}", which has another purpose. Use "${role}".`);
  }
  await ensureRole(admin, login.user);
  await refusePowerful(admin, login.user, variable);
  const user = pg.escapeIdentifier(login.user);
  const password =
    login.password === undefined ? '' : ` PASSWORD ${pg.escapeLiteral(scramVerifier(login.password))}`;
  await withoutCollision(async () => {
    const { rows } = await admin.query<{ rolcanlogin: boolean; member: boolean }>(
      `SELECT rolcanlogin, pg_catalog.pg_has_role(rolname, $2, 'USAGE') AS member
       FROM pg_catalog.pg_roles WHERE rolname = $1`,
      [login.user, role],
    );
    if (password !== '' || rows[0]?.rolcanlogin !== true)
      await admin.query(`ALTER ROLE ${user} LOGIN${password}`);
    if (rows[0]?.member !== true) await admin.query(`GRANT ${pg.escapeIdentifier(role)} TO ${user}`);
  });
}

/** Before its password is touched: somebody may have put the administrator into the wrong variable. */
async function refusePowerful(admin: pg.Client, user: string, variable: string): Promise<void> {
  const { rows } = await admin.query<{ powerful: boolean }>(
    `SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolname = session_user
       OR pg_catalog.pg_has_role(rolname, $2, 'MEMBER') AS powerful
     FROM pg_catalog.pg_roles WHERE rolname = $1`,
    [user, OWNER_ROLE],
  );
  if (rows[0]?.powerful !== false) {
    throw new Error(
      `${variable} names the user "${user}", who may administer the database and could change the record. ` +
        'Name another user there, for example ' +
        `"${variable === 'DATABASE_URL' ? APP_ROLE : AUDIT_ROLE}": it is created when it does not exist.`,
    );
  }
}

/** Lets the administrator act as the owner, and the owner create schemas in this database. */
async function becomeOwner(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{
    superuser: boolean;
    version: number;
    database: string;
    can_create: boolean;
  }>(
    `SELECT rolsuper AS superuser, current_setting('server_version_num')::int AS version,
       current_database() AS database, has_database_privilege($1, current_database(), 'CREATE') AS can_create
     FROM pg_catalog.pg_roles WHERE rolname = session_user`,
    [OWNER_ROLE],
  );
  const facts = rows[0];
  if (facts === undefined)
    throw new Error('The administrator role of DATABASE_ADMIN_URL does not exist any more.');
  if (!facts.superuser) {
    // From 16 on, who creates a role may administer it but not act as it until he grants himself that.
    const option = facts.version >= 160_000 ? ' WITH SET TRUE, INHERIT TRUE' : '';
    await withoutCollision(() => admin.query(`GRANT ${OWNER_ROLE} TO SESSION_USER${option}`));
  }
  if (!facts.can_create) {
    const grant = `GRANT CREATE ON DATABASE ${pg.escapeIdentifier(facts.database)} TO ${OWNER_ROLE}`;
    try {
      await admin.query(grant);
    } catch (error) {
      throw new Error(
        `The administrator may not pass on CREATE on the database. Have its owner execute: ${grant}`,
        {
          cause: error,
        },
      );
    }
    const check = await admin.query<{ ok: boolean }>(
      `SELECT has_database_privilege($1, current_database(), 'CREATE') AS ok`,
      [OWNER_ROLE],
    );
    // Without the grant option PostgreSQL only warns.
    if (check.rows[0]?.ok !== true) {
      throw new Error(
        `The administrator may not pass on CREATE on the database. Have its owner execute: ${grant}`,
      );
    }
  }
}

async function withoutCollision<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || !COLLISIONS.has(error.code) || attempt === ATTEMPTS)
        throw error;
      await sleep(10 + Math.random() * 40);
    }
  }
}
