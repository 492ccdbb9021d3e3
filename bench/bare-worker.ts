import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, Worker, type NativeConnection } from '@temporalio/worker';
import { LIVE_NAMESPACE } from '../local/namespaces.js';

/** A plain Temporal worker: no interceptor, no versioning, no engine in its bundle. */
export async function bareWorker(
  connection: NativeConnection,
  activities: Record<string, (input: never) => Promise<unknown>>,
  maxCachedWorkflows: number,
): Promise<{ readonly taskQueue: string; cached(): number; stop(): Promise<void> }> {
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('fixtures/bare.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  const taskQueue = `bench-bare-${randomBytes(4).toString('hex')}`;
  const worker = await Worker.create({
    connection,
    namespace: LIVE_NAMESPACE,
    taskQueue,
    workflowBundle,
    activities,
    maxCachedWorkflows,
    maxConcurrentActivityTaskExecutions: 100,
  });
  const running = worker.run();
  running.catch(() => undefined);
  return {
    taskQueue,
    cached: () => worker.getStatus().numCachedWorkflows,
    stop: async () => {
      worker.shutdown();
      await running;
    },
  };
}
