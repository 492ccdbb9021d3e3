import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type NextFunction, type Request, type Response } from 'express';
import { openDatabase, type SampleDatabase } from './database.js';
import { openLog } from './log.js';
import { page } from './page.js';
import { PRODUCTION, type Sample } from './sample.js';
import { load } from './store.js';
import { userRoutes } from './users.js';
import { verbRoutes } from './verbs.js';

export interface SampleApplication {
  /** For APPLICATION_URL. */
  readonly url: URL;
  close(): Promise<void>;
}

export interface SampleApplicationOptions {
  /** Folder of its data; created when missing. */
  readonly folder: string;
  /** Default: any free one. */
  readonly port?: number;
  /** Of each environment. Production's gets its tables and rows when there are none; the others stay as they are. */
  readonly databaseUrls?: Readonly<Record<string, string>>;
}

/** Between two tries to make the tables of a database that does not answer yet. */
const PREPARE_AGAIN_MS = 2_000;

/** The application that the local stack takes care of: a small service with state of its own, on loopback only. */
export async function startSampleApplication(options: SampleApplicationOptions): Promise<SampleApplication> {
  const { folder, databaseUrls = {} } = options;
  const databases = new Map(Object.entries(databaseUrls).map(([name, url]) => [name, openDatabase(url)]));
  const sample: Sample = {
    folder,
    log: openLog(folder),
    databases,
    served: [],
    state: load(folder, 'state'),
    config: load(folder, 'config'),
  };
  const preparing = keepPreparing(databases.get(PRODUCTION));
  await preparing.firstTry;

  const app = express();
  app.disable('x-powered-by');
  app.use(express.text({ type: () => true, limit: '1mb' }));
  app.use((request, response, next) => {
    response.on('finish', () => {
      if (sample.state.monitoring === 'enhanced')
        sample.log.write({
          kind: 'logs',
          message: `${request.method} ${request.path} ${response.statusCode}`,
        });
    });
    next();
  });
  app.get('/', (_request, response) => {
    response
      .set('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .type('html')
      .send(page(sample));
  });
  userRoutes(app, sample);
  verbRoutes(app, sample);
  app.use((_error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    response.status(500).json({ error: 'The sample application failed.' });
  });

  const server = createServer(app);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    close: async () => {
      preparing.stop();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await Promise.all([...databases.values()].map((database) => database.close()));
    },
  };
}

/**
 * Makes the tables of production's database once, at the start: one that is emptied later is a failure to be found,
 * not to be covered up.
 */
function keepPreparing(database: SampleDatabase | undefined): { firstTry: Promise<void>; stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const attempt = async (): Promise<void> => {
    try {
      await database?.prepare();
    } catch {
      if (!stopped) timer = setTimeout(again, PREPARE_AGAIN_MS);
    }
  };
  const again = (): void => {
    attempt().catch(() => undefined);
  };
  return {
    firstTry: attempt(),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
