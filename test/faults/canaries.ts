import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Client } from '@temporalio/client';
import pg from 'pg';

/** How a value may be written down: as it is, in base64 at each of the three alignments, URL-encoded, in hex. */
export function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].map((lead) => {
    const encoded = Buffer.concat([Buffer.alloc(lead), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The first and last characters also hold bits of what stands beside the value.
    return encoded.slice(lead === 0 ? 0 : lead + 1, -1);
  });
  const base64url = base64.map((encoded) => encoded.replaceAll('+', '-').replaceAll('/', '_'));
  const hex = bytes.toString('hex');
  return [...new Set([value, ...base64, ...base64url, encodeURIComponent(value), hex, hex.toUpperCase()])];
}

/** The names of the places in which a value, in any form, was found. */
export function placesOf(value: string, stores: ReadonlyMap<string, string>): string[] {
  const forms = formsOf(value);
  return [...stores]
    .filter(([, content]) => forms.some((form) => content.includes(form)))
    .map(([name]) => name);
}

/** Every table of the database as text; `bytea` is hex there. */
export async function dumpDatabase(adminUrl: string): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ schema: string; name: string }>(
      `SELECT schemaname AS schema, tablename AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const dump = new Map<string, string>();
    for (const { schema, name } of tables) {
      const table = `${client.escapeIdentifier(schema)}.${client.escapeIdentifier(name)}`;
      const { rows } = await client.query<{ line: string }>(`SELECT t::text AS line FROM ${table} AS t`);
      dump.set(`table ${schema}.${name}`, rows.map(({ line }) => line).join('\n'));
    }
    return dump;
  } finally {
    await client.end();
  }
}

/** Every history of a namespace, with its payloads readable. */
export async function dumpHistories(client: Client): Promise<Map<string, string>> {
  const dump = new Map<string, string>();
  for await (const { workflowId } of client.workflow.list()) {
    const history = await client.workflow.getHandle(workflowId).fetchHistory();
    const readable = JSON.stringify(history, (_key, value: unknown) => asText(value));
    dump.set(`history of ${workflowId}`, readable);
  }
  return dump;
}

function asText(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  const isBuffer =
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value;
  return isBuffer && Array.isArray(value.data)
    ? Buffer.from(value.data as number[]).toString('latin1')
    : value;
}

/** Every file below a folder, byte by byte. */
export function dumpFiles(folder: string): Map<string, string> {
  const dump = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    dump.set(`file ${relative(folder, path)}`, readFileSync(path, 'latin1'));
  }
  return dump;
}

/** Headers that each half of the road has for itself. */
const OF_THE_CONNECTION = new Set([
  'host',
  'connection',
  'content-length',
  'content-encoding',
  'transfer-encoding',
]);

export interface EchoingRoad {
  readonly port: number;
  /** From now on requests to such a path are refused, and the answer quotes all that was sent. */
  echo(path: RegExp | undefined): void;
  /** How many requests were refused so. */
  echoed(): number;
  close(): Promise<void>;
}

/** A road to the simulators on which a vendor may quote, in its errors, the request with its credentials. */
export async function echoingRoad(to: number): Promise<EchoingRoad> {
  let echoing: RegExp | undefined;
  let count = 0;
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/', headers } = request;
    const body = await text(request);
    if (echoing?.test(url) === true && method !== 'GET') {
      count += 1;
      const quoted = `${body} ${headers.authorization ?? ''}`;
      response.writeHead(422, {
        'content-type': 'application/json',
        'x-request': encodeURIComponent(quoted),
      });
      response.end(JSON.stringify({ code: 422, message: quoted, error: { message: quoted } }));
      return;
    }
    const sent = Object.entries(headers).filter(([name]) => !OF_THE_CONNECTION.has(name));
    const answer = await fetch(`http://127.0.0.1:${to}${url}`, {
      method,
      headers: sent.map(([name, value]): [string, string] => [name, String(value)]),
      ...(method === 'GET' || method === 'HEAD' || body === '' ? {} : { body }),
    });
    const received = Object.fromEntries([...answer.headers].filter(([name]) => !OF_THE_CONNECTION.has(name)));
    response.writeHead(answer.status, received);
    response.end(Buffer.from(await answer.arrayBuffer()));
  };
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    echo: (path) => (echoing = path),
    echoed: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
