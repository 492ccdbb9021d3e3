import { connect, createServer, type Server } from 'node:net';

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
 * Leaves the port in TIME_WAIT: Linux does not hand such a port out again for a minute, while a server that
 * asks for it by number gets it. The server's side of the connection has to close first.
 */
async function reserve(server: Server): Promise<void> {
  const accepted = new Promise<void>((resolve) => {
    server.once('connection', (socket) => {
      socket.end();
      socket.once('close', () => {
        resolve();
      });
      socket.resume();
    });
  });
  await new Promise<void>((resolve, reject) => {
    const client = connect(portOf(server), LOOPBACK);
    client.once('error', reject);
    client.once('close', () => {
      resolve();
    });
    client.resume();
  });
  await accepted;
}

/** Free ports on the loopback interface, all different. Somebody may still take one: callers retry. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
  try {
    await Promise.all(servers.map(reserve));
    return servers.map(portOf);
  } finally {
    await Promise.all(servers.map(close));
  }
}

/** Whether all of these ports can be listened on now. */
export async function areFree(ports: readonly number[]): Promise<boolean> {
  const results = await Promise.allSettled(ports.map(listen));
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  await Promise.all(servers.map(close));
  return servers.length === ports.length;
}
