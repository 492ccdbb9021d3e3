import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Notifications } from '../config/notifications.js';
import type { Service } from '../config/services.js';
import { runbook, type Run } from './engine/runbook.js';
import type { PlanSection, Severity } from './engine/types.js';
import { copyAndCompare, shown } from './parts/copies.js';
import { notifying, tell } from './parts/notify.js';
import { backupAndVerifyRehearsals } from './rehearsals/backup-and-verify.js';

/** 002_c9cf85ce92b0c6c9.txt 95, 003_2522b3a81675c108.txt 424: backups are made every day. */
const SINCE_LAST_MS = 24 * 3_600_000;
/** No document says how severe a missing backup is: nothing is broken yet, and nothing can be repaired any more. */
const SEVERITY: Severity = 'sev2';
const AUDIENCE = 'responders';
const LABEL = 'daily';

interface Config {
  readonly service: Service;
  readonly notifications: Notifications;
}
type BackupRun = Run<Config>;

/** What one part of the backup is, and what is wrong with it. */
interface Part {
  readonly heading: string;
  readonly lines: readonly string[];
  readonly problems: readonly string[];
}

/** Of a database backup. Of storage alone: no backup id, no rows; bytes and digest are those of the objects. */
interface Verified {
  readonly backup: string | null;
  readonly bytes: number | null;
  readonly rows: number | null;
  readonly digest: string | null;
}

/**
 * Backs a service up and proves that the backup can be restored: only then it counts as one. Follows
 * 002_c9cf85ce92b0c6c9.txt 93-98 and 003_2522b3a81675c108.txt 418-437.
 */
export const backupAndVerify = runbook(
  {
    name: 'backupAndVerify',
    title: 'Back up and verify',
    summary:
      'Backs up the database, the files or the configuration of a service, restores the database backup beside the ' +
      'database in use and compares rows and checksums. A backup that was not verified pages somebody.',
    covers: ['A-081', 'A-082', 'A-083'],
    corrections: [
      '003_2522b3a81675c108.txt 424 makes the backup at 02:00, when the Sunday window of 002_c9cf85ce92b0c6c9.txt 132 opens: schedule it at another hour. The window makes a backup of its own, an hour before.',
      '003_2522b3a81675c108.txt 427 verifies the backup of yesterday; here it is verified at once, by a restore.',
      '002_c9cf85ce92b0c6c9.txt 97 relies on replication, which repeats every deletion; here the copy loses nothing when something is deleted. What is overwritten is overwritten there too: let its bucket keep versions.',
      '003_2522b3a81675c108.txt 430-437 copies files and verifies nothing; here every object is compared.',
    ],
    input: z.object({
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
      target: z
        .enum(['database', 'storage', 'config', 'all'])
        .default('all')
        .meta({ title: 'Target', description: 'What is backed up', examples: ['database'] }),
      reason: z
        .string()
        .min(3)
        .max(500)
        .meta({
          title: 'Reason',
          description: 'Why it is backed up now; no personal data',
          examples: ['Every night'],
        }),
    }),
    start: 'operators',
    // Not the lock of the service: a backup and a maintenance window do each other no harm.
    lock: ({ service }) => `service/${service}/backup`,
    whenLocked: 'queue',
    config: ({ service }) => ({ service: `services/${service}`, notifications: 'notifications' }),
    plan: ({ target }, { notifications }: Config) => [
      ...(includes(target, 'database') ? databasePlan : []),
      ...(includes(target, 'storage') ? storagePlan : []),
      ...(includes(target, 'config') ? configPlan : []),
      {
        heading: 'Report, and page somebody when it was not verified',
        source: '001_d29f2070eb595a66.txt 246, 003_2522b3a81675c108.txt 544',
        uses: ['report', 'pagerduty.trigger', ...toldBy(notifications)],
      },
    ],
    rehearsals: backupAndVerifyRehearsals,
  },
  async ({ target, reason }, run: BackupRun) => {
    const { service } = run.config;

    // Whatever ends this run before the backup is verified: people are told that there is none.
    run.undo('pagerduty.trigger', 'page somebody: there is no verified backup', async () => {
      run.setSeverity(SEVERITY);
      await run.steps.pagerduty.trigger({
        summary: `${service.title}: the backup was not verified (${target}). Run ${run.id}.`,
        severity: 'error',
      });
      await tell(run, {
        audience: AUDIENCE,
        severity: SEVERITY,
        subject: `${service.title}: the backup was not verified`,
        text: `What was to be backed up: ${target}. It does not count as a backup; start it again. Run ${run.id}.`,
      });
    });

    let verified: Verified = { backup: null, bytes: null, rows: null, digest: null };
    const parts: Part[] = [];
    if (includes(target, 'database')) {
      const { part, ...database } = await backUpDatabase(run);
      parts.push(part);
      verified = database;
    }
    // One part that is damaged is no reason to leave the others without a backup.
    if (includes(target, 'storage')) {
      const { part, ...storage } = await backUpStorage(run);
      parts.push(part);
      if (target === 'storage') verified = { ...verified, ...storage };
    }
    if (includes(target, 'config')) parts.push(await checkConfiguration(run));

    const problems = parts.flatMap((part) => part.problems);
    const verifiedAt = run.now().toISOString();
    const { hash } = await run.report('report', `Backup of ${service.title}`, {
      kind: 'incident report',
      facts: [
        {
          heading: 'Result',
          lines:
            problems.length === 0
              ? [`Verified at ${verifiedAt}.`, `Reason given: ${reason}`]
              : ['Not verified: this does not count as a backup.', ...problems],
        },
        ...parts,
      ].map(({ heading, lines }) => ({ heading, lines })),
    });
    if (problems.length > 0) {
      throw ApplicationFailure.nonRetryable(
        `The backup of ${service.title} was not verified: ${problems.join(' ')}`,
        'BackupNotVerified',
      );
    }
    run.keep();
    return { ...verified, verifiedAt, report: hash };
  },
);

