import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import type { Pool } from 'pg';
import { postgresLedger } from '../activities/ledger/postgres.js';
import type { Ledger } from '../activities/ledger/contract.js';
import { openConfiguration, type Configuration } from '../config/index.js';
import { fileURLToPath } from 'node:url';
import { migrate } from '../database/migrate.js';
import { createPool } from '../database/pool.js';
import { tryLock } from '../local/lock.js';
import { LIVE_NAMESPACE } from '../local/namespaces.js';
import { REHEARSAL_NAMESPACE } from '../workflows/engine/mode.js';
import { removeDataFolder, startPostgres } from '../local/postgres.js';
import { dataFolder } from '../local/stack.js';
import { startTemporal } from '../local/temporal.js';
import { simulators as allSimulators } from '../simulators/index.js';
import { startSimulators, type Simulators } from '../simulators/server.js';
import { dataConverter } from '../worker/connection.js';

export const CONFIG_DIRECTORY = fileURLToPath(new URL('../config', import.meta.url));

/** Where a stack of somebody's own would be found: a benchmark always measures on servers of its own. */
const FOREIGN = ['DATABASE_URL', 'DATABASE_ADMIN_URL', 'AUDIT_DATABASE_URL', 'TEMPORAL_ADDRESS'];

/** The servers that both sides of a benchmark share, and what our side works with. */
export interface BenchStack {
  /** Superuser's URL. */
  readonly adminUrl: string;
  readonly appUrl: string;
  readonly auditUrl: string;
  readonly temporalAddress: string;
  readonly connection: Connection;
  readonly native: NativeConnection;
  readonly live: Client;
  readonly rehearsal: Client;
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly configuration: Configuration;
  readonly simulators: Simulators;
  /** Stops everything and removes the data. */
  close(): Promise<void>;
}

/**
 * Starts Postgres with all its durability, a Temporal server that keeps its data in it, and the simulators.
 * @throws Error when another benchmark runs in this checkout, or a server can't be started
 */
export async function openStack(log: (line: string) => void): Promise<BenchStack> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const dataDir = dataFolder('bench');
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const lock = tryLock(join(dataDir, 'stack.lock'));
  if (!lock.held) {
    throw new Error(
      `Another benchmark runs in this checkout, in process ${lock.by.pid}. They would disturb each other: wait for it.`,
    );
  }
  const opened: (() => Promise<void> | void)[] = [
    () => {
      lock.release();
      removeDataFolder(dataDir);
    },
  ];
  const close = async (): Promise<void> => {
    for (let end = opened.pop(); end !== undefined; end = opened.pop()) await end();
  };
  const stop = (signal: NodeJS.Signals): void => {
    const end = (): never => process.exit(signal === 'SIGINT' ? 130 : 143);
    close().then(end, end);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  opened.push(() => void process.off('SIGINT', stop).off('SIGTERM', stop));
  try {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN.includes(name)));
    const postgres = await startPostgres({ dataDir, log, env });
    opened.push(() => postgres.stop());
    const { adminUrl } = postgres;
    const temporal = await startTemporal({ dataDir, log, env, rehearsal: true, persistence: { adminUrl } });
    opened.push(() => temporal.stop());
    const password = () => randomBytes(18).toString('base64url');
    const { appUrl, auditUrl } = await migrate(adminUrl, {
      appPassword: password(),
      auditPassword: password(),
    });
    const pool = createPool(appUrl, 'runbook-bench', { max: 20 });
    opened.push(() => pool.end());
    const connection = await Connection.connect({ address: temporal.address });
    opened.push(() => connection.close());
    const native = await NativeConnection.connect({ address: temporal.address });
    opened.push(() => native.close());
    const simulators = await startSimulators(allSimulators);
    opened.push(() => simulators.close());
    const client = (namespace: string) =>
      new Client({ connection, namespace, dataConverter: dataConverter() });
    return {
      ...{ adminUrl, appUrl, auditUrl, connection, native, pool, simulators, close },
      temporalAddress: temporal.address,
      live: client(LIVE_NAMESPACE),
      rehearsal: client(REHEARSAL_NAMESPACE),
      ledger: postgresLedger(pool),
      configuration: openConfiguration(CONFIG_DIRECTORY),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
