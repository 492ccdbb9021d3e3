import type { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createSteps } from '../activities/index.js';
import { Redactor } from '../activities/redactor.js';
import { databasesFile } from '../config/databases.js';
import { syncPeople } from '../triggers/people.js';
import { DEFAULT_CHANNEL, slackAnnouncer } from './announcer.js';
import { postgresBundleStore } from './bundle-store.js';
import type { WorkflowBundle } from './bundle.js';
import { TASK_QUEUE } from './connection.js';
import { host, type Host } from './host.js';
import type { Installation } from './installation.js';
import { liveSystems } from './systems.js';

const SDK_VERSION = (createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string })
  .version;

export interface LiveWorkerOptions {
  readonly installation: Installation;
  readonly connection: NativeConnection;
  readonly client: Client;
  readonly bundle: WorkflowBundle;
  readonly log: Logger;
  readonly taskQueue?: string;
  readonly deployment?: string;
}

/** Hosts the live workflow code of an installation, with its real systems. */
export async function startLiveWorker(options: LiveWorkerOptions): Promise<Host> {
  const { installation, connection, client, bundle, log } = options;
  const { environment, pool, ledger, configuration, application, directory, catalogue } = installation;
  const redactor = new Redactor();
  await syncPeople({ pool, access: configuration.access, org: environment.org });
  const databases = databasesFile(join(environment.configDirectory, 'databases.yaml'));
  const systems = await liveSystems({
    environment,
    pool,
    ledger,
    application: () => application.get(),
    databases: () => databases.get(),
    notifications: () => configuration.notifications.get(),
    redactor,
  });
  const steps = createSteps(systems);
  return await host({
    connection,
    client,
    namespace: client.options.namespace,
    taskQueue: options.taskQueue ?? TASK_QUEUE,
    ...(options.deployment === undefined ? {} : { deployment: options.deployment }),
    bundle,
    store: postgresBundleStore(pool, SDK_VERSION),
    redactor,
    log,
    services: {
      pool,
      ledger,
      org: environment.org,
      configuration,
      catalogue,
      directory,
      acceptedAssurances: environment.acceptedAssurances,
      stepsFor: () => steps,
      temporal: client,
      lockScope: () =>
        options.deployment === undefined ? environment.org : `${environment.org}.${options.deployment}`,
      announce: slackAnnouncer({
        slackFor: () => systems.slack,
        directory,
        channel: environment.slackChannel ?? DEFAULT_CHANNEL,
      }),
    },
  });
}
