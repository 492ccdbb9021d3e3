import { DefaultLogger, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { readEnvironment } from '../config/environment.js';
import { sayAlive } from '../deploy/alive.js';
import { bundleWorkflows } from './bundle.js';
import { connectClient, connectNative } from './connection.js';
import { openInstallation } from './installation.js';
import { startLiveWorker } from './live.js';

/** `npm run worker`: executes runs until SIGTERM. */
async function main(): Promise<void> {
  const log = pino({ name: 'worker' });
  Runtime.install({ logger: temporalLogger(log), shutdownSignals: [] });
  const closers: (() => Promise<unknown> | void)[] = [];
  try {
    const environment = readEnvironment();
    const installation = await openInstallation(environment, 'worker');
    closers.push(() => installation.close());
    const { connection } = await connectNative(environment, 'live');
    closers.push(() => connection.close());
    const { client, close } = await connectClient(environment, 'live');
    closers.push(close);
    const bundle = await bundleWorkflows();
    const worker = await startLiveWorker({ installation, connection, client, bundle, log });
    closers.push(() => worker.stop());
    closers.push(sayAlive(environment.dataDirectory, 'worker', () => worker.state() === 'RUNNING'));
    const stopped = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    await Promise.race([stopped, worker.failed]);
    log.info('stopping: steps under way may end');
  } finally {
    // Whatever was opened keeps the process alive until it is closed, also when the start failed halfway.
    for (const close of closers.reverse()) await close();
  }
}

function temporalLogger(log: pino.Logger): DefaultLogger {
  return new DefaultLogger('WARN', ({ level, message, meta }) => {
    const { workflowId, activityId, activityType, error } = (meta ?? {}) as Record<string, unknown>;
    const fields = {
      workflowId,
      activityId,
      activityType,
      error: error instanceof Error ? error.message : undefined,
    };
    if (level === 'ERROR') log.error(fields, message);
    else log.warn(fields, message);
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
