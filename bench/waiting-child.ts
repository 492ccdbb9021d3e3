import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { z } from 'zod';
import { postgresLedger } from '../activities/ledger/postgres.js';
import { loadVaultKeys } from '../activities/vault/keys.js';
import { postgresVault } from '../activities/vault/postgres.js';
import { openConfiguration } from '../config/index.js';
import { createPool } from '../database/pool.js';
import { LIVE_NAMESPACE } from '../local/namespaces.js';
import { catalogueOf } from '../triggers/catalogue.js';
import { bundleWorkflows } from '../worker/bundle.js';
import { dataConverter } from '../worker/connection.js';
import { worldSystems } from '../worker/systems.js';
import * as workflows from '../workflows/index.js';
import { bareWorker } from './bare-worker.js';
import { engineWorker, WORLD } from './engine-worker.js';

/** Rounds of garbage collection, and the time between them in which the workflow thread collects its own. */
const ROUNDS = 8;
const ROUND_MS = 1_000;

/** By message and not by argument: arguments are visible to every user of the machine. */
const Settings = z.object({
  side: z.enum(['ours', 'bare']),
  temporalAddress: z.string(),
  appUrl: z.string(),
  simulatorsUrl: z.string(),
  configDirectory: z.string(),
  vaultKeyFile: z.string(),
  maxCachedWorkflows: z.int(),
});
export type ChildSettings = z.infer<typeof Settings>;
export type ChildQuestion = 'cached' | 'rss';
export type ChildMessage =
  | { readonly taskQueue: string }
  | { readonly cached: number }
  | { readonly rss: number }
  | { readonly failed: string };

interface ChildWorker {
  readonly taskQueue: string;
  cached?(): number;
}

/** One worker in a process of its own, that says how much memory it has. Ends with its parent. */
async function main(message: unknown): Promise<void> {
  const settings = Settings.parse(message);
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address: settings.temporalAddress });
  const worker: ChildWorker =
    settings.side === 'bare'
      ? await bareWorker(connection, {}, settings.maxCachedWorkflows)
      : await ourWorker(connection, settings);
  process.on('message', (question: ChildQuestion) => {
    answer(question, worker).then(send, fail);
  });
  send({ taskQueue: worker.taskQueue });
}

async function ourWorker(connection: NativeConnection, settings: ChildSettings): Promise<ChildWorker> {
  const pool = createPool(settings.appUrl, 'runbook-bench-worker', { max: 20 });
  const keys = await loadVaultKeys({ keyFile: settings.vaultKeyFile });
  const vault = postgresVault({ pool, org: 'default', keys });
  return await engineWorker({
    client: new Client({
      connection: await Connection.connect({ address: settings.temporalAddress }),
      namespace: LIVE_NAMESPACE,
      dataConverter: dataConverter(),
    }),
    connection,
    pool,
    ledger: postgresLedger(pool),
    configuration: openConfiguration(settings.configDirectory),
    catalogue: catalogueOf(workflows),
    systems: worldSystems((system) => new URL(`${settings.simulatorsUrl}/w/${WORLD}/${system}`), vault),
    bundle: await bundleWorkflows(),
    maxCachedWorkflows: settings.maxCachedWorkflows,
  });
}

async function answer(question: ChildQuestion, worker: ChildWorker): Promise<ChildMessage> {
  switch (question) {
    case 'cached':
      return { cached: worker.cached?.() ?? 0 };
    case 'rss':
      for (let round = 0; round < ROUNDS; round += 1) {
        globalThis.gc?.();
        await sleep(ROUND_MS);
      }
      return { rss: process.memoryUsage().rss };
    default:
      return question satisfies never;
  }
}

function send(message: ChildMessage): void {
  process.send?.(message);
}

function fail(error: unknown): void {
  send({ failed: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  process.disconnect();
}

process.once('message', (message) => {
  main(message).catch(fail);
});
process.once('disconnect', () => process.exit());
