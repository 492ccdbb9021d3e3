import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { slackMessages } from '../../simulators/slack.js';
import { openRunsOn } from '../../worker/worker.js';
import { failedReplays } from '../properties/history.js';
import { entriesOf, openBench, type Bench, type ChildWorker, type Code } from './bench.js';

const SOON = { timeout: 60_000, interval: 100 };
const OPEN = 20;
/** Of the open runs so many are decided while both workers run, and so many while none does. */
const DECIDED_WITH_BOTH = 5;
const DECIDED_WITH_NONE = 5;

let bench: Bench;
let before: Code;
let after: Code;
let old: readonly { readonly run: string; readonly planDigest: string }[];
let first: ChildWorker;

beforeAll(async () => {
  bench = await openBench();
  before = await bench.code('v1');
  after = await bench.code('v2');
  first = await bench.worker(before);
  const runs = await Promise.all(Array.from({ length: OPEN }, () => bench.start(before, 'askThenPost', {})));
  old = await Promise.all(runs.map(untilAsked));
});
afterAll(() => bench?.close());

const handle = (run: string) => bench.test.live.workflow.getHandle(run);
const messages = (run: string): string[] =>
  slackMessages(bench.test.world, 'incidents')
    .map(({ text }) => text)
    .filter((text) => text.endsWith(` in ${run}`));

/** The run with the digest that its approvals are bound to, once its gate is open and nothing of it is in flight. */
async function untilAsked(run: string): Promise<{ run: string; planDigest: string }> {
  await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'gate.opened').length === 1, SOON);
  await vi.waitUntil(async () => {
    const { raw } = await handle(run).describe();
    return (raw.pendingActivities ?? []).length === 0 && raw.pendingWorkflowTask == null;
  }, SOON);
  return { run, planDigest: (await bench.status(run)).planDigest ?? '' };
}

const decide = (runs: typeof old) =>
  Promise.all(runs.map(({ run, planDigest }) => bench.decide(run, 'go-on', 'Grace', { planDigest })));

async function expectEnd(run: string, text: string, { bundle }: Code): Promise<void> {
  expect(await handle(run).result()).toEqual({ text });
  expect(messages(run)).toEqual([`${text} in ${run}`]);
  const entries = await bench.entries(run);
  expect(entriesOf(entries, 'run.admitted')).toMatchObject([{ buildId: bundle.buildId }]);
  expect(entriesOf(entries, 'run.closed')).toMatchObject([{ outcome: 'completed' }]);
  expect(entriesOf(entries, 'question.asked')).toEqual([]);
  expect(checkRun(entries)).toEqual([]);
}

test('the new code can not go on with a run of the old one: a replay says so before it is deployed', async () => {
  const workflowId = old[0]?.run ?? '';
  const history = await handle(workflowId).fetchHistory();
  expect(await failedReplays(before.bundle.code, [{ workflowId, history }])).toEqual([]);
  expect(await failedReplays(after.bundle.code, [{ workflowId, history }])).toEqual([
    expect.stringMatching(/nondeterminism|non-determinism/i),
  ]);
});

test(`${OPEN} runs that were open when a step was added all end on their own code, and new ones take the new code`, async () => {
  const { live, deployment } = bench.test;
  const openRuns = () => openRunsOn(live, deployment, before.bundle.buildId);
  await vi.waitUntil(async () => (await openRuns()) === OPEN, SOON);

  const second = await bench.worker(after);
  expect(second.output()).toContain(JSON.stringify([after.bundle.buildId, before.bundle.buildId]));
  await decide(old.slice(0, DECIDED_WITH_BOTH));
  const fresh = await untilAsked(await bench.start(after, 'askThenPost', {}));
  expect(await first.kill()).toBe('SIGKILL');
  expect(await second.kill()).toBe('SIGKILL');
  await decide(old.slice(DECIDED_WITH_BOTH, DECIDED_WITH_BOTH + DECIDED_WITH_NONE));

  await bench.worker(after);
  await decide(old.slice(DECIDED_WITH_BOTH + DECIDED_WITH_NONE));
  await decide([fresh]);
  for (const { run } of old) await expectEnd(run, 'old code', before);
  await expectEnd(fresh.run, 'new code', after);
  const steps = entriesOf(await bench.entries(fresh.run), 'step.intent').map(({ step }) => step);
  expect(new Set(steps)).toEqual(new Set(['application.health#1', 'slack.post#1']));
  await vi.waitUntil(async () => (await openRuns()) === 0, SOON);
});
