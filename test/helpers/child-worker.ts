import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { z } from 'zod';
import { readEnvironment } from '../../config/environment.js';
import { catalogueOf } from '../../triggers/catalogue.js';
import { identify } from '../../worker/bundle.js';
import { connectClient, connectNative } from '../../worker/connection.js';
import { openInstallation } from '../../worker/installation.js';
import { startLiveWorker } from '../../worker/live.js';

/** What the parent process hands in as the only argument, as JSON. */
export const ChildOptions = z.strictObject({
  taskQueue: z.string(),
  deployment: z.string(),
  /** File with the code of a workflow bundle: bundling again would take seconds. */
  bundleFile: z.string(),
  /** The module that the bundle was made of, for the catalogue. */
  workflows: z.string(),
});
export type ChildOptions = z.output<typeof ChildOptions>;

/** A live worker in a process of its own, so that a test can kill it. It says `worker runs` and then its build ids. */
async function main(): Promise<void> {
  const options = ChildOptions.parse(JSON.parse(process.argv[2] ?? ''));
  const log = pino({ name: 'child-worker' });
  const logger = new DefaultLogger('WARN', ({ message }) => log.warn(message));
  Runtime.install({ logger, shutdownSignals: [] });
  const environment = readEnvironment();
  const exports = (await import(pathToFileURL(options.workflows).href)) as Record<string, unknown>;
  const installation = { ...(await openInstallation(environment, 'child')), catalogue: catalogueOf(exports) };
  const { connection } = await connectNative(environment, 'live');
  const { client, close } = await connectClient(environment, 'live');
  const bundle = identify(readFileSync(options.bundleFile, 'utf8'));
  const { taskQueue, deployment } = options;
  const worker = await startLiveWorker({
    installation,
    connection,
    client,
    bundle,
    log,
    taskQueue,
    deployment,
  });
  const stopped = new Promise<void>((resolve) => process.once('SIGTERM', () => resolve()));
  await Promise.race([stopped, worker.failed]);
  await worker.stop();
  await close();
  await connection.close();
  await installation.close();
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
