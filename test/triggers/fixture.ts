import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { z } from 'zod';
import { postgresLedger } from '../../activities/ledger/postgres.js';
import type { Ledger } from '../../activities/ledger/contract.js';
import { openConfiguration, type Configuration } from '../../config/index.js';
import { createPool } from '../../database/pool.js';
import { catalogueOf, type Catalogue } from '../../triggers/catalogue.js';
import { personByEmail, type PeopleOptions } from '../../triggers/people.js';
import { lazyClient, type ModeClient } from '../../worker/connection.js';
import type { RunbookSpec } from '../../workflows/engine/types.js';
import { freshDatabase, stack } from '../helpers/stack.js';

export const ACCESS = `people:
  - { email: ada@example.com, name: Ada Lovelace, slack: [U0ADA0001] }
  - { email: grace@example.com, name: Grace Hopper }
  - { email: edsger@example.com, name: Edsger Dijkstra }
groups:
  operators: [ada@example.com]
  approvers: [grace@example.com]
  security: [grace@example.com]
  owners: [grace@example.com]
  on-call: [ada@example.com]
  legal: [grace@example.com]
  executives: [grace@example.com]
`;
const SECRETS = `secrets:
  openai/api-key:
    title: OpenAI API key
    variable: OPENAI_API_KEY
    provider: { kind: openai, project: proj_1 }
    deployedTo: []
    checks: [ai-chat]
    rotateEveryDays: 90
    owners: owners
`;

const spec: RunbookSpec = {
  name: 'changeKey',
  title: 'Change a key',
  summary: 'For the tests of the triggers.',
  covers: [],
  input: z.object({ secret: z.string().min(1), reason: z.string().max(10).default('routine') }),
  start: 'operators',
  config: (input) => ({ secret: `secrets/${String(input['secret'])}` }),
  plan: () => [],
  rehearsals: [],
};

/** A catalogue of one runbook, of which no worker knows anything: starting and signalling needs none. */
export const catalogue: Catalogue = catalogueOf({
  changeKey: Object.assign(async () => undefined, { spec }),
});

export interface Fixture {
  readonly databaseUrl: string;
  readonly adminUrl: string;
  readonly pool: pg.Pool;
  readonly ledger: Ledger;
  readonly configuration: Configuration;
  readonly people: PeopleOptions;
  readonly live: ModeClient;
  person(email: string): Promise<string>;
  writeAccess(text: string): void;
  close(): Promise<void>;
}

/** A database of its own as the application's role, a configuration folder, and a client of the live namespace. */
export async function fixture(): Promise<Fixture> {
  const { adminUrl, appUrl: databaseUrl } = await freshDatabase();
  const pool = createPool(databaseUrl, 'runbook-test');
  const folder = mkdtempSync(join(tmpdir(), 'runbook-triggers-'));
  writeFileSync(join(folder, 'access.yaml'), ACCESS);
  writeFileSync(join(folder, 'secrets.yaml'), SECRETS);
  const configuration = openConfiguration(folder, { log: { error: () => undefined } });
  const people = { pool, access: configuration.access, org: 'default' };
  const live = clientAt(stack().temporalAddress);
  return {
    databaseUrl,
    adminUrl,
    pool,
    ledger: postgresLedger(pool),
    configuration,
    people,
    live,
    person: async (email) => {
      const id = await personByEmail(people, email);
      if (id === undefined) throw new Error(`${email} is not listed`);
      return id;
    },
    writeAccess: (text) => writeFileSync(join(folder, 'access.yaml'), text),
    close: async () => {
      await live.close();
      await pool.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function clientAt(address: string): ModeClient {
  const { liveNamespace, rehearsalNamespace } = stack();
  const environment = {
    temporal: {
      live: { connectionOptions: { address }, namespace: liveNamespace },
      rehearsal: { connectionOptions: { address }, namespace: rehearsalNamespace },
    },
  };
  return lazyClient(environment, 'live');
}

/** A road to the Temporal server that can be closed and opened: the server is away, and comes back. */
export async function road(): Promise<{ address: string; open(): Promise<void>; close(): Promise<void> }> {
  const [host = '127.0.0.1', port = '7233'] = stack().temporalAddress.split(':');
  const sockets = new Set<Socket>();
  const make = (): Server =>
    createServer((socket) => {
      const upstream = connect(Number(port), host);
      for (const end of [socket, upstream]) {
        sockets.add(end);
        end.on('error', () => end.destroy());
        end.on('close', () => sockets.delete(end));
      }
      socket.pipe(upstream).pipe(socket);
    });
  let server = make();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  return {
    address: `127.0.0.1:${address.port}`,
    open: async () => {
      server = make();
      server.listen(address.port, '127.0.0.1');
      await once(server, 'listening');
    },
    close,
  };
}

/** Names and payload of the signals in a run's history, in order. */
export async function signalsOf(
  { client }: ModeClient,
  run: string,
): Promise<{ name: string; inboxId: string }[]> {
  const { events } = await client.workflow.getHandle(run).fetchHistory();
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => {
    if (signal === null || signal === undefined) return [];
    const [payload] = signal.input?.payloads ?? [];
    const data = JSON.parse(Buffer.from(payload?.data ?? []).toString('utf8')) as { inboxId: string };
    return [{ name: String(signal.signalName), inboxId: data.inboxId }];
  });
}
