import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EntryOf, LedgerKind } from '../../activities/ledger/entry.js';
import { postgresContent } from '../../simulators/postgres.js';
import { s3Objects, seedS3 } from '../../simulators/s3.js';
import type { World } from '../../simulators/world.js';
import { findRunbook } from '../../triggers/catalogue.js';
import type { RehearsalHooks, RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';
import { messagesOf } from '../helpers/rehearsals.js';

const LIVE = 'shop-files';
const BACKUP = 'shop-backups';
const SCRATCH = 'verify_shop';

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
  const found = findRunbook(installation.installation.catalogue, 'backupAndVerify');
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
const effects = ({ world }: RehearsalResult): string[] =>
  world.effects.map(({ system, what, subject }) => `${system}: ${what}: ${subject}`);
const restores = (result: RehearsalResult): string[] =>
  effects(result).filter((effect) => effect === `postgres: database restored: app__${SCRATCH}`);

/** Somebody uploads a file whenever a pass over the files is done. */
function uploading(times: number): RehearsalHooks {
  let world: World | undefined;
  let uploads = 0;
  return {
    prepare: (prepared) => void (world = prepared),
    steps: (steps) => {
      const { copyAll } = steps.s3;
      const run: typeof copyAll.run = async (input, step) => {
        const copied = await copyAll.run(input, step);
        if (world !== undefined && uploads < times) {
          uploads += 1;
          seedS3(world, LIVE, { [`late/${uploads}`]: `upload ${uploads}` });
        }
        return copied;
      };
      return { ...steps, s3: { ...steps.s3, copyAll: { ...copyAll, run } } };
    },
  };
}

function expectPeopleTold(result: RehearsalResult): void {
  expect(begun(result)).toEqual(
    expect.arrayContaining(['undo/pagerduty.trigger#1', 'undo/slack.post#1', 'undo/email.send#1']),
  );
  expect(messagesOf(result)).toContainEqual(expect.stringContaining('the backup was not verified'));
  expect(of(result, 'severity.set')).toMatchObject([{ severity: 'sev2' }]);
}

describe('a database backup', () => {
  test('that is truncated or corrupted is noticed, and people are told', async () => {
    const result = await rehearse('The backup can not be restored');
    expect(result.outcome).toBe('aborted');
    expect(of(result, 'question.asked')).toMatchObject([
      { target: 'postgres.restoreInto#1', question: 'failed step' },
    ]);
    expect(messagesOf(result)).toContainEqual(expect.stringContaining('is damaged: its SHA-256'));
    expectPeopleTold(result);
    expect(result.output).toBeUndefined();
  });

  test('whose content is damaged is noticed, and people are told', async () => {
    const result = await rehearse('What comes back is damaged');
    expect(result.outcome).toBe('failed');
    expectPeopleTold(result);
    expect(of(result, 'evidence.kept').map(({ evidence }) => evidence)).toEqual(['report']);
  });

  test('pages nobody when it was verified', async () => {
    const result = await rehearse('Every night');
    expect(effects(result).filter((effect) => effect.startsWith('pagerduty'))).toEqual([]);
    expect(of(result, 'severity.set')).toEqual([]);
  });

  test('leaves no scratch database behind, whatever happened', async () => {
    for (const name of ['Every night', 'Database', 'What comes back is damaged']) {
      const result = await rehearse(name);
      expect(restores(result), name).toHaveLength(1);
      expect(postgresContent(result.world, 'app', SCRATCH), name).toBeUndefined();
    }
    const stopped = await rehearse('Database', {
      faults: [{ operation: 'postgres.checkIntegrity', point: 'before', status: 400 }],
      answers: { 'postgres.checkIntegrity#1': { by: 'Ada', choice: 'abort', reason: 'It hangs' } },
      ends: 'aborted',
    });
    expect(restores(stopped)).toHaveLength(1);
    expect(begun(stopped)).toContain('undo/postgres.dropScratch#1');
    expect(postgresContent(stopped.world, 'app', SCRATCH)).toBeUndefined();
  });

  test('is not taken for good because a file exists: rows and checksums are compared', async () => {
    const result = await rehearse('The backup can not be restored', {
      answers: {
        'postgres.restoreInto#1': {
          by: 'Ada',
          choice: 'done',
          evidence: 'The file is there',
          result: {
            scratch: SCRATCH,
            at: '2026-01-01T00:00:00.000Z',
            tables: 3,
            rows: 3_400,
            digest: 'f'.repeat(64),
          },
        },
      },
      ends: 'failed',
    });
    expect(result.outcome).toBe('failed');
    expect(begun(result)).not.toContain('postgres.checkIntegrity#1');
    expectPeopleTold(result);
  });

  test('has the rows and the checksum of what was saved, and not of what was written since', async () => {
    const result = await rehearse('Database', { world: { writesAfterBackup: true } });
    expect(result.outcome).toBe('completed');
    expect(result.output).toMatchObject({
      backup: expect.stringMatching(/^app\/.*--daily--/) as string,
      rows: 3_400,
      bytes: expect.any(Number) as number,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      verifiedAt: expect.any(String) as string,
    });
    const live = Object.values(postgresContent(result.world, 'app') ?? {});
    expect(live.reduce((sum, { rows }) => sum + rows, 0)).toBe(3_401);
  });

  test('that is damaged does not leave the files without a backup', async () => {
    const result = await rehearse('What comes back is damaged');
    expect(begun(result)).toContain('s3.copyAll#1');
  });
});

describe('a backup of files', () => {
  test('has every file that is in use, and keeps those that were deleted', async () => {
    const result = await rehearse(
      'Files',
      {},
      {
        prepare: (world) => {
          seedS3(world, BACKUP, { 'files/deleted/1': 'still needed' });
          seedS3(world, LIVE, { 'documents/1': 'a new version' });
        },
      },
    );
    const live = Object.entries(s3Objects(result.world, LIVE));
    const backup = s3Objects(result.world, BACKUP);
    expect(live.length).toBeGreaterThan(3);
    for (const [key, content] of live) expect(backup[`files/${key}`]?.equals(content), key).toBe(true);
    expect(String(backup['files/documents/1'])).toBe('a new version');
    expect(String(backup['files/deleted/1'])).toBe('still needed');
    expect(result.output).toMatchObject({ backup: null, rows: null });
  });

  test('has the files, too, that were uploaded while it was made', async () => {
    const result = await rehearse('Files', {}, uploading(2));
    expect(result.outcome).toBe('completed');
    const backup = s3Objects(result.world, BACKUP);
    expect([String(backup['files/late/1']), String(backup['files/late/2'])]).toEqual([
      'upload 1',
      'upload 2',
    ]);
  });

  test('that never catches up does not count as one, and people are told', async () => {
    const result = await rehearse('Files', { ends: 'failed' }, uploading(Infinity));
    expect(result.outcome).toBe('failed');
    expectPeopleTold(result);
  });
});

describe('beside other runs', () => {
  test('a backup waits for another one of the same service, and for nothing else', async () => {
    const result = await rehearse('Every night');
    expect(of(result, 'lock.acquired')).toMatchObject([{ resource: 'service/shop/backup' }]);
    expect(entry().spec.whenLocked).toBe('queue');
  });

  test('nobody is asked about the configuration when nothing was changed', async () => {
    expect(of(await rehearse('Every night'), 'question.asked')).toEqual([]);
    expect(of(await rehearse('Configuration that was changed'), 'question.asked')).toMatchObject([
      { target: 'configuration-in-git', question: 'manual step' },
    ]);
  });
});
