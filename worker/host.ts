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
/** How often open runs of older code are looked for. */
const LOOK_AGAIN_MS = 30_000;

export interface HostOptions extends Omit<WorkerOptions, 'bundle' | 'versioned'> {
  readonly client: Client;
  readonly bundle: WorkflowBundle;
  readonly store: BundleStore;
  readonly log: Logger;
}

export interface Host {
  /** Build ids that are worked on here, the current one first. */
  buildIds(): readonly string[];
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
  const hosted = new Map<string, { readonly worker: Worker; readonly running: Promise<void> }>();
  let stopping = false;
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  failed.catch(() => undefined);

  const add = async (added: WorkflowBundle): Promise<void> => {
    const worker = await createWorker({ ...options, bundle: added, versioned: true });
    const running = worker.run().then(
      () => {
        if (!stopping) fail(new Error('A worker stopped by itself. Its last log lines say why.'));
      },
      (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))),
    );
    hosted.set(added.buildId, { worker, running });
  };
  /** Temporal's list of open runs lags behind: a run that was started just before a restart shows up a little later. */
  const addPinned = async (): Promise<void> => {
    for (const buildId of await store.list()) {
      if (hosted.has(buildId) || stopping) continue;
      const open = await openRunsOn(client, deployment, buildId);
      const stored = open === 0 ? undefined : await store.get(buildId);
      if (stored === undefined) continue;
      log.info({ buildId, open }, 'open runs go on with the code they started on');
      await add(stored);
    }
  };

  let looking: Promise<void> = Promise.resolve();
  let timer = undefined as NodeJS.Timeout | undefined;
  const stop = async (): Promise<void> => {
    stopping = true;
    clearInterval(timer);
    await looking;
    for (const { worker } of hosted.values()) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.all([...hosted.values()].map(({ running }) => running));
  };
  try {
    await add(bundle);
    await addPinned();
    await Promise.race([makeCurrent(client, deployment, bundle.buildId), failed]);
  } catch (error) {
    await stop();
    throw error;
  }
  timer = setInterval(() => {
    looking = looking.then(addPinned).catch((error: unknown) => {
      log.warn(
        { error: error instanceof Error ? error.message : String(error) },
        'older code could not be looked up',
      );
    });
  }, LOOK_AGAIN_MS).unref();
  log.info({ buildIds: [...hosted.keys()] }, 'worker runs');
  return {
    buildIds: () => [...hosted.keys()],
    failed,
    stop,
    state: () => hosted.get(bundle.buildId)?.worker.getState() ?? 'FAILED',
  };
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
        throw new Error(
          `Temporal does not accept version ${buildId} of ${deploymentName} as the current one.`,
          { cause: error },
        );
      }
      await sleep(CURRENT_RETRY_MS);
    }
  }
}
