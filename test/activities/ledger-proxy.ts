import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** `ReadyForQuery`, idle: the server sends it after the commit. PostgreSQL 15, 55.7 Message Formats. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

export interface Proxy {
  /** The database's URL, through this proxy. */
  readonly url: string;
  /**
   * Cuts the connection on which a request with this text comes, once. `request`: the server never gets it.
   * `answer`: the server executed and committed it, and the answer is lost.
   */
  cut(what: 'request' | 'answer', text: string): void;
  /** Refuses all connections, and breaks those that are there, until `up`. */
  down(): void;
  up(): void;
  /** How often a connection was cut as asked. */
  readonly injected: { request: number; answer: number };
  close(): Promise<void>;
}

/** A TCP proxy in front of Postgres that loses requests or answers. */
export async function postgresProxy(databaseUrl: string): Promise<Proxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const injected = { request: 0, answer: 0 };
  let armed: { what: 'request' | 'answer'; text: string } | undefined;
  let isDown = false;

  const server = createServer((client) => {
    if (isDown) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(target.port || 5432), target.hostname);
    let swallowing = false;
    const cut = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (chunk) => {
      if (armed !== undefined && chunk.includes(armed.text)) {
        const { what } = armed;
        armed = undefined;
        if (what === 'request') {
          injected.request += 1;
          cut();
          return;
        }
        swallowing = true;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!swallowing) {
        client.write(chunk);
      } else if (chunk.subarray(-READY.length).equals(READY)) {
        injected.answer += 1;
        cut();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);

  return {
    url: url.href,
    injected,
    cut: (what, text) => {
      armed = { what, text };
    },
    down: () => {
      isDown = true;
      for (const socket of sockets) socket.destroy();
    },
    up: () => {
      isDown = false;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
