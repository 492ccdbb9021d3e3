import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { keyName } from '../../activities/new-key.js';
import { stepKey } from '../../activities/step.js';
import { slackMessages } from '../../simulators/slack.js';
import type { World } from '../../simulators/world.js';
import { road } from '../triggers/fixture.js';
import { entriesOf, openBench, type Bench, type ChildWorker, type Code } from './bench.js';
import { fillSlackChannel, openaiKeys, stripeEndpoints } from './vendor-state.js';

const ASKED_WITHIN = { timeout: 60_000, interval: 50 };

let bench: Bench;
let world: World;
let steps: Code;

/** Notes that it ran, and never ends. */
const NEVER_ENDS = 'require("node:fs").appendFileSync(process.env.RAN, "x"); setInterval(() => {}, 1000)';
const ran = (): string => {
  const file = join(bench.folder, 'ran');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
};

beforeAll(async () => {
  bench = await openBench((folder) => ({
    redeploy: {
      command: {
        argv: ['node', '-e', NEVER_ENDS],
        env: { RAN: join(folder, 'ran') },
        graceSeconds: 0,
        repeatable: false,
      },
    },
  }));
  world = bench.test.world;
  steps = await bench.code('steps');
});
afterAll(() => bench.close());

const resultOf = async (run: string) => (await bench.test.live.workflow.getHandle(run).result()) as unknown;
const effects = (what: string) => world.effects.filter((effect) => effect.what === what).length;
const requests = (operation: string) => world.requests.filter((request) => request.operation === operation);
const startStep = (step: string) => bench.start(steps, 'oneStep', { step });

/** Starts a run of one step and returns when its request is held. */
async function hold(step: string, operation: string, point: 'before' | 'after'): Promise<string> {
  const { reached } = world.barrier(operation, point);
  const run = await startStep(step);
  await reached;
  return run;
}

/** Both attempts are on record; only the second one has an outcome, and it is the step's one end. */
async function expectTwoAttempts(run: string, step: string): Promise<void> {
  const entries = await bench.entries(run);
  expect(entriesOf(entries, 'step.intent')).toMatchObject([
    { step, round: 1, attempt: 1 },
    { step, round: 1, attempt: 2 },
  ]);
  expect(entriesOf(entries, 'step.outcome')).toMatchObject([
    { step, attempt: 2, outcome: 'ok', final: true },
  ]);
  expect(checkRun(entries)).toEqual([]);
}

/** The step stopped as unknown after one effect, and a person is asked. */
async function expectUnknown(run: string, step: string): Promise<void> {
  const isAsked = async () => entriesOf(await bench.entries(run), 'question.asked').length > 0;
  await vi.waitUntil(isAsked, ASKED_WITHIN);
  const { questions } = await bench.status(run);
  const problem = expect.stringContaining('nobody can tell') as string;
  expect(questions).toMatchObject([{ id: step, kind: 'failed step', problem }]);
  const entries = await bench.entries(run);
  const outcomes = entriesOf(entries, 'step.outcome');
  expect(outcomes.filter(({ outcome, final }) => outcome === 'ok' || final)).toEqual([]);
  expect(outcomes.at(-1)).toMatchObject({ step, outcome: 'unknown' });
  expect(entriesOf(entries, 'question.asked')).toMatchObject([{ target: step }]);
  expect(checkRun(entries, { closed: false })).toEqual([]);
}

