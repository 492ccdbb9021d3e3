import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished } from 'vitest';
import type { z } from 'zod';
import {
  stepKey,
  type AnyVerb,
  type StepContext,
  type VerbInput,
  type VerbOutput,
} from '../../activities/step.js';
import { startSimulators, type Simulators } from '../../simulators/server.js';
import type { Simulator } from '../../simulators/simulator.js';
import type { World } from '../../simulators/world.js';

export interface SimulatedVendors {
  /** Base URL of a system in the current test's world. */
  url(system: string): URL;
  /** The current test's world: fresh for every test. */
  readonly world: World;
}

/** Serves simulators for the tests of a file (call it at the top level of the file or of a `describe`). */
export function useSimulators(...served: readonly Simulator[]): SimulatedVendors {
  let running: Simulators | undefined;
  let count = 0;
  const simulators = (): Simulators => {
    if (running === undefined)
      throw new Error('The simulators run only inside a test: use them in it or in beforeEach.');
    return running;
  };
  const name = (): string => `test-${count}`;
  beforeAll(async () => {
    running = await startSimulators(served as readonly Simulator<never>[]);
  });
  beforeEach(() => {
    simulators().drop(name());
    count += 1;
  });
  afterAll(async () => {
    await running?.close();
    running = undefined;
  });
  return {
    url: (system) => simulators().url(name(), system),
    get world() {
      return simulators().world(name());
    },
  };
}

export interface TestStep extends StepContext {
  /** What the verb reported, oldest first. */
  readonly heartbeats: readonly unknown[];
  /** Cancels the step. */
  abort(): void;
}

/** What a verb is told of its step. The key follows from run and step id, as in the engine, unless it is given. */
export function stepContext(given: Partial<StepContext> = {}): TestStep {
  const { run = 'default.test.20260101-abcdefgh', stepId = 'test.verb#1' } = given;
  const controller = new AbortController();
  const heartbeats: unknown[] = [];
  return {
    key: stepKey(run, stepId),
    org: 'default',
    mode: 'rehearsal',
    attempt: 1,
    signal: controller.signal,
    heartbeat: (detail) => void heartbeats.push(detail),
    ...given,
    run,
    stepId,
    heartbeats,
    abort: () => controller.abort(),
  };
}

/**
 * One attempt of a verb as the engine makes it: the input is parsed, a repeated attempt of a verb that is not
 * repeatable looks before it acts, and the output is cut down to what the verb declares.
 * @throws ApplicationFailure `InvalidInput` or `OutcomeUnknown` (not retryable), or what the verb throws.
 */
export async function runVerb<V extends AnyVerb>(
  verb: V,
  input: VerbInput<V>,
  step: StepContext = stepContext(),
): Promise<VerbOutput<V>> {
  // `AnyVerb` has lost the schemas' types; from here on they are schemas of something.
  const { input: inputSchema, output: outputSchema } = verb as { input: z.ZodType; output?: z.ZodType };
  const parsed = inputSchema.safeParse(input);
  if (!parsed.success) throw ApplicationFailure.nonRetryable(parsed.error.message, 'InvalidInput');
  const output = (result: unknown): VerbOutput<V> => outputSchema?.parse(result) as VerbOutput<V>;
  if (step.attempt > 1 && 'check' in verb) {
    const found = await verb.check(parsed.data, step);
    if (found === 'unknown') {
      throw ApplicationFailure.nonRetryable(
        `Nobody can tell whether ${step.stepId} took effect.`,
        'OutcomeUnknown',
      );
    }
    if (found !== 'not done') return output(found.done);
  }
  return output(await verb.run(parsed.data, step));
}

/** Attempts 1 to `attempts` of a verb, until one succeeds or fails for good: what Temporal does, without its pauses. */
export async function runWithRetries<V extends AnyVerb>(
  verb: V,
  input: VerbInput<V>,
  step: StepContext = stepContext(),
  attempts = 5,
): Promise<VerbOutput<V>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await runVerb(verb, input, { ...step, attempt });
    } catch (error) {
      const final = error instanceof ApplicationFailure && error.nonRetryable === true;
      if (final || attempt >= attempts) throw error;
    }
  }
}

/** Which answers of a vendor are worth another attempt, for every vendor. */
export const retryTable: readonly { readonly status: number; readonly retryable: boolean }[] = [
  { status: 301, retryable: false },
  { status: 400, retryable: false },
  { status: 401, retryable: false },
  { status: 403, retryable: false },
  { status: 404, retryable: false },
  { status: 409, retryable: false },
  { status: 422, retryable: false },
  { status: 408, retryable: true },
  { status: 425, retryable: true },
  { status: 429, retryable: true },
  { status: 500, retryable: true },
  { status: 502, retryable: true },
  { status: 503, retryable: true },
  { status: 504, retryable: true },
];

