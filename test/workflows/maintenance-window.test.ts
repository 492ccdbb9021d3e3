import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRunbook } from '../../triggers/catalogue.js';
import type { RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import type { EntryOf, LedgerKind } from '../../activities/ledger/entry.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

let installation: TestInstallation;
let host: RehearsalHost;

beforeAll(async () => {
  installation = await testInstallation();
  host = await rehearsalHost(installation);
}, 120_000);

afterAll(async () => {
  await host?.close();
  await installation?.close();
}, 60_000);

async function rehearse(name: string, change: Partial<Rehearsal<unknown>> = {}): Promise<RehearsalResult> {
  const entry = findRunbook(installation.installation.catalogue, 'maintenanceWindow');
  const scripted = entry?.spec.rehearsals.find((rehearsal) => rehearsal.name === name);
  if (entry === undefined || scripted === undefined) throw new Error(`There is no rehearsal "${name}".`);
  return await host.rehearse(entry, { ...scripted, ...change });
}

const of = <K extends LedgerKind>({ entries }: RehearsalResult, kind: K): EntryOf<K>[] =>
  entries.map(({ entry }) => entry).filter((entry): entry is EntryOf<K> => entry.kind === kind);

/** Moments, by the run's clock, at which a verb was called. */
const calls = (result: RehearsalResult, activity: string): number[] =>
  of(result, 'step.intent')
    .filter((entry) => entry.activity === activity)
    .map(({ virtual }) => Date.parse(virtual));

const startOf = (result: RehearsalResult): number => {
  const opened = of(result, 'deadline.started').find(({ deadline }) => deadline === 'window');
  return Date.parse(opened?.from ?? '');
};
const whats = ({ world }: RehearsalResult): string[] =>
  world.effects.filter(({ system }) => system === 'application').map(({ what }) => what);

describe('notice', () => {
  test('users are told 72 hours, 24 hours and 1 hour before the window opens', async () => {
    const result = await rehearse('Sunday night');
    const opens = startOf(result);
    expect(calls(result, 'application.notifyUsers').map((at) => Math.round((opens - at) / HOUR_MS))).toEqual([
      72, 24, 1,
    ]);
  });

  test('a short notice at an unusual time is a decision of the approvers', async () => {
    const result = await rehearse('Short notice at an unusual time');
    const [gate] = of(result, 'gate.opened');
    expect(gate).toMatchObject({ gate: 'unusual-window', groups: ['approvers'] });
  });

  test('a usual window with full notice asks nobody', async () => {
    expect(of(await rehearse('Sunday night'), 'gate.opened')).toEqual([]);
  });
});

describe('maintenance mode', () => {
  test('is on inside the window only, and the backup was made before', async () => {
    const result = await rehearse('Sunday night');
    const opens = startOf(result);
    const [on] = calls(result, 'application.enableMaintenance');
    const [backup] = calls(result, 'postgres.backup');
    expect((on ?? 0) - opens).toBeGreaterThanOrEqual(0);
    expect(opens - (backup ?? opens)).toBeGreaterThanOrEqual(29 * MINUTE_MS);
    expect(whats(result).filter((what) => what.startsWith('maintenance'))).toEqual([
      'maintenance enabled',
      'maintenance disabled',
    ]);
  });

  test.each([
    'A check fails and everything is put back',
    'The work takes longer and is rolled back',
    'A check fails once users are in again',
    'A migration fails',
  ])('is off when the run is over: %s', async (name) => {
    const modes = whats(await rehearse(name)).filter((what) => what.startsWith('maintenance'));
    expect(modes.at(-1)).toBe('maintenance disabled');
  });

  test('at 80 % of the window people decide whether it is extended or everything is put back', async () => {
    const result = await rehearse('The work takes longer and is rolled back');
    const asked = of(result, 'gate.opened').find(({ gate }) => gate === 'extend-or-roll-back');
    expect(Math.round((Date.parse(asked?.virtual ?? '') - startOf(result)) / MINUTE_MS)).toBe(48);
  });

  test('nobody decides at 80 %: everything is put back, and never extended in silence', async () => {
    const result = await rehearse('The work takes longer and is rolled back', {
      answers: { 'extend-or-roll-back': 'nobody', 'go-on-despite-checks': 'nobody' },
    });
    expect(result.outcome).toBe('rejected');
    expect(whats(result)).toContain('deployment rolled back');
  });

  test('on call is paged when the window ends and it is still on', async () => {
    const result = await rehearse('The window ends with maintenance mode on');
    const [page] = calls(result, 'pagerduty.trigger');
    expect(Math.round(((page ?? 0) - startOf(result)) / MINUTE_MS)).toBe(60);
    expect(of(result, 'deadline.missed')).toHaveLength(1);
  });

  test('on call is paged when it can not be left, whatever the reason', async () => {
    const result = await rehearse('A check fails and everything is put back', {
      answers: {
        'go-on-despite-checks': { by: 'Grace', verdict: 'decline', reason: 'Nobody can pay' },
        'undo/application.disableMaintenance#1': { by: 'Ada', after: '3 hours', choice: 'retry' },
      },
      faults: [{ operation: 'application.disableMaintenance', point: 'before', status: 422 }],
    });
    expect(result.world.injected('application.disableMaintenance')).toBeGreaterThan(0);
    expect(calls(result, 'pagerduty.trigger')).toHaveLength(1);
  });
});

test('no other run may touch the service from the backup on', async () => {
  const result = await rehearse('Sunday night');
  const [taken] = of(result, 'lock.acquired');
  expect(taken).toMatchObject({ resource: 'service/shop' });
  expect(Date.parse(taken?.virtual ?? '')).toBeLessThanOrEqual(calls(result, 'postgres.backup')[0] ?? 0);
  expect(of(result, 'lock.released')).toHaveLength(1);
});
