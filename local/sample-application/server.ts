import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Request, type Response } from 'express';
import { applicationSchemas } from '../../activities/application/contract.js';
import { load, save, type Content } from './store.js';

export interface SampleApplication {
  /** For APPLICATION_URL. */
  readonly url: URL;
  close(): Promise<void>;
}

/** What each health check looks at; a check that is not here fails. */
const CHECKS: Readonly<Record<string, (folder: string) => void>> = {
  'encrypted-fields': (folder) => void load(folder, 'fields'),
  'oauth-tokens': (folder) => void load(folder, 'fields'),
  'stripe-webhooks': (folder) => void load(folder, 'webhooks'),
  ...Object.fromEntries(
    [
      'ai-chat',
      'content-generation',
      'database',
      'email',
      'embeddings',
      'google-sign-in',
      'payments',
      'sign-in',
      'staging-payments',
    ].map((name) => [name, () => undefined]),
  ),
};

/** Requests that are remembered for the error rate. */
const REMEMBERED = 100_000;

/** The application that the local stack takes care of: a small service with state of its own, on loopback only. */
export async function startSampleApplication(options: {
  /** Folder of its data; created when missing. */
  readonly folder: string;
  /** Default: any free one. */
  readonly port?: number;
}): Promise<SampleApplication> {
  const { folder } = options;
  let config = load(folder, 'config');
  const served: { at: number; failed: boolean }[] = [];
  const app = express();
  app.disable('x-powered-by');
  app.use(express.text({ type: () => true, limit: '1mb' }));

  const passes = (check: string): boolean => {
    try {
      CHECKS[check]?.(folder);
      return check in CHECKS && !config.brokenChecks.includes(check);
    } catch {
      return false;
    }
  };
  const log = (message: string, fingerprint?: string): void => {
    const entry = {
      at: new Date().toISOString(),
      message,
      ...(fingerprint !== undefined && { fingerprint }),
    };
    save(folder, 'log', [...load(folder, 'log'), entry]);
  };

  app.get('/health/:check', (request, response) => {
    const passed = passes(request.params.check);
    response.status(passed ? 200 : 503).json({ check: request.params.check, passed });
  });

  // What users do: a request that uses a key, and fails when the feature behind it is broken.
  app.post('/use/:check', (request, response) => {
    const failed = !passes(request.params.check);
    served.push({ at: Date.now(), failed });
    if (served.length > REMEMBERED) served.shift();
    log(`${request.params.check} used`, request.get('x-key-fingerprint'));
    response.status(failed ? 500 : 200).json({ ok: !failed });
  });

  // https://docs.stripe.com/webhooks#verify-manually: v1 is the HMAC-SHA-256 of "timestamp.body".
  app.post('/webhooks/stripe', (request, response) => {
    const header = new Map(
      (request.get('stripe-signature') ?? '')
        .split(',')
        .map((part) => part.split('=', 2) as [string, string]),
    );
    const signed = `${header.get('t') ?? ''}.${typeof request.body === 'string' ? request.body : ''}`;
    const given = Buffer.from(header.get('v1') ?? '', 'hex');
    const accepted = load(folder, 'webhooks').some((secret) => {
      const expected = createHmac('sha256', secret).update(signed).digest();
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
    response.status(accepted ? 200 : 400).json({ accepted });
  });

  const answers = {
    health: ({ checks }: { checks: string[] }) => {
      const failed = checks.filter((check) => !passes(check));
      return { passed: failed.length === 0, failed };
    },
    errorRate: ({ minutes }: { minutes: number }) => {
      const since = Date.now() - minutes * 60_000;
      const requests = served.filter(({ at }) => at >= since);
      const failures = requests.filter(({ failed }) => failed).length;
      return { ratio: requests.length === 0 ? 0 : failures / requests.length, requests: requests.length };
    },
    redeploy: ({ component }: { component: string }, key: string) => {
      const deployments = load(folder, 'deployments');
      const earlier = deployments.find((deployment) => deployment.key === key);
      config = load(folder, 'config');
      if (earlier !== undefined) return { deployment: earlier.id };
      const id = `${component}-${deployments.length + 1}`;
      save(folder, 'deployments', [...deployments, { key, id, component }]);
      return { deployment: id };
    },
    searchLogs: ({ fingerprint, since, until }: { fingerprint: string; since: string; until: string }) => {
      const [from, to] = [Date.parse(since), Date.parse(until)];
      const found = load(folder, 'log').filter(
        (entry) =>
          entry.fingerprint === fingerprint && Date.parse(entry.at) >= from && Date.parse(entry.at) <= to,
      );
      return {
        matches: found.length,
        digest: createHash('sha256').update(JSON.stringify(found)).digest('hex'),
      };
    },
    fileIncidentReport: ({ title, summary }: { title: string; summary: string }, key: string) => {
      const reports: Content<'reports'> = load(folder, 'reports');
      const earlier = reports.find((report) => report.key === key);
      if (earlier !== undefined) return { id: earlier.id };
      const id = `INC-${reports.length + 1}`;
      save(folder, 'reports', [...reports, { key, id, title, summary }]);
      return { id };
    },
  };

  const verb = <V extends keyof typeof answers>(name: V): void => {
    app.post(`/verbs/${name}`, (request: Request, response: Response) => {
      const key = request.get('idempotency-key');
      const input = applicationSchemas[name].input.strict().safeParse(parse(request));
      if (!request.is('application/json')) response.status(415).json({ error: 'The body must be JSON.' });
      else if (key === undefined)
        response.status(400).json({ error: 'The header Idempotency-Key is missing.' });
      else if (!input.success) response.status(422).json({ error: `That is not the input of ${name}.` });
      else response.json((answers[name] as (data: unknown, key: string) => unknown)(input.data, key));
    });
  };
  (Object.keys(answers) as (keyof typeof answers)[]).forEach(verb);

  const server = createServer(app);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function parse(request: Request): unknown {
  try {
    return JSON.parse(String(request.body)) as unknown;
  } catch {
    return undefined;
  }
}
