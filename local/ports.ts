import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

const LOOPBACK = '127.0.0.1';

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('A listening socket has no port.');
  return address.port;
}

/**
 * Below the ports that Linux gives to outgoing connections (32768 and up), and below 2^15: Temporal keeps its
 * members' ports in a `smallint` column on Postgres.
 */
const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 32_767;
const CANDIDATES = 200;

async function listenSomewhere(): Promise<Server> {
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    try {
      return await listen(randomInt(LOWEST_PORT, HIGHEST_PORT + 1));
    } catch (error) {
      if (!['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  throw new Error(`No free port on ${LOOPBACK} between ${LOWEST_PORT} and ${HIGHEST_PORT}.`);
}

/** Free ports on the loopback interface, all different. Somebody may still take one: callers retry. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenSomewhere));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(close));
  return ports;
}

/** Whether all of these ports can be listened on now. */
export async function areFree(ports: readonly number[]): Promise<boolean> {
  const results = await Promise.allSettled(ports.map(listen));
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  await Promise.all(servers.map(close));
  return servers.length === ports.length;
}
