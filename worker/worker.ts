import type { Client } from '@temporalio/client';
import { Worker, type InjectedSinks, type NativeConnection } from '@temporalio/worker';
import type { EngineServices } from '../activities/engine/index.js';
import { engineActivities } from '../activities/engine/index.js';
import type { Redactor } from '../activities/redactor.js';
import { stepActivities } from '../activities/step-call.js';
import type { ReplayRecorderSinks } from '../workflows/engine/interceptors.js';
import type { WorkflowBundle } from './bundle.js';
import { dataConverter } from './connection.js';
import { ledgerInterceptor } from './ledger-interceptor.js';

/** Name under which all versions of the workers are one deployment. */
export const DEPLOYMENT = 'runbooks';

/** How long a stopping worker lets its steps go on, and when it gives up on them. */
const GRACE = '20 seconds';
const FORCE = '30 seconds';

export interface WorkerOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly bundle: WorkflowBundle;
  readonly services: Omit<EngineServices, 'buildId'>;
  readonly redactor: Redactor;
  /** Runs stay on the code they started on. False for rehearsals, which end before the code can change. */
  readonly versioned: boolean;
  readonly deployment?: string;
  readonly maxCachedWorkflows?: number;
  readonly maxConcurrentActivities?: number;
  /** How long steps may go on when the worker stops, in milliseconds. Default: 20 seconds. */
  readonly graceMs?: number;
}

/** Commands are only compared in a replay. */
const SINKS: InjectedSinks<ReplayRecorderSinks> = {
  replayRecorder: { commands: { fn: () => undefined, callDuringReplay: false } },
};

/** A worker for one workflow bundle. */
export async function createWorker(options: WorkerOptions): Promise<Worker> {
  const { connection, namespace, taskQueue, bundle, services, redactor, versioned } = options;
  return await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle: { code: bundle.code },
    activities: {
      ...stepActivities(services.stepsFor),
      ...engineActivities({ ...services, buildId: bundle.buildId }),
    },
    interceptors: { activity: [ledgerInterceptor(services.ledger, redactor)] },
    sinks: SINKS,
    dataConverter: dataConverter(),
    maxCachedWorkflows: options.maxCachedWorkflows ?? 500,
    maxConcurrentActivityTaskExecutions: options.maxConcurrentActivities ?? 100,
    shutdownGraceTime: options.graceMs ?? GRACE,
    shutdownForceTime: options.graceMs === undefined ? FORCE : options.graceMs * 2,
    ...(versioned
      ? {
          workerDeploymentOptions: {
            useWorkerVersioning: true,
            version: { deploymentName: options.deployment ?? DEPLOYMENT, buildId: bundle.buildId },
            defaultVersioningBehavior: 'PINNED',
          },
        }
      : {}),
  });
}

/** How many open runs are pinned to a version. */
export async function openRunsOn(client: Client, deployment: string, buildId: string): Promise<number> {
  const query = `TemporalWorkerDeploymentVersion = "${deployment}:${buildId}" AND ExecutionStatus = "Running"`;
  const { count } = await client.workflow.count(query);
  return count;
}
