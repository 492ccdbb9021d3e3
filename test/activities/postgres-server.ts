import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll } from 'vitest';
import { postgres, type PostgresConfig } from '../../activities/postgres/postgres.js';
import { postgresSteps } from '../../activities/postgres/steps.js';
import { s3 } from '../../activities/s3/http.js';
import { memoryVault } from '../../activities/vault/memory.js';
import type { Database } from '../../config/databases.js';
import { S3_SIMULATED_KEY } from '../../simulators/s3.js';
import { stack } from '../helpers/stack.js';

export const BUCKET = 'example-backups';
const SECRET = 'postgres/app-url';
const OWNER_PASSWORD = 'owner-password-7Qx';

const created: string[] = [];

async function onServer<T>(use: (client: pg.Client) => Promise<T>, url = stack().adminUrl): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function urlOf(name: string, owner?: string): string {
  const url = new URL(stack().adminUrl);
  url.pathname = `/${name}`;
  if (owner !== undefined) Object.assign(url, { username: owner, password: OWNER_PASSWORD });
  return url.href;
}

afterAll(async () => {
  if (created.length === 0) return;
  await onServer(async (client) => {
    for (const name of created.splice(0)) {
      const { rows } = await client.query<{ datname: string }>(
        'select datname from pg_database where datname = $1 or starts_with(datname, $2)',
        [name, `${name}__`],
      );
      for (const { datname } of rows) {
        await client.query(`drop database if exists ${client.escapeIdentifier(datname)} with (force)`);
      }
      await client.query(`drop role if exists ${client.escapeIdentifier(name)}`);
    }
  });
});

export type DatabaseOptions = Pick<PostgresConfig, 'programs' | 'folder'> & {
  /** Instead of the right one. */
  readonly url?: string;
  /** The steps connect as a role that owns the database and may create others, and nothing more. */
  readonly asOwner?: boolean;
  /** A second database of the inventory on the same server, whose backups are kept elsewhere. */
  readonly recoverySite?: boolean;
};

/** An application's database on the test server, with the steps over real programs and a simulated object store. */
export async function applicationDatabase(endpoint: URL, options: DatabaseOptions = {}) {
  const name = `${stack().databasePrefix}${randomBytes(4).toString('hex')}`;
  created.push(name);
  const owner = options.asOwner === true ? name : undefined;
  await onServer(async (client) => {
    const quoted = client.escapeIdentifier(name);
    if (owner !== undefined)
      await client.query(`create role ${quoted} login createdb password '${OWNER_PASSWORD}'`);
    await client.query(`create database ${quoted}${owner === undefined ? '' : ` owner ${quoted}`}`);
  });
  const vault = memoryVault();
  const version = await vault.put(SECRET, options.url ?? urlOf(name, owner), { key: 'seed' });
  await vault.promote(version.ref);
  const app: Database = {
    id: 'app',
    title: 'Application',
    url: { secret: SECRET },
    backups: { bucket: BUCKET, prefix: 'database/' },
  };
  const store = s3({ endpoint, region: 'us-east-1', credentials: S3_SIMULATED_KEY });
  const site: Database = { ...app, id: 'app-dr', backups: { bucket: BUCKET, prefix: 'recovery/' } };
  const inventory = new Map(
    [app, ...(options.recoverySite === true ? [site] : [])].map((each) => [each.id, each]),
  );
  const client = postgres({ databases: () => inventory, vault, s3: store, ...options });
  return {
    name,
    url: urlOf(name, owner),
    client,
    steps: postgresSteps({ postgres: client }),
    /** Runs SQL in the database, or in one beside it. */
    sql: <R extends pg.QueryResultRow>(text: string, scratch?: string): Promise<R[]> =>
      onServer(
        async (connection) => (await connection.query<R>(text)).rows,
        urlOf(scratch === undefined ? name : `${name}__${scratch}`, owner),
      ),
    /** Scratch names of the databases beside it. */
    async beside(): Promise<string[]> {
      const { rows } = await onServer((connection) =>
        connection.query<{ datname: string }>(
          'select datname from pg_database where starts_with(datname, $1) order by 1',
          [`${name}__`],
        ),
      );
      return rows.map(({ datname }) => datname.slice(name.length + 2));
    },
  };
}

const SAMPLE = `
  create table accounts (id int primary key, email text unique, balance numeric check (balance >= 0));
  create table orders (id int primary key, account int references accounts, placed timestamptz, total float8);
  insert into accounts select i, 'person' || i || '@example.com', i from generate_series(1, 40) i;
  insert into orders select i, 1 + i % 40, '2026-01-01'::timestamptz + i * interval '1 hour', i / 7.0
    from generate_series(1, 200) i`;

/** An application's database with 40 accounts and 200 orders. */
export async function sampleDatabase(endpoint: URL, options: DatabaseOptions = {}) {
  const app = await applicationDatabase(endpoint, options);
  await app.sql(SAMPLE);
  return app;
}
