import { ApplicationFailure } from '@temporalio/common';
import type { Notifications } from '../../config/notifications.js';
import type { Service } from '../../config/services.js';
import type { Run } from '../engine/runbook.js';
import type { Plan, Severity } from '../engine/types.js';
import { notify, notifying, tell } from './notify.js';

/** Time to decide; no document names one. Nobody deciding changes nothing, or puts the former database back. */
const CHOOSE_WITHIN = '1 hour';
const CHECKS_WITHIN = '1 hour';
const DECIDE_ON_ERRORS_WITHIN = '30 minutes';
/** 002_c9cf85ce92b0c6c9.txt 107 says "monitor"; neither how long nor how often is named. */
const WATCH = '1 hour';
const LOOK_EVERY = '5 minutes';
const LOOK_EVERY_MINUTES = 5;
/** 002_c9cf85ce92b0c6c9.txt 68: an error rate above 1 % is a warning. */
const ERROR_RATE = 0.01;
/** Users can't work meanwhile. No document says how severe that is. */
const SEVERITY: Severity = 'sev2';
const AUDIENCE = 'stakeholders';
const MINUTE_MS = 60_000;

export interface RecoveryConfig {
  readonly service: Service;
  readonly notifications: Notifications;
}
export type RecoveryRun = Run<RecoveryConfig>;

export interface Recovered {
  readonly restored: 'database' | 'files';
  readonly source: string;
  /** Where what was replaced is kept. */
  readonly kept: string;
  readonly report: string;
  /** Milliseconds from the start of the run to the application being usable; of data that is lost, where known. */
  readonly measured: { readonly rtoMs: number; readonly rpoMs?: number };
}

export const databasePlan = ({ notifications }: RecoveryConfig): Plan => [
  {
    heading: 'Choose the backup, and agree on what is lost',
    source: '003_2522b3a81675c108.txt 444',
    uses: ['postgres.listBackups', 'restore-point'],
  },
  {
    heading: "Stop the application's traffic",
    source: '002_c9cf85ce92b0c6c9.txt 103',
    uses: ['application.stopTraffic', ...notifying(notifications, AUDIENCE)],
  },
  {
    heading: 'Back up the current state before anything is replaced',
    source: '004_7a3def0868c62bab.txt 394',
    uses: ['postgres.backup'],
  },
  {
    heading: 'Restore beside the database in use',
    source: '002_c9cf85ce92b0c6c9.txt 104, 003_2522b3a81675c108.txt 444',
    uses: ['postgres.restoreInto', 'postgres.dropScratch'],
  },
  {
    heading: 'Verify the integrity, and put the restored database into use',
    source: '002_c9cf85ce92b0c6c9.txt 105, 003_2522b3a81675c108.txt 447',
    uses: [
      ...['postgres.checkIntegrity', 'postgres.fingerprint', 'postgres.promote', 'postgres.putBack'],
      ...['look-at-databases', 'application.health', 'go-on-despite-checks'],
    ],
  },
  {
    heading: 'Resume traffic',
    source: '002_c9cf85ce92b0c6c9.txt 106',
    uses: ['application.resumeTraffic'],
  },
  {
    heading: 'Monitor for issues',
    source: '002_c9cf85ce92b0c6c9.txt 107',
    uses: ['watch', 'application.errorRate', 'go-on-despite-errors', 'report'],
  },
];

/**
 * Puts a backup in the place of the database in use, and keeps the database that it replaces.
 * @param restorePoint ISO 8601, UTC: the newest backup before it; empty: the newest of all
 * @throws ApplicationFailure `NoBackup`, `RestoredDataDamaged`
 */
