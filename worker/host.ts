import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { WorkflowBundle } from './bundle.js';
import type { BundleStore } from './bundle-store.js';
import { createWorker, DEPLOYMENT, openRunsOn, type WorkerOptions } from './worker.js';

/** How long the new version may take until the server knows its pollers. */
const CURRENT_WITHIN_MS = 60_000;
const CURRENT_RETRY_MS = 200;

export interface HostOptions extends Omit<WorkerOptions, 'bundle' | 'versioned'> {
  readonly client: Client;
  readonly bundle: WorkflowBundle;
  readonly store: BundleStore;
  readonly log: Logger;
}

export interface Host {
  /** Build ids that are worked on here, the current one first. */
  readonly buildIds: readonly string[];
  /** Settles when a worker ended by itself: something is wrong. */
  readonly failed: Promise<never>;
  /** Lets steps end, then stops. */
  stop(): Promise<void>;
  state(): ReturnType<Worker['getState']>;
}

/**
 * Hosts the current workflow code and every older one that open runs are pinned to: after an edit and a restart,
 * yesterday's runs go on with yesterday's code.
 */
export async function host(options: HostOptions): Promise<Host> {
  const { client, bundle, store, log } = options;
  const deployment = options.deployment ?? DEPLOYMENT;
  await store.put(bundle);
  const bundles = [bundle, ...(await pinnedBundles(options, deployment))];
  const workers = await Promise.all(bundles.map((b) => createWorker({ ...options, bundle: b, versioned: true })));
  const running = workers.map((worker) => worker.run());
  let stopping = false;
  const failed = new Promise<never>((_resolve, reject) => {
    for (const run of running) {
      run.then(
        () => {
          if (!stopping) reject(new Error('A worker stopped by itself. Its last log lines say why.'));
        },
        (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
      );
    }
  });
  failed.catch(() => undefined);
  const stop = async () => {
    stopping = true;
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.allSettled(running);
  };
  try {
    await Promise.race([makeCurrent(client, deployment, bundle.buildId), failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  const buildIds = bundles.map(({ buildId }) => buildId);
  log.info({ buildIds }, 'worker runs');
  return { buildIds, failed, stop, state: () => workers[0]?.getState() ?? 'FAILED' };
}

async function pinnedBundles({ client, bundle, store, log }: HostOptions, deployment: string): Promise<WorkflowBundle[]> {
  const others = (await store.list()).filter((buildId) => buildId !== bundle.buildId);
  const pinned: WorkflowBundle[] = [];
  for (const buildId of others) {
    const open = await openRunsOn(client, deployment, buildId);
    const stored = open === 0 ? undefined : await store.get(buildId);
    if (stored === undefined) continue;
    log.info({ buildId, open }, 'open runs go on with the code they started on');
    pinned.push(stored);
  }
  return pinned;
}

/** Sends new runs to this version, once the server knows its pollers. */
async function makeCurrent(client: Client, deploymentName: string, buildId: string): Promise<void> {
  const { namespace } = client.options;
  const giveUpAt = Date.now() + CURRENT_WITHIN_MS;
  for (;;) {
    try {
      await client.workflowService.setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName,
        buildId,
        ignoreMissingTaskQueues: true,
        identity: client.options.identity,
      });
      return;
    } catch (error) {
      if (Date.now() > giveUpAt) {
        throw new Error(`Temporal does not accept version ${buildId} of ${deploymentName} as the current one.`, { cause: error });
      }
      await sleep(CURRENT_RETRY_MS);
    }
  }
}
