import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { simulatorRouter, type Simulator } from './simulator.js';
import { World } from './world.js';

export interface Simulators {
  /** Base URL of one system in one world: `http://127.0.0.1:40123/w/<world>/<system>`. */
  url(world: string, system: string): URL;
  /** The world of that name, made on first use. */
  world(name: string): World;
  /** Forgets a world. */
  drop(name: string): void;
  readonly port: number;
  close(): Promise<void>;
}

/** Serves every simulator on one loopback port. Each answer may be checked as a whole by `onAnswer`. */
export async function startSimulators(
  simulators: readonly Simulator<never>[],
  options: { port?: number; onAnswer?: (world: World) => void } = {},
): Promise<Simulators> {
  const worlds = new Map<string, World>();
  const worldOf = (name: string): World => {
    let world = worlds.get(name);
    if (world === undefined) worlds.set(name, (world = new World(name)));
    return world;
  };
  const app = express();
  app.disable('x-powered-by');
  for (const { system } of simulators.filter(({ binary }) => binary)) {
    app.use(`/w/:world/${system}`, express.raw({ type: () => true, limit: '64mb', inflate: false }));
  }
  app.use(express.text({ type: () => true, limit: '10mb' }));
  if (options.onAnswer !== undefined) {
    app.use('/w/:world', (request, response, next) => {
      response.on('close', () => options.onAnswer?.(worldOf(String(request.params['world']))));
      next();
    });
  }
  for (const simulator of simulators) {
    app.use(`/w/:world/${simulator.system}`, simulatorRouter(simulator as Simulator, worldOf));
  }
  app.use((request, response) => {
    response
      .status(404)
      .json({ error: { message: `no simulated operation ${request.method} ${request.path}` } });
  });
  const server = createServer(app);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: (world, system) => new URL(`http://127.0.0.1:${port}/w/${encodeURIComponent(world)}/${system}`),
    world: worldOf,
    drop: (name) => void worlds.delete(name),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
