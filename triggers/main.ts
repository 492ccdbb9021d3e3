import { pino } from 'pino';
import { readEnvironment } from '../config/environment.js';
import { sayAlive } from '../deploy/alive.js';
import { lazyClient } from '../worker/connection.js';
import { openInstallation } from '../worker/installation.js';
import { startRelay } from './relay.js';

/** `npm run triggers`: brings what people say to the runs, until SIGTERM. */
async function main(): Promise<void> {
  const log = pino({ name: 'triggers' });
  const environment = readEnvironment();
  const installation = await openInstallation(environment, 'triggers');
  const { client, close } = lazyClient(environment, 'live');
  const { pool, ledger } = installation;
  const relay = startRelay({
    pool,
    ledger,
    clients: { live: client },
    starts: { catalogue: installation.catalogue },
    databaseUrl: environment.databaseUrl,
    log,
  });
  const silent = sayAlive(environment.dataDirectory, 'triggers', () => true);
  log.info('the relay runs');
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  silent();
  await relay.stop();
  await close();
  await installation.close();
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
