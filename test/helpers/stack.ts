import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject, type ProvidedContext } from 'vitest';
import { migrate } from '../../database/migrate.js';

/** Advisory lock under which the template is made: test files run in several processes. */
const TEMPLATE_LOCK = 0x52_55_4e_42;

/** Addresses of the servers of this test run. */
export function stack(): ProvidedContext['stack'] {
  return inject('stack');
}

/** A migrated database of one test file, with the URL of each role. */
export interface TestDatabase {
  adminUrl: string;
  /** For DATABASE_URL: what workers and triggers use. */
  appUrl: string;
  /** For AUDIT_DATABASE_URL. */
  auditUrl: string;
}

function urlOf(database: string, user?: string): string {
  const url = new URL(stack().adminUrl);
  url.pathname = `/${database}`;
  if (user !== undefined) {
    url.username = user;
    url.password = stack().userPassword;
  }
  return url.href;
}

async function asAdmin<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: stack().adminUrl });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** A migrated database that every fresh one is copied from; made by the first test that asks. */
async function template(client: pg.Client): Promise<string> {
  const { databasePrefix, appUser, auditUser, userPassword } = stack();
  const name = `${databasePrefix}template`;
  await client.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    // Marked as a template when complete, so that a migration that failed is not taken for one.
    const { rows } = await client.query<{ datistemplate: boolean }>(
      'select datistemplate from pg_database where datname = $1',
      [name],
    );
    if (rows[0]?.datistemplate === true) return name;
    if (rows.length > 0) await client.query(`drop database ${client.escapeIdentifier(name)} with (force)`);
    await client.query(`create database ${client.escapeIdentifier(name)}`);
    await migrate(urlOf(name), {
      appUser,
      auditUser,
      appPassword: userPassword,
      auditPassword: userPassword,
    });
    await client.query(`alter database ${client.escapeIdentifier(name)} is_template true`);
    return name;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

const created: string[] = [];

/** A migrated, empty database; dropped at the end of the test file. */
export async function freshDatabase(): Promise<TestDatabase> {
  const { databasePrefix, appUser, auditUser } = stack();
  const name = `${databasePrefix}${randomBytes(5).toString('hex')}`;
  await asAdmin(async (client) => {
    const from = await template(client);
    await client.query(
      `create database ${client.escapeIdentifier(name)} template ${client.escapeIdentifier(from)}`,
    );
  });
  created.push(name);
  return { adminUrl: urlOf(name), appUrl: urlOf(name, appUser), auditUrl: urlOf(name, auditUser) };
}

afterAll(async () => {
  if (created.length === 0) return;
  await asAdmin(async (client) => {
    for (const name of created.splice(0)) {
      await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
    }
  });
});
