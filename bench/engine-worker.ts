import { randomBytes } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import type { Pool } from 'pg';
import { createSteps, type Systems } from '../activities/index.js';
import type { Ledger } from '../activities/ledger/contract.js';
import { Redactor } from '../activities/redactor.js';
import type { Configuration } from '../config/index.js';
import { castDirectory } from '../simulators/cast.js';
import type { Catalogue } from '../triggers/catalogue.js';
import { start } from '../triggers/start.js';
import { DEFAULT_CHANNEL, slackAnnouncer } from '../worker/announcer.js';
import { postgresBundleStore } from '../worker/bundle-store.js';
import type { WorkflowBundle } from '../worker/bundle.js';
import { host } from '../worker/host.js';

/** The world that the live runs of a benchmark act on. */
export const WORLD = 'bench';

export interface EngineServices {
  readonly client: Client;
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly configuration: Configuration;
  readonly catalogue: Catalogue;
}

const directory = castDirectory();
const common = { org: 'default', directory, acceptedAssurances: ['claimed'] } as const;

/** The live worker with everything it has: versions, interceptor, ledger, announcements. */
export async function engineWorker(
  services: EngineServices & {
    readonly connection: NativeConnection;
    readonly systems: Systems;
    readonly bundle: WorkflowBundle;
    readonly maxCachedWorkflows?: number;
  },
): Promise<{ readonly taskQueue: string; stop(): Promise<void> }> {
  const { client, connection, pool, systems, bundle, maxCachedWorkflows = 500 } = services;
  const { ledger, configuration, catalogue } = services;
  const name = `bench-${randomBytes(4).toString('hex')}`;
  const verbs = createSteps(systems);
  const { stop } = await host({
    ...{ connection, client, bundle, maxCachedWorkflows },
    namespace: client.options.namespace,
    taskQueue: name,
    deployment: name,
    store: postgresBundleStore(pool, 'bench'),
    redactor: new Redactor(),
    log: pino({ level: 'silent' }),
    services: {
      ...common,
      ...{ pool, ledger, configuration, catalogue },
      stepsFor: () => verbs,
      temporal: client,
      lockScope: () => name,
      announce: slackAnnouncer({ slackFor: () => systems.slack, directory, channel: DEFAULT_CHANNEL }),
    },
  });
  return { taskQueue: name, stop };
}

/** Starts a run as a person does. @returns its id */
export async function startRun(
  services: EngineServices,
  request: { readonly taskQueue: string; readonly runbook: string; readonly input: unknown },
): Promise<string> {
  const { client, pool, ledger, configuration, catalogue } = services;
  const { taskQueue, runbook, input } = request;
  const person = (await directory.personByName('Ada')) ?? null;
  const result = await start(
    { ...common, ...{ client, pool, ledger, configuration, catalogue, taskQueue }, mode: 'live' },
    { runbook, input, person, assurance: 'claimed', channel: 'cli' },
  );
  if (!result.started) throw new Error(result.sentence);
  return result.run;
}
