import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EntryOf, LedgerKind } from '../../activities/ledger/entry.js';
import { losePostgresRows, postgresContent } from '../../simulators/postgres.js';
import { s3Objects, seedS3 } from '../../simulators/s3.js';
import type { World } from '../../simulators/world.js';
import { findRunbook } from '../../triggers/catalogue.js';
import type { RehearsalHooks, RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';
import { messagesOf } from '../helpers/rehearsals.js';

const HOUR_MS = 3_600_000;
const LIVE = 'shop-files';
const BACKUP = 'shop-backups';
const SCRATCH = 'restore_shop';

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

function entry() {
  const found = findRunbook(installation.installation.catalogue, 'dataRecovery');
  if (found === undefined) throw new Error('The runbook is not in the catalogue.');
  return found;
}

async function rehearse(
  name: string,
  change: Partial<Rehearsal<unknown>> = {},
  hooks: RehearsalHooks = {},
): Promise<RehearsalResult> {
  const scripted = entry().spec.rehearsals.find((rehearsal) => rehearsal.name === name);
  if (scripted === undefined) throw new Error(`There is no rehearsal "${name}".`);
  return await host.rehearse(entry(), { ...scripted, ...change }, hooks);
}

const of = <K extends LedgerKind>({ entries }: RehearsalResult, kind: K): EntryOf<K>[] =>
  entries.map((stored) => stored.entry).filter((found): found is EntryOf<K> => found.kind === kind);
const begun = (result: RehearsalResult): string[] => of(result, 'step.intent').map(({ step }) => step);
const effects = ({ world }: RehearsalResult, system: string): string[] =>
  world.effects.filter((effect) => effect.system === system).map(({ what }) => what);
const ordersOf = (world: World, scratch?: string): number | undefined =>
  postgresContent(world, 'app', scratch)?.['orders']?.rows;
const application = ({ world }: RehearsalResult) =>
  world.dump()['application'] as { trafficStopped: boolean; readOnly: boolean };
/** Somebody has deleted all orders since the last backup. */
const lost: RehearsalHooks = { prepare: (world) => losePostgresRows(world, 'app', 'orders') };

/** `earlier` comes before `later` on the record. */
function expectOrder(result: RehearsalResult, ...steps: string[]): void {
  const order = begun(result);
  const positions = steps.map((step) => order.indexOf(step));
  expect(positions, steps.join(', ')).not.toContain(-1);
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
}

describe('a restore of the database', () => {
  test('brings the lost rows back, and says what it cost', async () => {
    const result = await rehearse('Database, before a moment', {}, lost);
    expect(ordersOf(result.world)).toBe(1_800);
    const { kept, source, measured } = result.output as {
      kept: string;
      source: string;
      measured: { rtoMs: number; rpoMs: number };
    };
    // The newest backup before the moment a day ago is 30 hours old.
    expect(Date.now() - Date.parse(source)).toBeGreaterThanOrEqual(30 * HOUR_MS);
    expect(measured.rpoMs).toBeGreaterThanOrEqual(30 * HOUR_MS);
    expect(measured.rpoMs).toBeLessThan(31 * HOUR_MS);
    // The approval took five minutes.
    expect(measured.rtoMs).toBeGreaterThanOrEqual(5 * 60_000);
    expect(measured.rtoMs).toBeLessThan(HOUR_MS);
    expect(kept).toMatch(/^before_/);
    expect(ordersOf(result.world, kept)).toBe(0);
  });

  test('is agreed on by the approvers, who see how much is lost', async () => {
    const result = await rehearse('The restore point is declined', {}, lost);
    const [gate] = of(result, 'gate.opened');
    expect(gate).toMatchObject({ gate: 'restore-point', groups: ['approvers'] });
    expect(messagesOf(result)).toContainEqual(
      expect.stringContaining('in 360 minutes so far, will be missing'),
    );
    expect(effects(result, 'application')).toEqual([]);
    expect(effects(result, 'postgres')).toEqual([]);
  });

  test('stops traffic before it begins', async () => {
    const result = await rehearse('Database, before a moment');
    expectOrder(
      result,
      'application.stopTraffic#1',
      'postgres.backup#1',
      'postgres.restoreInto#1',
      'postgres.promote#1',
      'application.resumeTraffic#1',
    );
  });

  test('lets traffic in again, whatever happened', async () => {
    const names = entry().spec.rehearsals.map(({ name }) => name);
    const results = await Promise.all(names.map((name) => rehearse(name)));
    const stopped = results.filter((result, index) => {
      expect(application(result), names[index]).toMatchObject({ trafficStopped: false, readOnly: false });
      return effects(result, 'application').includes('traffic stopped');
    });
    expect(stopped).toHaveLength(7);
    for (const result of stopped) expect(effects(result, 'application').at(-1)).toBe('traffic resumed');
  }, 180_000);

  test('backs the current state up before anything is replaced', async () => {
    const result = await rehearse('Database, before a moment', {}, lost);
    expectOrder(result, 'postgres.backup#1', 'postgres.promote#1');
    const [first] = result.world.effects.filter(({ system }) => system === 'postgres');
    expect(first).toMatchObject({ what: 'backup taken', subject: 'app: before-restore' });
  });

  test('puts a database into use only after its integrity was checked', async () => {
    const good = await rehearse('Database, before a moment');
    expectOrder(good, 'postgres.checkIntegrity#1', 'postgres.fingerprint#1', 'postgres.promote#1');
    const bad = await rehearse('What comes back is damaged', {}, lost);
    expect(bad.outcome).toBe('failed');
    expect(begun(bad)).not.toContain('postgres.promote#1');
    expect(ordersOf(bad.world)).toBe(0);
    expect(postgresContent(bad.world, 'app', SCRATCH)).toBeUndefined();
  });

  test('that is declined after a failed check brings the former database back', async () => {
    const result = await rehearse('A check fails with the restored database', {}, lost);
    expect(result.outcome).toBe('rejected');
    expect(effects(result, 'postgres')).toEqual([
      'backup taken',
      'database restored',
      'database replaced',
      'database put back',
      'database dropped',
    ]);
    expect(ordersOf(result.world)).toBe(0);
    expect(begun(result)).not.toContain('application.resumeTraffic#1');
  });

  test('that is declined because errors rise brings the former database back, with traffic stopped, and saves what was written since', async () => {
    const result = await rehearse('Errors rise and the former database is put back', {}, lost);
    expect(result.outcome).toBe('rejected');
    expectOrder(
      result,
      'application.resumeTraffic#1',
      'application.errorRate#1',
      'undo/application.stopTraffic#1',
      'undo/postgres.backup#1',
      'undo/postgres.putBack#1',
      'undo/postgres.dropScratch#1',
      'undo/application.resumeTraffic#1',
    );
    expect(ordersOf(result.world)).toBe(0);
    const taken = result.world.effects.filter(({ what }) => what === 'backup taken');
    expect(taken.map(({ subject }) => subject)).toEqual(['app: before-restore', 'app: before-put-back']);
  });

  test('is watched for an hour, every five minutes', async () => {
    const result = await rehearse('Database, before a moment');
    expect(begun(result).filter((step) => step.startsWith('application.errorRate'))).toHaveLength(11);
  });

  test('from another backup than the approved one, because that is damaged, is agreed on anew', async () => {
    const older: { input?: unknown } = {};
    const result = await rehearse(
      'The backup can not be restored',
      {
        answers: {
          'look-at-migrations': { by: 'Ada', choice: 'done', evidence: 'Both end with migration 41' },
          'what-next': { by: 'Ada', option: 'restore database' },
          'restore-point': { by: 'Grace', verdict: 'approve', reason: 'Bearable' },
          'postgres.restoreInto#1': {
            by: 'Ada',
            choice: 'retry',
            reason: 'The day before',
            get input() {
              return older.input;
            },
          },
          'postgres.restoreInto#1/change~r2': { by: 'Margaret', verdict: 'approve', reason: 'Yes' },
        },
        ends: 'completed',
      },
      {
        prepare: (world) => {
          const { backups } = world.dump()['postgres'] as { backups: { backup: string }[] };
          older.input = { database: 'app', backup: backups[0]?.backup, scratch: SCRATCH };
        },
      },
    );
    expect(of(result, 'gate.opened').map(({ gate }) => gate)).toEqual([
      'restore-point',
      'postgres.restoreInto#1/change~r2',
      'restore-point#2',
    ]);
    const { measured } = result.output as { measured: { rpoMs: number } };
    expect(measured.rpoMs).toBeGreaterThanOrEqual(30 * HOUR_MS);
  });

  test('that was given up without an answer is looked at by a person', async () => {
    const result = await rehearse('Nobody knows whether the database was replaced');
    expect(of(result, 'question.asked').at(-1)).toMatchObject({
      target: 'look-at-databases',
      choices: ['done', 'skip'],
    });
  });

  test('from before the first backup is refused in a sentence, and touches nothing', async () => {
    const result = await rehearse('Database, before a moment', {
      input: {
        service: 'shop',
        mode: 'database',
        restorePoint: '2020-01-01T00:00:00Z',
        reason: 'Orders of last night are missing',
      },
      ends: 'failed',
    });
    expect(begun(result)).toEqual(['postgres.listBackups#1']);
  });
});

describe('a restore of files', () => {
  const broken: RehearsalHooks = {
    prepare: (world) => seedS3(world, LIVE, { 'documents/1': 'broken', 'documents/9': 'newest' }),
  };
  const APPROVED = {
    name: 'Files of one folder',
    world: {},
    answers: { 'replace-files': { by: 'Grace', verdict: 'approve', reason: 'Unreadable' } },
    ends: 'completed',
  } as const;

  test('takes them from the backup, and keeps those that it replaces', async () => {
    const result = await rehearse('Files of one folder, and a check fails', APPROVED, broken);
    const live = s3Objects(result.world, LIVE);
    expect(String(live['documents/1'])).toBe('third');
    // The backup never had it.
    expect(String(live['documents/9'])).toBe('newest');
    const { kept } = result.output as { kept: string };
    const [, bucket, prefix = ''] = /^([^/]+)\/(.*)$/.exec(kept) ?? [];
    expect(bucket).toBe(BACKUP);
    const saved = s3Objects(result.world, BACKUP);
    expect(String(saved[`${prefix}1`])).toBe('broken');
    expect(String(saved[`${prefix}9`])).toBe('newest');
    expect(String(saved['files/documents/1'])).toBe('third');
  });

  test('replaces none before they are kept, and lets nobody write meanwhile', async () => {
    const result = await rehearse('Files of one folder, and a check fails', APPROVED, broken);
    const what = result.world.effects
      .filter(({ system }) => system === 's3' || system === 'application')
      .map(({ what: done, subject }) => `${done}: ${subject.replace(/before-restore\/\w+/, 'kept')}`);
    expect(what).toEqual([
      'writes frozen: application',
      expect.stringMatching(/object stored: shop-backups\/kept\/[19]/),
      expect.stringMatching(/object stored: shop-backups\/kept\/[19]/),
      'object stored: shop-files/documents/1',
      'writes unfrozen: application',
    ]);
  });

  test('that is declined after a failed check brings the former ones back', async () => {
    const result = await rehearse('Files of one folder, and a check fails', {}, broken);
    expect(result.outcome).toBe('rejected');
    expect(String(s3Objects(result.world, LIVE)['documents/1'])).toBe('broken');
    expect(application(result).readOnly).toBe(false);
  });

  test('leaves the other folders alone', async () => {
    const result = await rehearse('Files of one folder, and a check fails', APPROVED, {
      prepare: (world) => seedS3(world, LIVE, { 'avatars/1': 'changed' }),
    });
    expect(String(s3Objects(result.world, LIVE)['avatars/1'])).toBe('changed');
  });
});

describe('a diagnosis', () => {
  test('changes nothing, and its report is kept before anybody decides', async () => {
    const result = await rehearse('Nothing is damaged');
    expect([
      ...effects(result, 'application'),
      ...effects(result, 'postgres'),
      ...effects(result, 's3'),
    ]).toEqual([]);
    const kinds = result.entries.map(({ entry: { kind } }) => kind);
    expect(kinds.indexOf('evidence.kept')).toBeLessThan(kinds.indexOf('decision.made'));
    expect(of(result, 'lock.acquired')).toMatchObject([{ resource: 'service/shop/diagnosis' }]);
  });

  test('that leads to a restore keeps other runs away from the service first', async () => {
    const result = await rehearse('Diagnosis leads to a restore, and errors are accepted');
    expect(of(result, 'lock.acquired').map(({ resource }) => resource)).toEqual([
      'service/shop/diagnosis',
      'service/shop',
    ]);
    const kinds = result.entries.map(({ entry: found }) => found);
    const locked = kinds.findIndex(
      (found) => found.kind === 'lock.acquired' && found.resource === 'service/shop',
    );
    const stopped = kinds.findIndex(
      (found) => found.kind === 'step.intent' && found.activity === 'application.stopTraffic',
    );
    expect(locked).toBeLessThan(stopped);
  });
});

test('a restore point of files, or a prefix without its slash, is refused before anything starts', () => {
  const { input } = entry().spec;
  const files = { service: 'shop', mode: 'files', reason: 'Files were overwritten' };
  expect(input.safeParse({ ...files, prefix: 'documents/' }).success).toBe(true);
  expect(input.safeParse({ ...files, prefix: 'documents' }).error?.issues).toMatchObject([
    { path: ['prefix'] },
  ]);
  expect(input.safeParse({ ...files, restorePoint: '2026-11-20T00:00:00Z' }).error?.issues).toMatchObject([
    { path: ['restorePoint'] },
  ]);
  expect(
    input.safeParse({ ...files, mode: 'database', restorePoint: 'yesterday' }).error?.issues,
  ).toMatchObject([{ path: ['restorePoint'] }]);
});
