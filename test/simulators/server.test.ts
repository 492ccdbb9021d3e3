import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startSimulators, type Simulators } from '../../simulators/server.js';
import type { Simulator } from '../../simulators/simulator.js';
import { World } from '../../simulators/world.js';

interface Counter {
  count: number;
}

const counter: Simulator<Counter> = {
  system: 'counter',
  initialState: () => ({ count: 0 }),
  authenticate: ({ headers }) => (headers['authorization'] === 'Bearer ok' ? undefined : { status: 401 }),
  operations: {
    add: {
      method: 'post',
      path: '/counters/:name',
      source: 'this test',
      handle({ state, params, query, body, effect }) {
        state.count += 1;
        effect('added', params['name'] ?? '');
        return {
          status: 201,
          body: { count: state.count, step: query.get('step'), body },
          headers: { 'x-sim': '1' },
        };
      },
    },
    clear: {
      method: 'delete',
      path: '/counters/:name',
      source: 'this test',
      handle({ state }) {
        state.count = 0;
        return { status: 204 };
      },
    },
  },
};

let simulators: Simulators;
beforeEach(async () => {
  simulators = await startSimulators([counter as Simulator<unknown> as Simulator<never>]);
});
afterEach(() => simulators.close());

const send = (world = 'one', init: RequestInit & { path?: string } = {}) =>
  fetch(`${simulators.url(world, 'counter').href}${init.path ?? '/counters/a?step=2'}`, {
    method: 'POST',
    ...init,
    headers: { authorization: 'Bearer ok', ...init.headers },
  });
const count = (world = 'one') => simulators.world(world).state<Counter>('counter', counter.initialState);

describe('requests', () => {
  test('an operation gets its parameters, query and body, and answers as it says', async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'k1' };
    const response = await send('one', { headers, body: '{"x":[1]}' });
    expect(response.status).toBe(201);
    expect(response.headers.get('x-sim')).toBe('1');
    expect(await response.json()).toEqual({ count: 1, step: '2', body: { x: [1] } });
    expect(simulators.world('one').effects).toEqual([{ system: 'counter', what: 'added', subject: 'a' }]);
    expect(simulators.world('one').requests).toMatchObject([
      { operation: 'counter.add', method: 'POST', idempotencyKey: 'k1', body: '{"x":[1]}' },
    ]);
  });

  test('a form arrives as an object of strings', async () => {
    const response = await send('one', { body: new URLSearchParams({ a: '1', 'b[c]': 'd&e' }) });
    expect(await response.json()).toMatchObject({ body: { a: '1', 'b[c]': 'd&e' } });
  });

  test('an answer without a body has none', async () => {
    const response = await send('one', { method: 'DELETE' });
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  test('wrong credentials change nothing', async () => {
    const response = await send('one', { headers: { authorization: 'Bearer wrong' } });
    expect(response.status).toBe(401);
    expect(count()).toEqual({ count: 0 });
    expect(simulators.world('one').effects).toEqual([]);
  });

  test('what is not simulated is said to be so', async () => {
    const response = await send('one', { path: '/other' });
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('no simulated operation POST /w/one/counter/other');
  });
});

describe('worlds', () => {
  test('each has its own state, faults and traffic', async () => {
    simulators.world('one').fail({ operation: 'counter.add', point: 'before' });
    expect((await send('two')).status).toBe(201);
    expect(count('two')).toEqual({ count: 1 });
    expect(simulators.world('one').requests).toEqual([]);
    expect(simulators.world('one').injected()).toBe(0);
  });

  test('a name with any characters is one world', async () => {
    await send('a/b c?ü');
    expect(count('a/b c?ü')).toEqual({ count: 1 });
  });

  test('a dropped world starts again', async () => {
    await send();
    simulators.drop('one');
    expect(count()).toEqual({ count: 0 });
  });

  test('a dump restores what every simulator remembers, over a restart', async () => {
    await send();
    const dump = JSON.parse(JSON.stringify(simulators.world('one').dump())) as Record<string, unknown>;
    const other = new World('one');
    other.restore(dump);
    expect(other.state('counter', counter.initialState)).toEqual({ count: 1 });
  });
});

describe('faults', () => {
  test('"before": nothing happens, the caller is told, as often as ordered', async () => {
    const world = simulators.world('one');
    world.fail({ operation: 'counter.add', point: 'before', status: 429, retryAfter: 3, times: 2 });
    const response = await send();
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '3']);
    await send();
    expect(count()).toEqual({ count: 0 });
    expect((await send()).status).toBe(201);
    expect(world.injected('counter.add')).toBe(2);
    expect(world.injected('counter.clear')).toBe(0);
  });

  test('"after": it happens, and the answer is lost', async () => {
    const world = simulators.world('one');
    world.fail({ operation: 'counter.add', point: 'after' });
    await expect(send()).rejects.toThrow('fetch failed');
    expect(count()).toEqual({ count: 1 });
    expect(world.injected()).toBe(1);
    expect((await send()).status).toBe(201);
  });

  test('an operation that is not named is left alone, and cleared faults strike no more', async () => {
    const world = simulators.world('one');
    world.fail({ operation: 'counter.clear', point: 'before', times: Infinity });
    expect((await send()).status).toBe(201);
    expect((await send('one', { method: 'DELETE' })).status).toBe(503);
    world.clearFaults();
    expect((await send('one', { method: 'DELETE' })).status).toBe(204);
    expect(world.injected()).toBe(1);
  });

  test.each([
    ['before', 0],
    ['after', 1],
  ] as const)('a barrier holds one request %s its effect', async (point, effects) => {
    const world = simulators.world('one');
    const barrier = world.barrier('counter.add', point);
    const held = send();
    await barrier.reached;
    expect(world.effects).toHaveLength(effects);
    expect((await send()).status).toBe(201);
    barrier.release();
    expect((await held).status).toBe(201);
    expect(world.effects).toHaveLength(2);
  });

  test('latency is added to every answer', async () => {
    simulators.world('one').latencyMs = 60;
    const start = performance.now();
    await send();
    expect(performance.now() - start).toBeGreaterThanOrEqual(55);
  });
});

describe('the server', () => {
  test('each answer can be looked at as a whole, also one that was cut off', async () => {
    const seen: number[] = [];
    let arrived: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (arrived = resolve));
    const watched = await startSimulators([counter as Simulator<unknown> as Simulator<never>], {
      onAnswer: (world) => {
        if (seen.push(world.effects.length) === 2) arrived();
      },
    });
    watched.world('one').fail({ operation: 'counter.add', point: 'after' });
    const url = `${watched.url('one', 'counter').href}/counters/a`;
    const init = { method: 'POST', headers: { authorization: 'Bearer ok' } };
    await expect(fetch(url, init)).rejects.toThrow();
    await fetch(url, init);
    await both;
    expect(seen).toEqual([1, 2]);
    await watched.close();
  });

  test('closing it ends held requests, and closing it twice is fine', async () => {
    const barrier = simulators.world('one').barrier('counter.add', 'before');
    const held = expect(send()).rejects.toThrow('fetch failed');
    await barrier.reached;
    await simulators.close();
    await simulators.close();
    await held;
    barrier.release();
  });

  test('a port that is taken is an error, not a silent other port', async () => {
    await expect(startSimulators([], { port: simulators.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});
