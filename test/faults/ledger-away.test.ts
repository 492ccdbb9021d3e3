import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { slackMessages } from '../../simulators/slack.js';
import { postgresProxy, type Proxy } from '../activities/ledger-proxy.js';
import { entriesOf, openBench, type Bench, type Code } from './bench.js';

const SOON = { timeout: 60_000, interval: 50 };

let bench: Bench;
let steps: Code;
let database: Proxy;

beforeAll(async () => {
  bench = await openBench();
  database = await postgresProxy(bench.test.database.appUrl);
  steps = await bench.code('steps');
  await bench.worker(steps, { variables: { DATABASE_URL: database.url } });
});
afterAll(async () => {
  await bench.close();
  await database.close();
});

/** What people were told about one run. */
const notices = (run: string, about: string): string[] =>
  slackMessages(bench.test.world, 'operations')
    .map(({ text }) => text)
    .filter((text) => text.includes(run) && text.includes(`[${about}]`));
const resultOf = async (run: string) => (await bench.test.live.workflow.getHandle(run).result()) as unknown;
const stepState = async (run: string, id: string) =>
  (await bench.status(run)).steps.find((step) => step.id === id)?.state;

/** Attempts of a step that Temporal knows of: each found the ledger away, or went on. */
async function scheduled(run: string, activityId: string): Promise<number> {
  const { events } = await bench.test.live.workflow.getHandle(run).fetchHistory();
  const ids = (events ?? []).map((event) => event.activityTaskScheduledEventAttributes?.activityId);
  return ids.filter((id) => id === activityId).length;
}

test('without the ledger nothing happens at a vendor, nobody is asked, and the run goes on by itself', async () => {
  const { world } = bench.test;
  const run = await bench.start(steps, 'waitThenAct', { seconds: 3 });
  await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'wait.started').length === 1, SOON);
  const before = {
    effects: world.effects.filter(isAct).length,
    requests: world.requests.filter(isVendors).length,
  };
  database.down();
  await vi.waitUntil(
    async () => (await stepState(run, 'openai.createKey#1')) === 'waiting for the ledger',
    SOON,
  );
  await vi.waitUntil(async () => (await scheduled(run, 'openai.createKey#1')) >= 2, SOON);

  expect(world.effects.filter(isAct)).toHaveLength(before.effects);
  expect(world.requests.filter(isVendors)).toHaveLength(before.requests);
  const away = await bench.status(run);
  expect(away.questions).toEqual([]);
  expect(away.state).toBe('running');

  database.up();
  expect(await resultOf(run)).toMatchObject({ ref: 'secret://openai/api-key@v2' });
  const entries = await bench.entries(run);
  expect(checkRun(entries)).toEqual([]);
  expect(entriesOf(entries, 'question.asked')).toEqual([]);
  expect(entriesOf(entries, 'run.closed')).toMatchObject([{ outcome: 'completed' }]);
  expect(world.effects.filter(isAct).length - before.effects).toBe(2);
  expect(notices(run, 'record unavailable')).toHaveLength(1);
});

test('a ledger that goes away while a vendor acts: the outcome is recorded once, and the vendor acts once', async () => {
  const { world } = bench.test;
  const reports = () => world.effects.filter(({ what }) => what === 'incident report filed').length;
  const before = reports();
  const { reached, release } = world.barrier('application.fileIncidentReport', 'after');
  const run = await bench.start(steps, 'oneStep', { step: 'application.fileIncidentReport' });
  await reached;
  database.down();
  release();
  const step = 'application.fileIncidentReport#1';
  await vi.waitUntil(async () => (await stepState(run, step)) === 'waiting for the ledger', SOON);
  database.up();
  await resultOf(run);
  expect(reports() - before).toBe(1);
  const entries = await bench.entries(run);
  expect(entriesOf(entries, 'step.outcome')).toMatchObject([{ step, outcome: 'ok', final: true }]);
  expect(checkRun(entries)).toEqual([]);
  expect(notices(run, 'record unavailable')).toHaveLength(1);
});

const isVendors = ({ operation }: { operation: string }) => !operation.startsWith('slack.');
const isAct = ({ system }: { system: string }) => system !== 'slack';