describe('a worker that is killed in the middle of a step', () => {
  const runs = { before: '', payment: '', report: '', endpoint: '', key: '', command: '', message: '' };
  let killedBy: NodeJS.Signals | null = null;
  let second: ChildWorker;

  beforeAll(async () => {
    const first = await bench.worker(steps);
    runs.before = await hold('openai.createKey', 'openai.createServiceAccount', 'before');
    runs.key = await hold('openai.createKey', 'openai.createServiceAccount', 'after');
    runs.payment = await hold('stripe.testPayment', 'stripe.createPaymentIntent', 'after');
    runs.report = await hold('application.fileIncidentReport', 'application.fileIncidentReport', 'after');
    runs.endpoint = await hold('stripe.createWebhookEndpoint', 'stripe.createWebhookEndpoint', 'after');
    runs.message = await hold('slack.post', 'slack.chat.postMessage', 'after');
    runs.command = await startStep('application.redeploy');
    await vi.waitUntil(() => ran() === 'x', { timeout: 10_000 });
    fillSlackChannel(world, 'incidents', 5_001);
    killedBy = await first.kill();
    second = await bench.worker(steps);
  });
  afterAll(() => second.kill());

  test('was killed, with every request where it should be', () => {
    expect(killedBy).toBe('SIGKILL');
    expect(effects('payment intent created')).toBe(1);
    expect(effects('incident report filed')).toBe(1);
  });

  test('before the vendor acted: the step is tried again and the vendor acts once', async () => {
    await resultOf(runs.before);
    await expectTwoAttempts(runs.before, 'openai.createKey#1');
    const name = keyName('openai/api-key', stepKey(runs.before, 'openai.createKey#1'));
    expect(openaiKeys(world, name)).toHaveLength(1);
  });

  test.each([
    [
      'a test payment',
      'payment',
      'stripe.testPayment',
      'stripe.createPaymentIntent',
      'payment intent created',
    ],
    [
      'an incident report',
      'report',
      'application.fileIncidentReport',
      'application.fileIncidentReport',
      'incident report filed',
    ],
  ] as const)(
    'after the vendor acted: %s is asked for under the same key, and made once',
    async (_what, name, step, operation, effect) => {
      await resultOf(runs[name]);
      await expectTwoAttempts(runs[name], `${step}#1`);
      const keys = requests(operation).map(({ idempotencyKey }) => idempotencyKey);
      const key = stepKey(runs[name], `${step}#1`);
      expect(keys).toEqual([key, key]);
      expect(effects(effect)).toBe(1);
    },
  );

  test('after a key was created whose value was lost: it is deleted, and one key is left', async () => {
    const result = (await resultOf(runs.key)) as { keyId: string; ref: string };
    await expectTwoAttempts(runs.key, 'openai.createKey#1');
    const name = keyName('openai/api-key', stepKey(runs.key, 'openai.createKey#1'));
    expect(effects('service account deleted')).toBe(1);
    expect(openaiKeys(world, name)).toEqual([result.keyId]);
  });

  test('after a webhook endpoint was created whose secret was lost: one endpoint is left', async () => {
    const { keyId } = (await resultOf(runs.endpoint)) as { keyId: string };
    await expectTwoAttempts(runs.endpoint, 'stripe.createWebhookEndpoint#1');
    const left = stripeEndpoints(world, 'https://app.example.com/webhooks/killed');
    expect(left).toEqual([keyId]);
  });

  test('after a message was posted that can no longer be found: a person decides, and it is not posted again', async () => {
    await expectUnknown(runs.message, 'slack.post#1');
    const posted = slackMessages(world, 'incidents').filter(({ text }) => text === 'The step was taken.');
    expect(posted).toHaveLength(1);
  });

  test('in a command that must not be repeated: a person decides, and it ran once', async () => {
    await expectUnknown(runs.command, 'application.redeploy#1');
    expect(ran()).toBe('x');
  });
});

test('a worker killed between the record and the report to Temporal: the step ends once, with what it did', async () => {
  const temporal = await road();
  const cutOff = await bench.worker(steps, { variables: { TEMPORAL_ADDRESS: temporal.address } });
  const { reached, release } = world.barrier('openai.createServiceAccount', 'after');
  const run = await startStep('openai.createKey');
  await reached;
  await temporal.close();
  release();
  await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'step.outcome').length === 1, {
    timeout: 10_000,
  });
  expect(await cutOff.kill()).toBe('SIGKILL');
  await bench.worker(steps);
  const { keyId } = (await resultOf(run)) as { keyId: string };
  const entries = await bench.entries(run);
  expect(entriesOf(entries, 'step.intent')).toMatchObject([{ attempt: 1 }, { attempt: 2 }]);
  expect(entriesOf(entries, 'step.outcome')).toMatchObject([{ attempt: 1, outcome: 'ok', final: true }]);
  expect(checkRun(entries)).toEqual([]);
  expect(openaiKeys(world, keyName('openai/api-key', stepKey(run, 'openai.createKey#1')))).toEqual([keyId]);
});
