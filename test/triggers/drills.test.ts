import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRunbook } from '../../triggers/catalogue.js';
import { listDrills, readDrill, storeDrill } from '../../triggers/drills.js';
import { drillMarkdown, drillReport, type DrillReport } from '../../worker/rehearsal/drill-report.js';
import type { RehearsalHost } from '../../worker/rehearsal/index.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';

const REHEARSAL = 'The window ends with maintenance mode on';

let installation: TestInstallation;
let host: RehearsalHost;
let report: DrillReport;

beforeAll(async () => {
  installation = await testInstallation();
  host = await rehearsalHost(installation);
  const entry = findRunbook(installation.installation.catalogue, 'maintenanceWindow');
  const rehearsal = entry?.spec.rehearsals.find(({ name }) => name === REHEARSAL);
  if (entry === undefined || rehearsal === undefined) throw new Error('There is no such rehearsal.');
  report = drillReport('maintenanceWindow', REHEARSAL, await host.rehearse(entry, rehearsal));
}, 120_000);

afterAll(async () => {
  await host?.close();
  await installation?.close();
}, 60_000);

describe('the report of a drill', () => {
  test('tells which clocks were missed, which gates were decided, by whom, and when by the clock of the run', () => {
    expect(report.clocks).toMatchObject([{ clock: 'window', outcome: 'justified' }]);
    const extended = report.gates.find(({ gate }) => gate === 'extend-or-roll-back');
    expect(extended).toMatchObject({ outcome: 'approved' });
    expect(extended?.people).toHaveLength(1);
    expect(report.answers.map(({ by }) => by)).toContain('Margaret');
    expect(report.virtualMs).toBeGreaterThan(72 * 3_600_000);
  });

  test('is a page whose cells nobody can break out of', () => {
    const page = drillMarkdown({ ...report, rehearsal: 'a | b <script>' }, () => 'Mar|garet');
    expect(page).toContain('a \\| b \\<script\\>');
    expect(page).toContain('Mar\\|garet');
    expect(page).toContain('| window |');
  });
});

describe('stored drills', () => {
  test('are listed with the newest first, and by runbook', async () => {
    const { pool } = installation.installation;
    const first = await storeDrill(pool, 'default', report, '# Drill');
    const second = await storeDrill(
      pool,
      'default',
      { ...report, run: `${report.run}x`, runbook: 'other' },
      '# Other',
    );
    const all = await listDrills(pool, 'default', { limit: 10 });
    expect(all.map(({ id }) => id)).toEqual([second, first]);
    const mine = await listDrills(pool, 'default', { runbook: 'maintenanceWindow', limit: 10 });
    expect(mine.map(({ id }) => id)).toEqual([first]);
    expect((await readDrill(pool, 'default', first))?.report).toEqual(report);
  });

  test('are stored once, however often that is tried', async () => {
    const { pool } = installation.installation;
    expect(await storeDrill(pool, 'default', report, '# Drill')).toBe(
      await storeDrill(pool, 'default', report, '# Drill'),
    );
  });

  test('of another organisation are not seen', async () => {
    const { pool } = installation.installation;
    const id = await storeDrill(pool, 'other', report, '# Drill');
    expect(await readDrill(pool, 'default', id)).toBeUndefined();
  });
});
