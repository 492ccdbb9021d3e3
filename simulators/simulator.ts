import type { Request, Response, Router } from 'express';
import express from 'express';
import type { World } from './world.js';

/** What an operation's handler works with. */
export interface Call<S> {
  readonly world: World;
  readonly state: S;
  /** Path parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Path as it was sent, without the query. */
  readonly path: string;
  /** Parsed JSON, or an object of strings for a form; bytes for a simulator with `binary` bodies. */
  readonly body: unknown;
  /** Notes that something changed at the vendor. */
  effect(what: string, subject: string): void;
}

export interface Reply {
  readonly status?: number;
  /** Sent as JSON; bytes are sent as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Operation<S> {
  readonly method: 'head' | 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Express path, as in the vendor's published API. */
  readonly path: string;
  /** The vendor's page that describes it. */
  readonly source: string;
  /** Tells operations apart that share method and path; the first one that takes the request handles it. */
  takes?(request: Pick<Call<S>, 'query' | 'headers'>): boolean;
  handle(call: Call<S>): Reply | Promise<Reply>;
}

/** A local server that behaves like a vendor: state, authentication, idempotency memory, faults. */
export interface Simulator<S = unknown> {
  readonly system: string;
  /** Bodies of requests are bytes, and not text; faults look for `containing` in the path. */
  readonly binary?: true;
  initialState(): S;
  /** What an injected fault answers. Default: JSON. */
  fault?(status: number): Reply;
  /** Refuses a request with wrong credentials as the vendor does; undefined lets it through. */
  authenticate?(call: Call<S>): Reply | undefined;
  readonly operations: Readonly<Record<string, Operation<S>>>;
}

/** Mounts a simulator; `worldOf` finds or makes the world that a request names in its path. */
export function simulatorRouter<S>(simulator: Simulator<S>, worldOf: (name: string) => World): Router {
  const router = express.Router({ mergeParams: true });
  for (const [name, operation] of Object.entries(simulator.operations)) {
    router[operation.method](operation.path, async (request: Request, response: Response, next) => {
      if (operation.takes?.({ query: queryOf(request), headers: headersOf(request) }) === false)
        return next();
      const world = worldOf(String(request.params['world']));
      await serve(simulator, `${simulator.system}.${name}`, operation, world, request, response);
    });
  }
  return router;
}

async function serve<S>(
  simulator: Simulator<S>,
  name: string,
  operation: Operation<S>,
  world: World,
  request: Request,
  response: Response,
): Promise<void> {
  const rawBody = typeof request.body === 'string' ? request.body : '';
  const searched = simulator.binary === true ? request.path : rawBody;
  world.requests.push({
    operation: name,
    method: request.method,
    path: request.originalUrl,
    idempotencyKey: request.get('idempotency-key'),
    body: rawBody,
  });
  if (world.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, world.latencyMs));
  await world.passBarrier(name, 'before');
  const before = world.takeFault(name, 'before', searched);
  if (before !== undefined) {
    if (before.retryAfter !== undefined) response.set('retry-after', String(before.retryAfter));
    send(response, {
      body: { error: { message: 'injected fault' } },
      ...simulator.fault?.(before.status),
      status: before.status,
    });
    return;
  }
  const call: Call<S> = {
    world,
    state: world.state(simulator.system, () => simulator.initialState()),
    params: Object.fromEntries(Object.entries(request.params).map(([k, v]) => [k, String(v)])),
    query: queryOf(request),
    headers: headersOf(request),
    path: request.path,
    body: Buffer.isBuffer(request.body) ? request.body : parseBody(request.get('content-type'), rawBody),
    effect: (what, subject) => world.effects.push({ system: simulator.system, what, subject }),
  };
  const reply = simulator.authenticate?.(call) ?? (await operation.handle(call));
  await world.passBarrier(name, 'after');
  if (world.takeFault(name, 'after', searched) !== undefined) {
    request.socket.destroy();
    return;
  }
  send(response, reply);
}

function send(response: Response, { status = 200, headers = {}, body }: Reply): void {
  response.status(status).set(headers);
  if (body === undefined || Buffer.isBuffer(body)) response.end(body);
  else response.json(body);
}

const queryOf = (request: Request): URLSearchParams =>
  new URL(request.originalUrl, 'http://simulator').searchParams;

const headersOf = (request: Request): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, Array.isArray(v) ? v[0] : v]));

function parseBody(contentType: string | undefined, raw: string): unknown {
  if (raw === '') return undefined;
  if (contentType?.startsWith('application/x-www-form-urlencoded') === true) {
    return Object.fromEntries(new URLSearchParams(raw));
  }
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    return raw;
  }
}
