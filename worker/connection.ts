import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { NativeConnection } from '@temporalio/worker';
import type { Environment } from '../config/environment.js';
import type { Mode } from '../workflows/engine/mode.js';

/** How long a process waits for the Temporal server when it starts, in milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;

/** The task queue of both namespaces. */
export const TASK_QUEUE = 'runbooks';

/** Also part of every bundle. */
export const PAYLOAD_CONVERTER = fileURLToPath(
  new URL('../workflows/engine/payload-converter.cjs', import.meta.url),
);

/** The one data converter: client, worker, CLI and replay must agree on it, or histories can't be read. */
export function dataConverter(): DataConverter {
  return { payloadConverterPath: PAYLOAD_CONVERTER };
}

export function namespaceOf(environment: Pick<Environment, 'temporal'>, mode: Mode): string {
  return environment.temporal[mode].namespace;
}

/** A client of one mode. Close its connection. */
export interface ModeClient {
  readonly client: Client;
  readonly namespace: string;
  close(): Promise<void>;
}

/**
 * A client for one mode's namespace.
 * @throws Error naming the address when no server answers within 10 s
 */
export async function connectClient(
  environment: Pick<Environment, 'temporal'>,
  mode: Mode,
): Promise<ModeClient> {
  const { connectionOptions } = environment.temporal[mode];
  const connection = await reach(environment, mode, () =>
    Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_TIMEOUT_MS }),
  );
  return modeClient(connection, namespaceOf(environment, mode));
}

/**
 * The same without waiting for the server: it connects at the first call, and again whenever the connection was lost.
 * For processes that must start, and take clicks, while Temporal is down.
 */
export function lazyClient(environment: Pick<Environment, 'temporal'>, mode: Mode): ModeClient {
  return modeClient(
    Connection.lazy(environment.temporal[mode].connectionOptions),
    namespaceOf(environment, mode),
  );
}

/**
 * A worker's connection.
 * @throws Error naming the address when no server answers
 */
export async function connectNative(
  environment: Pick<Environment, 'temporal'>,
  mode: Mode,
): Promise<{ readonly connection: NativeConnection; readonly namespace: string }> {
  const { connectionOptions } = environment.temporal[mode];
  const connection = await reach(environment, mode, () => NativeConnection.connect(connectionOptions));
  return { connection, namespace: namespaceOf(environment, mode) };
}

function modeClient(connection: Connection, namespace: string): ModeClient {
  return {
    client: new Client({ connection, namespace, dataConverter: dataConverter() }),
    namespace,
    close: () => connection.close(),
  };
}

async function reach<T>(
  environment: Pick<Environment, 'temporal'>,
  mode: Mode,
  connect: () => Promise<T>,
): Promise<T> {
  try {
    return await connect();
  } catch (error) {
    const address = environment.temporal[mode].connectionOptions.address ?? 'localhost:7233';
    throw new Error(
      `Temporal (${mode}) does not answer at ${address}. Start it, or correct ${mode === 'live' ? 'TEMPORAL_ADDRESS' : 'REHEARSAL_TEMPORAL_ADDRESS or TEMPORAL_ADDRESS'}.`,
      { cause: error },
    );
  }
}
