import { z } from 'zod';
import { runbook } from './engine/runbook.js';
import type { Plan } from './engine/types.js';
import {
  databasePlan,
  restoreDatabase,
  type RecoveryConfig,
  type RecoveryRun,
} from './parts/restore-database.js';
import { filesPlan, restoreFiles } from './parts/restore-files.js';
import { dataRecoveryRehearsals } from './rehearsals/data-recovery.js';

const HOUR_MS = 3_600_000;
/** How far back changes are looked up; 002_c9cf85ce92b0c6c9.txt 323 says "recent". */
const RECENT_MS = 72 * HOUR_MS;
/** Time to decide; no document names one. After it the owners are asked as well. */
const DECIDE_WITHIN = '4 hours';

/**
 * Finds out whether data is damaged, and brings a database or files back from their backup. Follows
 * 002_c9cf85ce92b0c6c9.txt 100-107 and 320-325, and 003_2522b3a81675c108.txt 439-457.
 */
export const dataRecovery = runbook(
  {
    name: 'dataRecovery',
    title: 'Recover data',
    summary:
      'Checks whether data is damaged, or restores a database beside the one in use and swaps it in once it was ' +
      'verified, or copies files back from their backup. What is replaced is kept.',
    covers: ['A-058', 'A-084', 'A-085', 'A-086'],
    corrections: [
      '002_c9cf85ce92b0c6c9.txt 104 restores over the database in use and verifies afterwards; here it is verified beside it, and then swapped in.',
      '003_2522b3a81675c108.txt 442-447 restores while users write; here traffic is stopped, as in 002_c9cf85ce92b0c6c9.txt 103.',
      'Neither of both saves the current state before it is replaced; here it is backed up, and the former database is kept.',
      '003_2522b3a81675c108.txt 444 takes a date; which data is lost by it is a decision of the approvers here.',
      '003_2522b3a81675c108.txt 453 restores files of a date; the copies in the backup have none: the newest are restored.',
    ],
    input: z
      .object({
        service: z
          .string()
          .min(1)
          .max(50)
          .meta({
            title: 'Service',
            description: 'Its id in config/services.yaml',
            examples: ['shop'],
            options: 'services',
          }),
        mode: z
          .enum(['diagnose', 'database', 'files'])
          .default('diagnose')
          .meta({
            title: 'Mode',
            description: 'diagnose: only look, and decide then; database, files: restore',
            examples: ['database'],
          }),
        restorePoint: z
          .string()
          .max(40)
          .refine((text) => text === '' || z.iso.datetime({ offset: true }).safeParse(text).success, {
            error: 'is not a moment: 2027-01-03T01:00:00Z, or with the offset from UTC, +01:00 instead of Z',
          })
          .default('')
          .meta({
            title: 'Restore point',
            description: 'The newest database backup before this moment; empty: the newest of all',
            examples: ['2027-01-03T01:00:00Z'],
          }),
        prefix: z
          .string()
          .max(400)
          .default('')
          .meta({
            title: 'Prefix',
            description: 'Restore only files below it, with a slash at its end; empty: all',
            examples: ['avatars/'],
          }),
        reason: z
          .string()
          .min(10)
          .max(400)
          .meta({
            title: 'Reason',
            description: 'What seems to be wrong; no personal data',
            examples: ['Orders of last night are missing'],
          }),
      })
      .refine(({ prefix }) => prefix === '' || (prefix.endsWith('/') && !prefix.startsWith('/')), {
        path: ['prefix'],
        error: 'is not a prefix: it ends with a slash and does not start with one, or is empty for all files',
      })
      .refine(({ mode, restorePoint }) => mode !== 'files' || restorePoint === '', {
        path: ['restorePoint'],
        error: 'does not apply to files: their backup holds the newest copies only. Leave it empty',
      }),
    start: 'operators',
    lock: ({ service, mode }) =>
      mode === 'diagnose' ? `service/${service}/diagnosis` : `service/${service}`,
    config: ({ service }) => ({ service: `services/${service}`, notifications: 'notifications' }),
    plan: ({ mode }, config: RecoveryConfig) =>
      mode === 'database'
        ? databasePlan(config)
        : mode === 'files'
          ? filesPlan
          : [...diagnosisPlan, ...databasePlan(config), ...filesPlan],
    rehearsals: dataRecoveryRehearsals,
  },
  async ({ service, mode, restorePoint, prefix, reason }, run: RecoveryRun) => {
    if (mode === 'database') return await restoreDatabase(run, restorePoint, reason);
    if (mode === 'files') return await restoreFiles(run, prefix, reason);

    const { next, report } = await diagnose(run, reason);
    if (next === 'nothing') return { restored: 'nothing', report };
    // From here on no other run may touch the service.
    await run.lock(`service/${service}`);
    if (next === 'restore database') return await restoreDatabase(run, restorePoint, reason);
    return await restoreFiles(run, prefix, reason);
  },
);

