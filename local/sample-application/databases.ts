import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** Variable of each environment's database. */
const VARIABLES = { production: 'APPLICATION_DATABASE_URL', dr: 'APPLICATION_DR_DATABASE_URL' } as const;

/** The databases that the environment names, by environment of the application. */
export function databaseUrls(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(VARIABLES).flatMap(([environment, variable]) => {
      const url = env[variable];
      return url === undefined || url === '' ? [] : [[environment, url]];
    }),
  );
}

export interface SampleDatabases {
  readonly APPLICATION_DATABASE_URL: string;
  /** Empty until somebody restores a backup into it. */
  readonly APPLICATION_DR_DATABASE_URL: string;
}

/**
 * The databases `<name>` and `<name>_dr` on a server, made when missing, and the role `<name>` that owns them. It gets
 * a new password each time; it may create databases, because a backup is restored into a new one.
 * @param adminUrl a superuser's URL
 */
export async function createSampleDatabases(
  adminUrl: string,
  name = 'sample_application',
): Promise<SampleDatabases> {
  const password = randomBytes(24).toString('base64url');
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const role = client.escapeIdentifier(name);
    const found = await client.query('select 1 from pg_roles where rolname = $1', [name]);
    if (found.rowCount === 0) await client.query(`create role ${role}`);
    await client.query(`alter role ${role} with login createdb password ${client.escapeLiteral(password)}`);
    for (const database of [name, `${name}_dr`]) {
      const there = await client.query('select 1 from pg_database where datname = $1', [database]);
      if (there.rowCount === 0)
        await client.query(`create database ${client.escapeIdentifier(database)} owner ${role}`);
    }
  } finally {
    await client.end();
  }
  const urlOf = (database: string): string => {
    const url = new URL(adminUrl);
    url.username = name;
    url.password = password;
    url.pathname = `/${database}`;
    return url.href;
  };
  return { APPLICATION_DATABASE_URL: urlOf(name), APPLICATION_DR_DATABASE_URL: urlOf(`${name}_dr`) };
}
