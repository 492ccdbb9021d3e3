import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import pg from 'pg';
import { temporalSqlTool } from './temporal-binary.js';
import type { PostgresStore } from './temporal-config.js';

const run = promisify(execFile);

/**
 * Databases for a Temporal server on Postgres, created and brought to the server's schema when needed.
 * @param adminUrl who may create databases
 * @param name database name; visibility gets `<name>_visibility`
 */
export async function preparePostgresStore(
  adminUrl: string,
  name: string,
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
): Promise<PostgresStore> {
  if (!/^[a-z_][a-z0-9_]{0,40}$/.test(name))
    throw new Error(`${name} is no good name for Temporal's database: use a-z, 0-9 and _.`);
  const tool = await temporalSqlTool(env, log);
  const url = new URL(adminUrl);
  const store: PostgresStore = {
    host: url.hostname,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: name,
    visibilityDatabase: `${name}_visibility`,
  };
  const schemas = [
    [store.database, 'postgresql/v12/temporal'],
    [store.visibilityDatabase, 'postgresql/v12/visibility'],
  ] as const;
  for (const [database, schema] of schemas) {
    const fresh = await createDatabase(adminUrl, database);
    const sql = (...args: string[]): Promise<unknown> =>
      run(
        tool,
        [
          '--plugin',
          'postgres12',
          '--endpoint',
          store.host,
          '--port',
          String(store.port),
          '--user',
          store.user,
          '--db',
          database,
          ...args,
        ],
        {
          // Not an argument: those are visible to every user of the machine.
          env: { PATH: env['PATH'], SQL_PASSWORD: store.password },
        },
      ).catch((error: unknown) => {
        const output = error as { stderr?: string; stdout?: string };
        throw new Error(
          `Temporal's schema could not be put into database ${database} of ${url.host}: ` +
            `${`${output.stderr ?? ''}${output.stdout ?? ''}`.trim().split('\n').slice(-3).join(' | ')}`,
        );
      });
    if (fresh) await sql('setup-schema', '-v', '0.0');
    await sql('update-schema', '--schema-name', schema);
  }
  return store;
}

/** @returns whether Temporal's tables are still missing */
async function createDatabase(adminUrl: string, name: string): Promise<boolean> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    const found = await admin.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0) await admin.query(`create database ${admin.escapeIdentifier(name)}`);
  } finally {
    await admin.end();
  }
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    const { rows } = await client.query<{ versions: string | null }>(
      `select to_regclass('schema_version') as versions`,
    );
    return rows[0]?.versions === null;
  } finally {
    await client.end();
  }
}
