import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lockId, lookAtLock } from '../../activities/engine/locks.js';
import { catalogueOf } from '../../triggers/catalogue.js';
import { start } from '../../triggers/start.js';
import { bundleWorkflows } from '../../worker/bundle.js';
import type { Host } from '../../worker/host.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { RunStatus } from '../../workflows/engine/types.js';
import { eventually } from '../helpers/eventually.js';
import { liveWorker, testInstallation, type TestInstallation } from '../helpers/engine.js';
import * as fixtures from './fixtures/parts.js';

let lab: TestInstallation;
let worker: Host;
const { lock: _lock, ...runbooks } = fixtures;

beforeAll(async () => {
  const base = await testInstallation();
  lab = { ...base, installation: { ...base.installation, catalogue: catalogueOf(runbooks) } };
  worker = await liveWorker(
    lab,
    await bundleWorkflows(fileURLToPath(new URL('fixtures/parts.ts', import.meta.url))),
  );
}, 120_000);

afterAll(async () => {
  await worker?.stop();
  await lab?.close();
}, 60_000);

async function begin(runbook: string, resource: string): Promise<string> {
  const { pool, ledger, configuration, directory, catalogue } = lab.installation;
  const { acceptedAssurances, org } = lab.environment;
  const result = await start(
    {
      ...{ pool, ledger, configuration, directory, catalogue, acceptedAssurances, org },
      ...{ client: lab.live, mode: 'live', taskQueue: lab.taskQueue },
    },
    {
      runbook,
      input: { resource },
      person: (await directory.personByName('Ada')) ?? null,
      assurance: 'claimed',
      channel: 'cli',
    },
  );
  if (!result.started) throw new Error(result.sentence);
  return result.run;
}

const status = (run: string): Promise<RunStatus> => lab.live.workflow.getHandle(run).query(statusQuery);

const untilStatus = (run: string, wanted: (status: RunStatus) => boolean, what: string): Promise<RunStatus> =>
  eventually(() => status(run), wanted, what);

const holds = ({ locks }: RunStatus): boolean => locks.some(({ state }) => state === 'held');

const holderOf = async (resource: string): Promise<string | undefined> =>
  (await lookAtLock(lab.live, lockId(`default.${lab.deployment}`, resource)))?.holder;

test('two runs on one service: the second is refused, with the name of the first', async () => {
  const first = await begin('lockTrial', 'service/one');
  await untilStatus(first, holds, 'the first run to hold the lock');
  const second = await begin('lockTrial', 'service/one');
  const refused = await untilStatus(second, ({ state }) => state === 'refused', 'the second to be refused');
  expect(refused.state).toBe('refused');
  await expect(lab.live.workflow.getHandle(second).result()).rejects.toMatchObject({
    cause: { type: 'NotAdmitted', message: expect.stringContaining(first) as string },
  });
  expect(await holderOf('service/one')).toBe(first);
});

test('runs on different services do not hinder each other', async () => {
  const runs = await Promise.all(
    ['service/two', 'service/three'].map((resource) => begin('lockTrial', resource)),
  );
  await Promise.all(runs.map((run) => untilStatus(run, holds, `${run} to hold its lock`)));
});

test('whoever queues goes on when the holder has ended, and shows meanwhile for whom it waits', async () => {
  const first = await begin('lockTrial', 'service/four');
  await untilStatus(first, holds, 'the first run to hold the lock');
  const second = await begin('queueTrial', 'service/four');
  const waiting = await untilStatus(second, ({ locks }) => locks.length > 0, 'the second to wait');
  expect(waiting).toMatchObject({ state: 'waiting', locks: [{ state: 'waiting', heldBy: first }] });
  await lab.live.workflow.getHandle(first).cancel();
  await untilStatus(second, holds, 'the second run to hold the lock');
  expect(await holderOf('service/four')).toBe(second);
});

test('a holder that was terminated releases its lock', async () => {
  const first = await begin('lockTrial', 'service/five');
  await untilStatus(first, holds, 'the first run to hold the lock');
  await lab.live.workflow.getHandle(first).terminate('a test');
  expect(await holderOf('service/five')).toBe(first);
  const second = await begin('lockTrial', 'service/five');
  await untilStatus(second, holds, 'the second run to hold the lock');
  expect(await holderOf('service/five')).toBe(second);
});

test('a run that has ended leaves no lock behind', async () => {
  const run = await begin('lockTrial', 'service/six');
  await untilStatus(run, holds, 'the run to hold the lock');
  await lab.live.workflow.getHandle(run).cancel();
  await eventually(
    () => holderOf('service/six'),
    (holder) => holder === undefined,
    'the lock to be free',
  );
});
