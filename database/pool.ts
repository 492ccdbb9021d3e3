import pg from 'pg';

/** Statements of this product are short; one that takes longer is stuck. */
const STATEMENT_TIMEOUT_MS = 5_000;
/** The client's own limit, for a server that went away without closing the connection. */
const QUERY_TIMEOUT_MS = 7_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface PoolOptions {
  /** Connections at most. Default 10. */
  readonly max?: number;
  /** Hears of connections that broke while nobody used them. Default: a process warning. */
  readonly onIdleError?: (error: Error) => void;
}

/**
 * A pool of connections.
 * @param name application_name: shows in pg_stat_activity who holds a connection, for example `runbook-worker`.
 */
export function createPool(url: string, name: string, options: PoolOptions = {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max: options.max ?? 10,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
  });
  const report =
    options.onIdleError ??
    ((error: Error) =>
      process.emitWarning(`An idle database connection broke (${error.message}); a new one is made.`));
  // Without a listener an idle connection that breaks ends the process.
  pool.on('error', report);
  return pool;
}
