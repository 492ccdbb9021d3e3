import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { stack } from '../helpers/stack.js';

export interface EmptyDatabase {
  readonly name: string;
  readonly adminUrl: string;
  drop(): Promise<void>;
}

/** A new, empty database without any migration. */
export async function emptyDatabase(owner?: string): Promise<EmptyDatabase> {
  const name = `${stack().databasePrefix}${randomBytes(6).toString('hex')}`;
  await asSuperuser(`CREATE DATABASE ${name}${owner === undefined ? '' : ` OWNER ${owner}`}`);
  const url = new URL(stack().adminUrl);
  url.pathname = `/${name}`;
  return {
    name,
    adminUrl: url.href,
    drop: async () => {
      await asSuperuser(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

type Row = Readonly<Record<string, unknown>>;

/** One result for each statement. */
export async function asSuperuser(sql: string, url = stack().adminUrl): Promise<pg.QueryResult<Row>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result: pg.QueryResult<Row> | pg.QueryResult<Row>[] = await client.query<Row>(sql);
    return Array.isArray(result) ? result : [result];
  } finally {
    await client.end();
  }
}

/** Of every role that a test makes: the server may ask for one. */
export const PASSWORD = 'canary-password';

/** The same database as another user. */
export function asUser(url: string, user: string, password = PASSWORD): string {
  const other = new URL(url);
  other.username = user;
  other.password = password;
  return other.href;
}