export async function restoreDatabase(
  run: RecoveryRun,
  restorePoint: string,
  reason: string,
): Promise<Recovered> {
  const { application, postgres } = run.steps;
  const { database, title, checks, id } = run.config.service;
  const scratch = scratchOf(id);
  const startedAt = run.now();

  // 1. Which backup, and what is missing from it.
  const chosen = await chooseBackup(run, restorePoint);
  await agreeOn(run, chosen.backup, chosen.at);

  // 2. Stop traffic. Whatever happens, it is let in again.
  let traffic: 'stopped' | 'resumed' = 'stopped';
  let told = false;
  run.undo('application.resumeTraffic', 'let traffic in again', async () => {
    await application.resumeTraffic({});
    if (!told) return;
    await tell(run, {
      audience: AUDIENCE,
      severity: SEVERITY,
      subject: `${title} is back`,
      text: `The former database is in use: the restore was given up. Run ${run.id}.`,
    });
  });
  const stoppedAt = run.now();
  await application.stopTraffic({ reason: `Restore of the database: ${reason}`.slice(0, 500) });
  told = true;
  notify(run, {
    audience: AUDIENCE,
    severity: SEVERITY,
    subject: `${title} is stopped`,
    text: `Its database is restored from the backup of ${chosen.at}. Run ${run.id}.`,
  });

  // 3. The current state first: it may hold what the backup lacks.
  const current = await postgres.backup({ database, label: 'before-restore' });

  // 4. Restore beside the database in use.
  run.undo('postgres.dropScratch', 'drop the restored database', () =>
    postgres.dropScratch({ database, scratch }),
  );
  const restored = await postgres.restoreInto({ database, backup: chosen.backup, scratch });
  // Somebody may have retried it with another backup, because the first one was damaged.
  if (restored.at !== chosen.at) await agreeOn(run, 'another backup', restored.at);

  // 5. Verify, and put it into use.
  const integrity = await postgres.checkIntegrity({ database, scratch });
  const found = await postgres.fingerprint({ database, scratch });
  if (!integrity.passed || found.digest !== restored.digest) {
    const why = integrity.passed ? 'its checksums changed' : integrity.problems.join(', ');
    throw ApplicationFailure.nonRetryable(
      `The restored database is damaged (${why}) and was not put into use. Start again with an earlier restore point.`,
      'RestoredDataDamaged',
    );
  }
  let previous: string | null = null;
  run.undo('postgres.putBack', 'put the former database back', async () => {
    await application.stopTraffic({ reason: 'The former database is put back' });
    // What users wrote since is in the restored database only, and that one is dropped.
    if (traffic === 'resumed') await postgres.backup({ database, label: 'before-put-back' });
    if (previous !== null) await postgres.putBack({ database, previous, scratch });
    else await lookAtDatabases(run, scratch);
  });
  ({ previous } = await postgres.promote({ database, scratch }));
  const { passed, failed } = await application.health({ checks: [...checks] });
  if (!passed) {
    await run.approve('go-on-despite-checks', {
      question: `${title}: ${failed.join(', ')} failed with the restored database. Let traffic in all the same? Declining puts the former one back.`,
      group: 'approvers',
      within: CHECKS_WITHIN,
    });
  }

  // 6. Resume traffic.
  traffic = 'resumed';
  await application.resumeTraffic({});
  const resumedAt = run.now();
  notify(run, {
    audience: AUDIENCE,
    severity: SEVERITY,
    subject: `${title} is back`,
    text: `It has the data of ${restored.at}. Run ${run.id}.`,
  });

  // 7. Watch. Until its end the former database can be put back by a decision.
  let accepted = ERROR_RATE;
  await run.wait('watch', WATCH, 'errors are watched with the restored database', {
    every: LOOK_EVERY,
    look: async () => {
      accepted = await lookForErrors(run, accepted);
    },
  });
  run.keep();

  const lostMs = Math.max(0, stoppedAt.getTime() - Date.parse(restored.at));
  const outageMs = resumedAt.getTime() - stoppedAt.getTime();
  const { hash } = await run.report('report', `Restore of the database of ${title}`, {
    kind: 'incident report',
    facts: [
      {
        heading: 'Restored',
        lines: [
          `Reason given: ${reason}`,
          `State of: ${restored.at}`,
          `Rows: ${restored.rows} in ${restored.tables} tables, digest ${restored.digest}`,
          `Missing: what was written in the ${minutes(lostMs)} before ${stoppedAt.toISOString()}`,
          `Traffic was stopped for ${minutes(outageMs)}, until ${resumedAt.toISOString()}`,
        ],
      },
      {
        heading: 'Kept',
        lines: [
          `The former database is kept beside database ${database} as ${previous}. Nothing drops it: do so when nobody needs it any more.`,
          `Backup of its last state: ${current.backup} (${current.rows} rows, SHA-256 ${current.sha256})`,
        ],
      },
    ],
  });
  return {
    restored: 'database',
    source: restored.at,
    kept: previous,
    report: hash,
    measured: { rtoMs: resumedAt.getTime() - startedAt.getTime(), rpoMs: lostMs },
  };
}

/** @throws ApplicationFailure `NoBackup` */
async function chooseBackup(run: RecoveryRun, restorePoint: string) {
  const { database } = run.config.service;
  const { backups } = await run.steps.postgres.listBackups({
    database,
    ...(restorePoint === '' ? {} : { before: new Date(restorePoint).toISOString() }),
  });
  const [newest] = backups;
  if (newest !== undefined) return newest;
  const when = restorePoint === '' ? '' : ` from before ${restorePoint}`;
  const next =
    restorePoint === ''
      ? 'Look where its backups are kept: config/databases.yaml.'
      : 'Start again with a later restore point.';
  throw ApplicationFailure.nonRetryable(
    `There is no backup of database ${database}${when}. ${next}`,
    'NoBackup',
  );
}

/** The restore point decides which data is lost, so that people decide on it. */
async function agreeOn(run: RecoveryRun, backup: string, at: string): Promise<void> {
  const lost = minutes(Math.max(0, run.now().getTime() - Date.parse(at)));
  await run.approve('restore-point', {
    question: `Restore ${run.config.service.title} to its state of ${at} (${backup})? What was written since, in ${lost} so far, will be missing.`,
    group: 'approvers',
    within: CHOOSE_WITHIN,
  });
}

/** The swap was given up without an answer: only somebody who looks can tell whether it happened. */
async function lookAtDatabases(run: RecoveryRun, scratch: string): Promise<void> {
  const { database } = run.config.service;
  await run.manual('look-at-databases', {
    instruction:
      `Nobody knows whether database ${database} was replaced. When there is no database whose name ends with __${scratch} any more, it was: ` +
      `end the connections, rename it to the name with __${scratch}, and rename the newest one with __before_ to the name of the database. ` +
      'Otherwise there is nothing to do. Give the names that you found as evidence.',
  });
}

/** One look. Returns the error rate up to which nobody is asked again. */
async function lookForErrors(run: RecoveryRun, accepted: number): Promise<number> {
  const { ratio } = await run.steps.application.errorRate({ minutes: LOOK_EVERY_MINUTES });
  if (ratio <= accepted) return accepted;
  await run.approve('go-on-despite-errors', {
    question:
      `${run.config.service.title}: ${(ratio * 100).toFixed(1)} % of requests fail with the restored database. Keep it? ` +
      'Declining puts the former one back; what was written since is kept in a backup.',
    group: 'approvers',
    within: DECIDE_ON_ERRORS_WITHIN,
  });
  return ratio;
}

const minutes = (ms: number): string => `${Math.round(ms / MINUTE_MS)} minutes`;

/** Two services may share a database. 30 characters at most. */
const scratchOf = (service: string): string => `restore_${service.replaceAll('-', '_')}`.slice(0, 30);
