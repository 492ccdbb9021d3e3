import pg from 'pg';
import type { DatabaseCall } from './contract.js';
import { databaseFailure, type Login } from './failures.js';

const CONNECT_MS = 15_000;
const HEARTBEAT_MS = 10_000;
/** Any server has it; databases are created, renamed and dropped from there. */
const MAINTENANCE = 'postgres';

/** A server and the name of one database on it. */
export interface Target extends Login {
  /** Id in config/databases.yaml. */
  readonly id: string;
  readonly url: URL;
  readonly name: string;
}

/** Another database of the same server. */
export function beside(target: Target, name: string): Target {
  const url = new URL(target.url);
  url.pathname = `/${encodeURIComponent(name)}`;
  return { ...target, url, name };
}

export const maintenance = (target: Target): Target => beside(target, MAINTENANCE);

/** Tells Temporal that the step is alive while something runs for long. */
export async function alive<T>(call: DatabaseCall, run: () => Promise<T>): Promise<T> {
  call.heartbeat();
  const timer = setInterval(() => call.heartbeat(), HEARTBEAT_MS);
  try {
    return await run();
  } finally {
    clearInterval(timer);
  }
}

/**
 * Runs something on one connection of its own. When the step is cancelled the connection is cut, and the server ends
 * what it is doing for us.
 * @param what the start of an error sentence
 * @throws as `databaseFailure`
 */
export async function connected<T>(
  target: Target,
  what: string,
  call: DatabaseCall,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  call.signal.throwIfAborted();
  const client = new pg.Client({
    connectionString: target.url.href,
    application_name: 'runbook',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
  });
  client.on('error', () => undefined);
  const cut = (): void => void client.end().catch(() => undefined);
  call.signal.addEventListener('abort', cut);
  try {
    await client.connect();
    // Servers before 14 do not know it, and notice a cut connection at their next answer only.
    await client.query("set client_connection_check_interval = '2s'").catch(() => undefined);
    await client.query('set statement_timeout = 0');
    return await alive(call, () => use(client));
  } catch (error) {
    throw databaseFailure(what, error, target, call.signal);
  } finally {
    call.signal.removeEventListener('abort', cut);
    await client.end().catch(() => undefined);
  }
}

/** Runs something in one transaction, which sees one moment and changes nothing. */
export async function reading<T>(client: pg.Client, use: () => Promise<T>): Promise<T> {
  await client.query('begin isolation level repeatable read read only');
  try {
    return await use();
  } finally {
    await client.query('rollback').catch(() => undefined);
  }
}