const includes = (target: string, part: 'database' | 'storage' | 'config'): boolean =>
  target === 'all' || target === part;

const databasePlan: readonly PlanSection[] = [
  {
    heading: 'Back up the database',
    source: '002_c9cf85ce92b0c6c9.txt 96, 003_2522b3a81675c108.txt 422-424',
    uses: ['postgres.backup'],
  },
  {
    heading: 'Restore it beside the database in use, and compare rows and checksums',
    source: '003_2522b3a81675c108.txt 427',
    uses: ['postgres.restoreInto', 'postgres.checkIntegrity', 'postgres.dropScratch'],
  },
];

const storagePlan: readonly PlanSection[] = [
  {
    heading: 'Copy the files to the second location, and compare',
    source: '002_c9cf85ce92b0c6c9.txt 97, 003_2522b3a81675c108.txt 430-437',
    uses: ['s3.copyAll', 's3.inventory'],
  },
];

const configPlan: readonly PlanSection[] = [
  {
    heading: 'Look that the configuration is in its repository',
    source: '002_c9cf85ce92b0c6c9.txt 98',
    uses: ['application.recentChanges', 'configuration-in-git'],
  },
];

/** The ways in which people are told, of the one severity that is used. */
function toldBy({ audiences, statusPage }: Notifications): string[] {
  const ways = audiences[AUDIENCE]?.[SEVERITY] ?? [];
  const only = { sev1: [], sev2: [], sev3: [], sev4: [], [SEVERITY]: ways };
  return notifying({ audiences: { [AUDIENCE]: only }, statusPage }, AUDIENCE);
}

/** A backup, and a restore of it into a database that nobody uses. */
async function backUpDatabase(run: BackupRun): Promise<Verified & { part: Part }> {
  const { postgres } = run.steps;
  const { database, id } = run.config.service;
  const scratch = scratchOf(id);
  const problems: string[] = [];

  const taken = await postgres.backup({ database, label: LABEL });
  const drop = () => postgres.dropScratch({ database, scratch });
  run.undo('postgres.dropScratch', 'drop the scratch database', drop);
  const restored = await postgres.restoreInto({ database, backup: taken.backup, scratch });
  // The verb has compared them with the manifest; a person who did the step by hand may have typed something else.
  if (
    restored.digest !== taken.digest ||
    restored.rows !== taken.rows ||
    restored.tables !== taken.tables ||
    restored.at !== taken.at
  ) {
    problems.push(
      `Backup ${taken.backup}: ${restored.rows} rows of ${restored.tables} tables came back (digest ` +
        `${restored.digest.slice(0, 16)}), and ${taken.rows} rows of ${taken.tables} tables (digest ` +
        `${taken.digest.slice(0, 16)}) were saved.`,
    );
  } else {
    const integrity = await postgres.checkIntegrity({ database, scratch });
    if (!integrity.passed) {
      problems.push(`Backup ${taken.backup}: what came back is damaged: ${integrity.problems.join(', ')}.`);
    }
  }
  await drop();
  const { backup, bytes, rows, digest } = taken;
  const lines = [
    `Backup: ${backup}`,
    `State of: ${taken.at}`,
    `Size: ${bytes} bytes, SHA-256 ${taken.sha256}`,
    `Restored and compared: ${restored.rows} rows of ${restored.tables} tables, digest ${restored.digest}`,
  ];
  return { backup, bytes, rows, digest, part: { heading: 'Database', lines, problems } };
}

async function backUpStorage(run: BackupRun): Promise<{ bytes: number; digest: string; part: Part }> {
  const { live, backup } = run.config.service.storage;
  const { objects, bytes, digest, copied, extra, problem } = await copyAndCompare(run, live, backup);
  const lines = [
    `From ${shown(live)} to ${shown(backup)}: ${copied} objects copied`,
    `Backup: ${objects} objects, ${bytes} bytes, digest ${digest}`,
    `Objects that exist in the backup only: ${extra}`,
    'Earlier versions of an object are there only when the bucket keeps versions.',
  ];
  return { bytes, digest, part: { heading: 'Files', lines, problems: problem === null ? [] : [problem] } };
}

/** No step can tell whether a change is committed: people look, when there was one. */
async function checkConfiguration(run: BackupRun): Promise<Part> {
  const { title, repository } = run.config.service;
  const since = new Date(run.now().getTime() - SINCE_LAST_MS).toISOString();
  const { changes, newest } = await run.steps.application.recentChanges({ since });
  if (changes > 0) {
    await run.manual('configuration-in-git', {
      instruction:
        `${title} was deployed or changed ${changes} times since ${since}, the last time by ${newest ?? 'a change without an id'}. ` +
        `Look that its configuration is committed and pushed to ${repository ?? 'its Git repository'}, and give the newest commit as evidence.`,
      critical: false,
    });
  }
  const lines = [`Deployments and changes since ${since}: ${changes}`, `Newest: ${newest ?? 'none'}`];
  return { heading: 'Configuration', lines, problems: [] };
}

/** Two services may share a database. 30 characters at most. */
const scratchOf = (service: string): string => `verify_${service.replaceAll('-', '_')}`.slice(0, 30);