export interface RetryQuestion {
  readonly world: World;
  /** The simulator's operation that the call reaches first: `openai.createServiceAccount`. */
  readonly operation: string;
  /** One call of the client. */
  call(): Promise<unknown>;
  /** What may not appear in any of its errors. */
  readonly secrets: readonly string[];
  /** Statuses that this call handles itself (404 of a delete): not asked here. */
  readonly handles?: readonly number[];
  /** Statuses that this vendor's client retries in addition. */
  readonly alsoRetries?: readonly number[];
}

/** Lets the simulator answer the call with each status of `retryTable`, and cuts the connection once. */
export async function assertRetries(question: RetryQuestion): Promise<void> {
  const { world, operation, secrets, handles = [], alsoRetries = [] } = question;
  for (const { status, retryable } of retryTable) {
    if (handles.includes(status)) continue;
    const before = world.injected(operation);
    world.fail({ operation, point: 'before', status });
    const failure = await failureOf(question.call());
    const about = `${operation} answered ${status}`;
    expect(world.injected(operation) - before, `${about}: the fault was injected`).toBe(1);
    expect(failure.nonRetryable ?? false, `${about}: not retryable`).toBe(
      !(retryable || alsoRetries.includes(status)),
    );
    expect(failure.type, about).toBe(failure.nonRetryable === true ? 'VendorRefused' : 'VendorUnavailable');
    assertLeaksNothing(failure, secrets);
  }
  world.fail({ operation, point: 'before', status: 429, retryAfter: 7 });
  expect((await failureOf(question.call())).nextRetryDelay, `${operation}: Retry-After is obeyed`).toBe(7000);

  const before = world.injected(operation);
  world.fail({ operation, point: 'after' });
  const cut = await failureOf(question.call());
  expect(world.injected(operation) - before, `${operation}: the connection was cut`).toBe(1);
  expect(cut.nonRetryable ?? false, `${operation}: a cut connection is retried`).toBe(false);
  assertLeaksNothing(cut, secrets);
}

/** The ApplicationFailure that a promise rejects with; fails the test when it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<ApplicationFailure> {
  const error: unknown = await promise.then(
    (value) => expect.fail(`expected a failure, got the result ${inspect(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApplicationFailure))
    expect.fail(`expected an ApplicationFailure, got ${inspect(error)}`);
  return error;
}

/** Asserts that no secret is in an error: message, stack, details, causes, hidden properties, encoded forms. */
export function assertLeaksNothing(error: unknown, secrets: readonly string[]): void {
  const shown = inspect(error, {
    depth: Infinity,
    showHidden: true,
    maxArrayLength: null,
    maxStringLength: null,
  });
  const bytes = [...byteArrays(error)].map((array) => Buffer.from(array).toString('utf8')).join('\n');
  const text = `${shown}\n${String(error)}\n${bytes}`;
  for (const secret of secrets) {
    expect(secret.length, 'a secret to look for is long enough to be told apart').toBeGreaterThan(7);
    for (const form of [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
      Buffer.from(secret).toString('hex'),
    ]) {
      expect(text.includes(form), 'the error holds a secret').toBe(false);
    }
  }
}

function* byteArrays(value: unknown, seen = new Set<unknown>()): Generator<Uint8Array> {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Uint8Array) yield value;
  else
    for (const name of Object.getOwnPropertyNames(value)) yield* byteArrays(Reflect.get(value, name), seen);
}

export interface FakeAnswer {
  readonly status?: number;
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Pause before the answer, in milliseconds; `never`: headers are never sent. */
  readonly delay?: number | 'never';
  /** Sends only this many bytes of the body, then: `cut` ends the connection, `stall` goes silent. */
  readonly truncate?: { readonly bytes: number; readonly then: 'cut' | 'stall' };
}

export interface FakeVendor {
  readonly url: URL;
  /** What arrived, oldest first. */
  readonly requests: readonly { method: string; path: string; headers: IncomingHttpHeaders; body: string }[];
}

/**
 * A local server that gives the same answer to everything, for answers that a simulator never gives: malformed,
 * slow, cut off. It stops when the test ends.
 */
export async function fakeVendorAnswering(answer: FakeAnswer): Promise<FakeVendor> {
  const { status = 200, body = {}, headers = {}, delay = 0, truncate } = answer;
  const payload = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const requests: { method: string; path: string; headers: IncomingHttpHeaders; body: string }[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '' } = request;
      requests.push({ method, path: url, headers: request.headers, body: Buffer.concat(chunks).toString() });
      if (delay === 'never') return;
      const respond = (): void => {
        response.writeHead(status, {
          'content-type': 'application/json',
          'content-length': String(payload.length),
          ...headers,
        });
        if (truncate === undefined) response.end(payload);
        else {
          response.write(payload.subarray(0, truncate.bytes), () => {
            if (truncate.then === 'cut') request.socket.destroy();
          });
        }
      };
      timers.add(setTimeout(respond, delay));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const timer of timers) clearTimeout(timer);
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), requests };
}
