import { isAway, type SampleDatabase } from './database.js';
import { Refused } from './refused.js';
import type { State } from './state.js';

interface Migration {
  readonly id: string;
  readonly up: string;
  readonly down: string;
}

/** In the order in which they are applied. */
export const MIGRATIONS: readonly Migration[] = [
  {
    id: '0001-order-notes',
    up: 'alter table orders add column note text',
    down: 'alter table orders drop column note',
  },
  {
    id: '0002-orders-by-customer',
    up: 'create index orders_by_customer on orders (customer_id)',
    down: 'drop index orders_by_customer',
  },
  {
    id: '0003-order-priority',
    up: 'alter table orders add column priority smallint not null default 0',
    down: 'alter table orders drop column priority',
  },
];

/** Any number that no other lock of this database has. */
const LOCK = 0x4d_49_47_52;

/** Applies or takes back: without a database only what is noted changes. `plan` gets the ids that are applied. */
async function change(
  database: SampleDatabase | undefined,
  state: State,
  key: string,
  plan: (applied: readonly string[]) => { migrations: readonly Migration[]; direction: 'up' | 'down' },
): Promise<number> {
  if (database === undefined) {
    const { migrations, direction } = plan(state.migrations);
    const ids = migrations.map(({ id }) => id);
    state.migrations =
      direction === 'up' ? [...state.migrations, ...ids] : state.migrations.filter((id) => !ids.includes(id));
    return ids.length;
  }
  let at = '';
  try {
    return await database.transaction(async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
      await client.query('create table if not exists application_migrations (id text primary key)');
      // In the same transaction as the change, so that a request whose answer was lost changes nothing twice.
      await client.query(
        'create table if not exists application_migration_requests (key text primary key, count integer not null)',
      );
      const earlier = await client.query<{ count: number }>(
        'select count from application_migration_requests where key = $1',
        [key],
      );
      if (earlier.rows[0] !== undefined) return earlier.rows[0].count;
      const applied = await client.query<{ id: string }>('select id from application_migrations order by id');
      const { migrations, direction } = plan(applied.rows.map(({ id }) => id));
      for (const migration of migrations) {
        at = migration.id;
        await client.query(migration[direction]);
        await client.query(
          direction === 'up'
            ? 'insert into application_migrations (id) values ($1)'
            : 'delete from application_migrations where id = $1',
          [migration.id],
        );
      }
      await client.query('insert into application_migration_requests (key, count) values ($1, $2)', [
        key,
        migrations.length,
      ]);
      return migrations.length;
    });
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (isAway(error)) throw new Refused(503, 'The database does not answer.');
    throw new Refused(409, `The migration ${at} failed. Everything was taken back.`);
  }
}

/** Ids of the migrations that are applied, oldest first. @throws Refused when the database does not answer */
export async function appliedMigrations(
  database: SampleDatabase | undefined,
  state: State,
): Promise<readonly string[]> {
  if (database === undefined) return state.migrations;
  try {
    return await database.transaction(async (client) => {
      await client.query('create table if not exists application_migrations (id text primary key)');
      const applied = await client.query<{ id: string }>('select id from application_migrations order by id');
      return applied.rows.map(({ id }) => id);
    });
  } catch {
    throw new Refused(503, 'The database does not answer.');
  }
}

/** Applies what is not applied yet, all or nothing. @throws Refused */
export function runMigrations(
  database: SampleDatabase | undefined,
  state: State,
  key: string,
): Promise<number> {
  return change(database, state, key, (applied) => ({
    migrations: MIGRATIONS.filter(({ id }) => !applied.includes(id)),
    direction: 'up',
  }));
}

/** Takes the last ones back, newest first, all or nothing. @throws Refused */
export function rollBackMigrations(
  database: SampleDatabase | undefined,
  state: State,
  key: string,
  count: number,
): Promise<number> {
  return change(database, state, key, (applied) => {
    if (count > applied.length)
      throw new Refused(409, `Only ${applied.length} migrations are applied: ${count} can't be taken back.`);
    const newest = MIGRATIONS.filter(({ id }) => applied.includes(id)).toReversed();
    return { migrations: newest.slice(0, count), direction: 'down' };
  });
}
