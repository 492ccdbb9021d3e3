import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { APP_ROLE, AUDIT_ROLE, ensureRoles, OWNER_ROLE } from './roles.js';

const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url));
/** Two starters of one database take turns under this advisory lock. Any constant will do. */
const MIGRATION_LOCK = '5283014468190027';
const CONNECT_TIMEOUT_MS = 10_000;

export interface MigrateOptions {
  /** User of the processes. Default: runbook_app. */
  readonly appUser?: string;
  /** Without it the password that the role has stays. */
  readonly appPassword?: string | undefined;
  /** User of the auditors. Default: runbook_audit. */
  readonly auditUser?: string;
  readonly auditPassword?: string | undefined;
}

export interface MigratedDatabase {
  /** The admin's URL with the app's user: for DATABASE_URL. */
  readonly appUrl: string;
  /** The admin's URL with the auditor's user: for AUDIT_DATABASE_URL. */
  readonly auditUrl: string;
  /** Names of the migrations that were executed now. */
  readonly executed: readonly string[];
}

/**
 * Brings a database to the newest state: roles, schemas, tables, functions. May be executed at any time, also by
 * several processes at once; it needs a session connection, not a transaction pooler.
 * @param adminUrl a superuser, or a role with CREATEROLE that owns the database.
 * @throws Error with a sentence that says what to do; it never holds a password.
 */
export async function migrate(adminUrl: string, options: MigrateOptions = {}): Promise<MigratedDatabase> {
  const url = databaseUrl(adminUrl, 'DATABASE_ADMIN_URL');
  const app = { user: options.appUser ?? APP_ROLE, password: options.appPassword };
  const audit = { user: options.auditUser ?? AUDIT_ROLE, password: options.auditPassword };
  const admin = new pg.Client({
    connectionString: adminUrl,
    application_name: 'runbook-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  admin.on('error', () => undefined); // The statement that was running fails with the same error.
  try {
    await admin.connect();
  } catch (error) {
    throw new Error(
      `The database ${url.host}${url.pathname} cannot be reached as "${decodeURIComponent(url.username)}": ` +
        `${message(error)}. Check DATABASE_ADMIN_URL and that the database exists.`,
      { cause: error },
    );
  }
  try {
    await admin.query(`SELECT pg_advisory_lock(${MIGRATION_LOCK})`);
    await ensureRoles(admin, app, audit);
    await admin.query(`SET ROLE ${OWNER_ROLE}`);
    const executed = await runner({
      dbClient: admin,
      dir: MIGRATIONS,
      direction: 'up',
      migrationsSchema: 'migrations',
      createMigrationsSchema: true,
      migrationsTable: 'migration',
      noLock: true,
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    return {
      appUrl: withUser(url, app.user, app.password),
      auditUrl: withUser(url, audit.user, audit.password),
      executed: executed.map((migration) => migration.name),
    };
  } catch (error) {
    throw new Error(`The database ${url.host}${url.pathname} was not migrated: ${message(error)}`, {
      cause: error,
    });
  } finally {
    await admin.end();
  }
}

/** @throws Error that names the variable, never its value. */
export function databaseUrl(value: string, variable: string): URL {
  const example = 'postgres://USER:PASSWORD@HOST:5432/DATABASE';
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new Error(`${variable} is not a URL. It looks like ${example}.`);
  }
  if (
    !['postgres:', 'postgresql:'].includes(url.protocol) ||
    url.username === '' ||
    url.pathname.length < 2
  ) {
    throw new Error(`${variable} lacks the scheme, user or database name. It looks like ${example}.`);
  }
  return url;
}

function withUser(base: URL, user: string, password: string | undefined): string {
  const url = new URL(base);
  url.username = encodeURIComponent(user);
  url.password = password === undefined ? '' : encodeURIComponent(password);
  return url.href;
}

function message(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(message).join('; ');
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
