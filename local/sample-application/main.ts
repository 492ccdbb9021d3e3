/**
 * Runs the sample application until it is told to stop: APPLICATION_DATA=folder APPLICATION_PORT=4600 main.ts
 * APPLICATION_DATABASE_URL: its database; without it there are no orders. APPLICATION_DR_DATABASE_URL: that of `dr`.
 */
import { databaseUrls } from './databases.js';
import { startSampleApplication } from './server.js';
import { dataFolder } from './store.js';

/** The port in the default APPLICATION_URL of config/application.yaml. */
const DEFAULT_PORT = 4600;

const application = await startSampleApplication({
  folder: dataFolder(),
  port: Number(process.env['APPLICATION_PORT'] ?? DEFAULT_PORT),
  databaseUrls: databaseUrls(process.env),
});
process.stdout.write(`The sample application is at ${application.url.href}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    application.close().catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
    });
  });
}