const diagnosisPlan: Plan = [
  {
    heading: 'Verify the integrity of the data, and check for corruption',
    source: '002_c9cf85ce92b0c6c9.txt 321-322',
    uses: ['postgres.checkIntegrity', 'postgres.fingerprint'],
  },
  {
    heading: 'Review recent changes',
    source: '002_c9cf85ce92b0c6c9.txt 323',
    uses: ['application.recentChanges'],
  },
  {
    heading: 'Check the state of the backups',
    source: '002_c9cf85ce92b0c6c9.txt 324',
    uses: ['postgres.listBackups', 's3.inventory'],
  },
  {
    heading: 'Validate the migrations',
    source: '002_c9cf85ce92b0c6c9.txt 325',
    uses: ['look-at-migrations'],
  },
  {
    heading: 'Report, and decide what comes next',
    source: '002_c9cf85ce92b0c6c9.txt 320-325',
    uses: ['diagnosis', 'what-next'],
  },
];

/** Looks at everything and changes nothing. */
async function diagnose(run: RecoveryRun, reason: string) {
  const { application, postgres, s3 } = run.steps;
  const { database, title, storage } = run.config.service;
  const now = run.now();

  // 1. and 2. Integrity and corruption.
  const integrity = await postgres.checkIntegrity({ database });
  const content = await postgres.fingerprint({ database });

  // 3. Recent changes.
  const since = new Date(now.getTime() - RECENT_MS).toISOString();
  const { changes, newest } = await application.recentChanges({ since });

  // 4. Backups: how old, and how much they hold.
  const { backups } = await postgres.listBackups({ database });
  const [newestBackup] = backups;
  const live = await s3.inventory(storage.live);
  const saved = await s3.inventory(storage.backup);

  // 5. Migrations.
  await run.manual('look-at-migrations', {
    instruction:
      `Compare the migrations that database ${database} says are applied with those of the deployed version, ` +
      'and give the id of the last one of each as evidence.',
    critical: false,
  });

  const problems = integrity.passed ? 'none' : integrity.problems.join(', ');
  const age =
    newestBackup === undefined
      ? 'there is none'
      : `${newestBackup.backup}, ${((now.getTime() - Date.parse(newestBackup.at)) / HOUR_MS).toFixed(1)} hours old`;
  const { hash } = await run.report('diagnosis', `Data of ${title}`, {
    kind: 'initial report',
    facts: [
      {
        heading: 'Database',
        lines: [
          `Reason given: ${reason}`,
          `Problems: ${problems}`,
          `Files of tables and indexes read through (amcheck): ${integrity.amcheck ? 'yes' : 'no'}`,
          `Rows: ${content.rows} in ${content.tables} tables, digest ${content.digest}`,
        ],
      },
      { heading: 'Recent changes', lines: [`Since ${since}: ${changes}, the newest ${newest ?? 'none'}`] },
      {
        heading: 'Backups',
        lines: [
          `Database, the newest of ${backups.length}: ${age}`,
          `Files: ${saved.objects} objects, ${saved.bytes} bytes; in use ${live.objects} objects, ${live.bytes} bytes`,
        ],
      },
    ],
  });
  const { option } = await run.decide('what-next', {
    question:
      `${title}: problems of the database: ${problems}. Changes since ${since}: ${changes}. Newest backup: ${age}. ` +
      'What is done now?',
    choices: ['nothing', 'restore database', 'restore files'] as const,
    group: 'operators',
    within: DECIDE_WITHIN,
  });
  return { next: option, report: hash };
}
