import { beforeEach, describe, expect, test } from 'vitest';
import { supabase } from '../../activities/supabase/http.js';
import { supabaseSteps } from '../../activities/supabase/steps.js';
import { memoryVault } from '../../activities/vault/memory.js';
import {
  seedSupabase,
  SUPABASE_PROJECT as project,
  SUPABASE_TOKEN,
  supabaseRestoredTo,
  supabaseSimulator,
  type SupabaseSeed,
} from '../../simulators/supabase.js';
import {
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendor = useSimulators(supabaseSimulator);
const RANGE = { earliest: '2026-03-01T00:00:00.000Z', latest: '2026-03-08T00:00:00.000Z' };
const AT = '2026-03-05T12:00:00.000Z';

const setUp = (baseUrl = vendor.url('supabase')) => {
  const client = supabase({ accessToken: SUPABASE_TOKEN, baseUrl, timeoutMs: 5_000, pollIntervalMs: 1 });
  return { client, steps: supabaseSteps({ supabase: client, vault: memoryVault() }) };
};

const seed = (recovery: SupabaseSeed['recovery']) =>
  void seedSupabase(vendor.world, { project, ...(recovery === undefined ? {} : { recovery }) });
const restore = (at = AT, step = stepContext()) =>
  runVerb(setUp().steps.restorePointInTime, { project, at }, step);
const restores = () => vendor.world.effects.filter(({ what }) => what === 'point-in-time restore started');
const restoredTo = () => supabaseRestoredTo(vendor.world, project);

beforeEach(() => seed({ range: RANGE }));

test('which answers are retried, and none of the errors holds the token', async () => {
  const { client } = setUp();
  const ask = (operation: string, call: () => Promise<unknown>) =>
    assertRetries({
      world: vendor.world,
      operation: `supabase.${operation}`,
      call,
      secrets: [SUPABASE_TOKEN],
    });
  await ask('getProject', () => client.status(project));
  await ask('listBackups', () => client.backups(project));
  await ask('restorePitr', () => client.restorePointInTime(project, new Date(AT)));
});

describe('supabase.listBackups', () => {
  test('tells the range of moments and the daily backups, oldest first', async () => {
    const daily = ['2026-03-07', '2026-03-06'].map((day) => ({ at: `${day}T02:00:00`, status: 'COMPLETED' }));
    seed({ range: RANGE, daily });
    expect(await runVerb(setUp().steps.listBackups, { project })).toEqual({
      pointInTime: true,
      ...RANGE,
      backups: [
        { at: '2026-03-06T02:00:00.000Z', status: 'COMPLETED' },
        { at: '2026-03-07T02:00:00.000Z', status: 'COMPLETED' },
      ],
    });
  });

  test('a project without point-in-time recovery says so', async () => {
    seed({});
    expect(await runVerb(setUp().steps.listBackups, { project })).toEqual({
      pointInTime: false,
      earliest: null,
      latest: null,
      backups: [],
    });
  });
});

describe('supabase.restorePointInTime', () => {
  test('is over only when the project is healthy again, with signs of life until then', async () => {
    seed({ range: RANGE, looksBefore: 3, looks: 5 });
    const step = stepContext();
    await restore(AT, step);
    expect(restoredTo()).toBe(AT);
    expect(restores()).toHaveLength(1);
    expect(step.heartbeats.filter((detail) => JSON.stringify(detail).includes('RESTORING'))).toHaveLength(5);
  });

  test('never restores to a later moment than was asked for', async () => {
    await restore('2026-03-05T13:00:00.999+01:00');
    expect(restoredTo()).toBe(AT);
  });

  test('an order whose answer was lost is not given again', async () => {
    vendor.world.fail({ operation: 'supabase.restorePitr', point: 'after' });
    await restore();
    expect(vendor.world.injected('supabase.restorePitr')).toBe(1);
    expect(restores()).toHaveLength(1);
    expect(restoredTo()).toBe(AT);
  });

  test('an order that never arrived is given again', async () => {
    vendor.world.fail({ operation: 'supabase.restorePitr', point: 'before' });
    await restore();
    expect(vendor.world.injected('supabase.restorePitr')).toBe(1);
    expect(restores()).toHaveLength(1);
    expect(restoredTo()).toBe(AT);
  });

  test('Supabase being away in between does not end the step', async () => {
    seed({ range: RANGE, looks: 3 });
    vendor.world.fail({ operation: 'supabase.getProject', point: 'before', times: 10 });
    vendor.world.fail({ operation: 'supabase.listBackups', point: 'after' });
    await restore();
    expect(vendor.world.injected('supabase.getProject')).toBe(10);
    expect(vendor.world.injected('supabase.listBackups')).toBe(1);
    expect(restoredTo()).toBe(AT);
  });

  test('after a crash the restore that is under way is followed, not started again', async () => {
    seed({ range: RANGE, looksBefore: 0, looks: 4 });
    await setUp().client.restorePointInTime(project, new Date(AT));
    await restore(AT, stepContext({ attempt: 2 }));
    expect(restores()).toHaveLength(1);
    expect(restoredTo()).toBe(AT);
  });

  test('after a crash nobody can tell whether a healthy project was restored: a person decides', async () => {
    const failure = await failureOf(restore(AT, stepContext({ attempt: 2 })));
    expect(failure.type).toBe('OutcomeUnknown');
    expect(restores()).toEqual([]);
  });

  test('the restore of somebody else is not mistaken for ours', async () => {
    seed({ range: RANGE, looksBefore: 0, looks: 100 });
    await setUp().client.restorePointInTime(project, new Date(RANGE.earliest));
    const failure = await failureOf(restore());
    expect(failure).toMatchObject({ type: 'RestoreImpossible', nonRetryable: true });
    expect(failure.message).toContain('another restore');
    expect(restores()).toHaveLength(1);
  });

  test('a restore that fails stops the step, on the first attempt and on a later one', async () => {
    seed({ range: RANGE, endsAs: 'RESTORE_FAILED' });
    const failed = { type: 'RestoreFailed', nonRetryable: true };
    expect(await failureOf(restore())).toMatchObject(failed);
    expect(await failureOf(restore(AT, stepContext({ attempt: 2 })))).toMatchObject(failed);
    expect(restoredTo()).toBeUndefined();
  });

  test('a failure from before does not hide that the new restore works', async () => {
    seed({ range: RANGE, endsAs: 'RESTORE_FAILED' });
    await failureOf(restore());
    const state = vendor.world.state<{ projects: Record<string, { recovery: object }> }>('supabase', () => ({
      projects: {},
    }));
    Object.assign(state.projects[project] ?? {}, { recovery: { range: RANGE, looksBefore: 3 } });
    await restore();
    expect(restoredTo()).toBe(AT);
  });

  test.each([
    ['a moment before the range', { range: RANGE }, '2026-02-28T23:59:59Z', RANGE.earliest],
    ['a moment after the range', { range: RANGE }, '2026-03-08T00:00:01Z', RANGE.latest],
    ['a project without point-in-time recovery', {}, AT, 'daily backup'],
  ])('%s is refused before anything is started', async (_, recovery, at, told) => {
    seed(recovery);
    const failure = await failureOf(restore(at));
    expect(failure).toMatchObject({ type: 'RestoreImpossible', nonRetryable: true });
    expect(failure.message).toContain(told);
    expect(failure.message).toContain('Nothing was started');
    expect(restores()).toEqual([]);
  });

  test('Supabase being away from the start is told as "nothing was started"', async () => {
    vendor.world.fail({ operation: 'supabase.getProject', point: 'before', times: Infinity });
    const failure = await failureOf(restore());
    expect(vendor.world.injected('supabase.getProject')).toBeGreaterThan(10);
    expect(failure).toMatchObject({ type: 'RestoreImpossible', nonRetryable: true });
  });

  test('an order that Supabase takes without doing anything goes to a person', async () => {
    seed({ range: RANGE, looksBefore: 100_000 });
    const failure = await failureOf(restore());
    expect(failure).toMatchObject({ type: 'RestoreNotSeen', nonRetryable: true });
    expect(restores()).toHaveLength(1);
  });

  test('a cancelled step stops waiting', async () => {
    seed({ range: RANGE, looks: 100_000 });
    const step = stepContext();
    const running = restore(AT, step).catch((error: unknown) => error);
    await expect.poll(() => step.heartbeats.length).toBeGreaterThan(5);
    step.abort();
    expect(await running).toMatchObject({ name: 'AbortError' });
  });

  test('a status of another shape is refused', async () => {
    const fake = await fakeVendorAnswering({ body: { state: 'fine' } });
    const steps = setUp(fake.url).steps;
    const failure = await failureOf(runVerb(steps.restorePointInTime, { project, at: AT }));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('with every answer lost once the project ends up restored once', async () => {
    for (const operation of ['supabase.getProject', 'supabase.listBackups', 'supabase.restorePitr'])
      vendor.world.fail({ operation, point: 'after' });
    await runWithRetries(setUp().steps.restorePointInTime, { project, at: AT });
    expect(vendor.world.injected()).toBe(3);
    expect(restores()).toHaveLength(1);
    expect(restoredTo()).toBe(AT);
  });
});
