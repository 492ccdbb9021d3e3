import pg from 'pg';

/** Rows of the tables that the sample starts with. */
export const CUSTOMERS = 2_000;
export const ORDERS = 6_000;

const CONNECT_TIMEOUT_MS = 2_000;
const STATEMENT_TIMEOUT_MS = 5_000;
/** Two samples that start on one database at once make its tables one after the other. */
const LOCK = 0x53_41_4d_50;

export interface Order {
  readonly id: number;
  readonly customerId: number;
  readonly amountCents: number;
  readonly status: string;
  readonly createdAt: string;
}

/** The database of one environment of the sample application. */
export interface SampleDatabase {
  /** Makes the tables and their rows when there are none. */
  prepare(): Promise<void>;
  /** Reads from both tables. @throws Error when that does not work */
  check(): Promise<void>;
  order(id: number): Promise<Order | undefined>;
  /** undefined: there is no such customer. */
  addOrder(order: { customerId: number; amountCents: number }): Promise<number | undefined>;
  /** Customers, or those with an open order. */
  customers(audience: 'all' | 'affected'): Promise<number>;
  transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Always the same rows: made from their number alone. Addresses of example.com belong to nobody (RFC 2606). */
const TABLES = `
  create table if not exists customers (
    id integer primary key,
    name text not null,
    email text not null unique,
    country char(2) not null
  );
  create table if not exists orders (
    id bigserial primary key,
    customer_id integer not null references customers (id),
    amount_cents integer not null check (amount_cents > 0),
    status text not null check (status in ('open', 'paid', 'shipped', 'returned')),
    created_at timestamptz not null default now()
  );
  insert into customers (id, name, email, country)
    select n, 'Customer ' || n, 'customer-' || n || '@example.com', (array['DE', 'FR', 'PL', 'SE'])[1 + n % 4]
    from generate_series(1, ${CUSTOMERS}) n;
  insert into orders (customer_id, amount_cents, status, created_at)
    select 1 + (n * 7919) % ${CUSTOMERS}, 500 + (n * 104729) % 25000,
      (array['paid', 'shipped', 'paid', 'open', 'shipped', 'paid', 'returned'])[1 + n % 7],
      timestamptz '2026-01-01 00:00:00Z' + n * interval '37 minutes'
    from generate_series(1, ${ORDERS}) n;
`;

/** Opens a database without connecting yet. */
export function openDatabase(url: string): SampleDatabase {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'sample-application',
    max: 5,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
  });
  // A database that is restored ends the connections to it: the next request makes a new one.
  pool.on('error', () => undefined);

  const transaction = async <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    const client = await pool.connect();
    client.on('error', () => undefined);
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch((reason: unknown) => (broken = reason as Error));
      throw error;
    } finally {
      client.removeAllListeners('error');
      client.release(broken);
    }
  };

  return {
    transaction,
    prepare: () =>
      transaction(async (client) => {
        await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
        const { rows } = await client.query<{ there: boolean }>(
          "select to_regclass('customers') is not null as there",
        );
        if (rows[0]?.there !== true) await client.query(TABLES);
      }),
    check: async () => {
      const { rowCount } = await pool.query(
        'select orders.id from orders join customers on customers.id = orders.customer_id limit 1',
      );
      if (rowCount === 0) throw new Error('There are no orders.');
    },
    order: async (id) => {
      const { rows } = await pool.query<Order>(
        `select id::int, customer_id as "customerId", amount_cents as "amountCents", status,
           to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "createdAt"
         from orders where id = $1`,
        [id],
      );
      return rows[0];
    },
    addOrder: async ({ customerId, amountCents }) => {
      const { rows } = await pool.query<{ id: number }>(
        `insert into orders (customer_id, amount_cents, status)
         select id, $2, 'open' from customers where id = $1 returning id::int`,
        [customerId, amountCents],
      );
      return rows[0]?.id;
    },
    customers: async (audience) => {
      const { rows } = await pool.query<{ count: number }>(
        audience === 'all'
          ? 'select count(*)::int as count from customers'
          : "select count(distinct customer_id)::int as count from orders where status = 'open'",
      );
      return rows[0]?.count ?? 0;
    },
    close: () => pool.end(),
  };
}

/** Class 08 and a few of 57: the server is away, and may be back at the next try. Node's own codes start with E. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return /^(E[A-Z]+|08|57P0|3D000)/.test(code) || /timeout|terminated/i.test(error.message);
}
