import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { entriesOf, openBench, type Bench, type Code } from './bench.js';

const SHIFTED_CLOCK = fileURLToPath(new URL('shifted-clock.mjs', import.meta.url));
const TEN_MINUTES = 600_000;
const WAIT_SECONDS = 4;
const SOON = { timeout: 60_000, interval: 20 };

let bench: Bench;
let steps: Code;
const setClock = (shiftMs: number) => writeFileSync(join(bench.folder, 'shift'), String(shiftMs));

beforeAll(async () => {
  bench = await openBench();
  setClock(0);
  steps = await bench.code('steps');
  await bench.worker(steps, {
    preload: [SHIFTED_CLOCK],
    variables: { SHIFT_FILE: join(bench.folder, 'shift') },
  });
});
afterAll(() => bench.close());

/** When the wait's timer started and fired, by the server's clock. */
async function timerOf(run: string): Promise<{ startedAt: number; firedAt: number; fired: number }> {
  const { events } = await bench.test.live.workflow.getHandle(run).fetchHistory();
  const timeOf = (event: { eventTime?: { seconds?: unknown; nanos?: number | null } | null } | undefined) =>
    Number(event?.eventTime?.seconds ?? 0) * 1000 + (event?.eventTime?.nanos ?? 0) / 1_000_000;
  const started = events?.find(({ timerStartedEventAttributes }) => timerStartedEventAttributes != null);
  const timerId = started?.timerStartedEventAttributes?.timerId;
  const fired = (events ?? []).filter(({ timerFiredEventAttributes: timer }) => timer?.timerId === timerId);
  return { startedAt: timeOf(started), firedAt: timeOf(fired[0]), fired: fired.length };
}

test.each([
  ['back', -TEN_MINUTES],
  ['forward', TEN_MINUTES],
])("a worker's clock that steps %s ten minutes moves no deadline and no order", async (_direction, shift) => {
  setClock(0);
  const run = await bench.start(steps, 'waitThenAct', { seconds: WAIT_SECONDS });
  await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'wait.started').length === 1, SOON);
  setClock(shift);
  await bench.test.live.workflow.getHandle(run).result();
  const entries = await bench.entries(run);

  const skews = entries.map(({ entry }) => Date.parse(entry.at) - Date.parse(entry.virtual));
  expect(skews.filter((skew) => Math.abs(skew - shift) < 60_000).length).toBeGreaterThan(3);
  expect(skews.filter((skew) => Math.abs(skew) < 60_000).length).toBeGreaterThan(3);

  const { startedAt, firedAt, fired } = await timerOf(run);
  expect(fired).toBe(1);
  expect(firedAt - startedAt).toBeGreaterThanOrEqual(WAIT_SECONDS * 1000 - 50);
  expect(firedAt - startedAt).toBeLessThan(WAIT_SECONDS * 1000 + 3_000);
  const [started] = entriesOf(entries, 'wait.started');
  const [ended] = entriesOf(entries, 'wait.ended');
  expect(ended?.cutShort).toBe(false);
  expect(Date.parse(ended?.virtual ?? '')).toBeGreaterThanOrEqual(Date.parse(started?.until ?? ''));

  // The order of the record is that of its ids: the run's own clock never goes back along it by more than the
  // moments in which things are appended side by side.
  const virtual = entries.map(({ entry }) => Date.parse(entry.virtual));
  const setBacks = virtual.map((time, index) => Math.max(...virtual.slice(0, index + 1)) - time);
  expect(Math.max(...setBacks)).toBeLessThan(3_000);
  expect(checkRun(entries)).toEqual([]);
});
