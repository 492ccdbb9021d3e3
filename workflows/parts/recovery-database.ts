import { ApplicationFailure } from '@temporalio/common';
import type { Service } from '../../config/services.js';
import type { Run } from '../engine/runbook.js';

/** Time to decide; no document names one. */
const DECIDE_WITHIN = '30 minutes';
/** Name of the restored database until it takes the place of the one at the recovery site. */
const SCRATCH = 'recovery';

type RecoveryRun = Run<{ readonly service: Service }>;

/** Ids for the plan. */
export const RESTORING = [
  ...['postgres.listBackups', 'postgres.tryRestore', 'postgres.checkIntegrity', 'older-backup'],
  ...['postgres.promote', 'postgres.putBack', 'postgres.dropScratch', 'postgres.fingerprint'],
] as const;

export interface RestoredDatabase {
  readonly backup: string;
  readonly at: string;
  readonly tables: number;
  readonly rows: number;
  readonly digest: string;
  readonly previous: string;
  readonly refused: readonly string[];
}

/**
 * Restores the newest backup that is sound to the recovery site. Of one that is not people hear at once, and decide
 * about an older one. Undone, the recovery site has the database that it had.
 * @throws ApplicationFailure `NoBackup` when none is left or people stop, `DataDiffers` when something else writes
 */
export async function restoreDatabase(run: RecoveryRun): Promise<RestoredDatabase> {
  const { postgres } = run.steps;
  const { title, database: lost, disasterRecovery } = run.config.service;
  const { database } = disasterRecovery;
  const { backups } = await postgres.listBackups({ database: lost });
  run.undo('postgres.dropScratch', 'drop the restored database', () =>
    postgres.dropScratch({ database, scratch: SCRATCH }),
  );
  const refused: string[] = [];
  for (const [nth, { backup, at }] of backups.entries()) {
    const { sound, problem } = await restoreOne(run, backup);
    if (sound !== null) return { ...sound, backup, refused };
    refused.push(backup);
    const older = backups[nth + 1];
    if (older === undefined) break;
    const { option } = await run.decide('older-backup', {
      question: `${title}: ${problem} The next older backup is of ${older.at} instead of ${at}. Restore that one?`,
      choices: ['restore the older one', 'stop'] as const,
      group: 'approvers',
      within: DECIDE_WITHIN,
    });
    if (option === 'stop') throw noBackup(lost, refused, 'People decided to restore no older one.');
  }
  throw noBackup(lost, refused, 'There is no older one.');
}

/** One backup: restored beside the database, checked, put in its place, and compared with what was checked. */
async function restoreOne(
  run: RecoveryRun,
  backup: string,
): Promise<
  | { readonly sound: Omit<RestoredDatabase, 'backup' | 'refused'>; readonly problem: null }
  | { readonly sound: null; readonly problem: string }
> {
  const { postgres } = run.steps;
  const { database } = run.config.service.disasterRecovery;
  const { restored, problem } = await postgres.tryRestore({ database, backup, scratch: SCRATCH });
  if (restored === null) return { sound: null, problem: problem ?? `Backup ${backup} is damaged.` };
  const { passed, problems } = await postgres.checkIntegrity({ database, scratch: SCRATCH });
  if (!passed)
    return {
      sound: null,
      problem: `Restored from backup ${backup}, the check found ${problems.join(', ')}.`,
    };
  let former: string | null = null;
  run.undo('postgres.putBack', 'put the former database of the recovery site back', async () => {
    if (former !== null) await postgres.putBack({ database, previous: former, scratch: SCRATCH });
  });
  const { previous } = await postgres.promote({ database, scratch: SCRATCH });
  former = previous;
  const { digest } = await postgres.fingerprint({ database });
  const { at, tables, rows } = restored;
  if (digest === restored.digest) return { sound: { at, tables, rows, digest, previous }, problem: null };
  throw ApplicationFailure.nonRetryable(
    `Database ${database} is not what was restored from ${backup}: something writes to it. Stop that, and start again.`,
    'DataDiffers',
  );
}

function noBackup(database: string, refused: readonly string[], why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `No backup of database ${database} was restored (${refused.join(', ') || 'it has none'}). ${why} ` +
      'Look in its bucket for another one, or start again.',
    'NoBackup',
  );
}
