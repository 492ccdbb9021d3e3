import { ApplicationFailure } from '@temporalio/common';
import type { Plan } from '../engine/types.js';
import { copyAndCompare, KEPT, shown, within, type Place } from './copies.js';
import type { Recovered, RecoveryRun } from './restore-database.js';

/** Time to decide; no document names one. Nobody deciding changes nothing, or puts the former files back. */
const REPLACE_WITHIN = '1 hour';
const CHECKS_WITHIN = '1 hour';
/** Characters of the digest that the place of what is replaced is named by. */
const NAMED_BY = 16;

export const filesPlan: Plan = [
  {
    heading: 'Compare the files in use with their backup, and agree on the restore',
    source: '003_2522b3a81675c108.txt 453',
    uses: ['s3.inventory', 'replace-files'],
  },
  {
    heading: 'Make the application read-only, and keep what is replaced',
    source: '004_7a3def0868c62bab.txt 394',
    uses: ['application.freezeWrites', 'application.unfreezeWrites', 's3.copyAll'],
  },
  {
    heading: 'Restore the files from the backup',
    source: '003_2522b3a81675c108.txt 453',
    uses: ['s3.copyAll', 's3.inventory'],
  },
  {
    heading: 'Verify that files can be reached',
    source: '003_2522b3a81675c108.txt 456',
    uses: ['application.health', 'go-on-despite-checks', 'report'],
  },
];

/**
 * Copies the files of a backup over those in use, below a prefix. Files that the backup does not have stay.
 * @throws ApplicationFailure `BackupPlace`, `EmptyBackup`, `NotComparable`
 */
export async function restoreFiles(run: RecoveryRun, prefix: string, reason: string): Promise<Recovered> {
  const { application, s3 } = run.steps;
  const { title, storage, checks } = run.config.service;
  const startedAt = run.now();
  const live = within(storage.live, prefix);
  const backup = within(storage.backup, prefix);
  // What is kept must not be taken for a part of the backup by the next restore.
  if (KEPT.startsWith(storage.backup.prefix) || storage.backup.prefix.startsWith(KEPT)) {
    throw ApplicationFailure.nonRetryable(
      `The file backup of ${title} is at ${shown(storage.backup)}, which would mix with ${KEPT}. Give it a prefix of its own in config/services.yaml.`,
      'BackupPlace',
    );
  }

  // 1. What would be replaced by what.
  const before = await s3.inventory(live);
  const saved = await s3.inventory(backup);
  if (saved.objects === 0) {
    throw ApplicationFailure.nonRetryable(
      `There is no object at ${shown(backup)}. Start again with another prefix.`,
      'EmptyBackup',
    );
  }
  await run.approve('replace-files', {
    question:
      `Copy ${saved.objects} objects (${saved.bytes} bytes) from ${shown(backup)} over ${shown(live)}, which has ${before.objects} (${before.bytes} bytes)? ` +
      'Newer versions of the same objects are replaced and kept; the application is read-only meanwhile.',
    group: 'approvers',
    within: REPLACE_WITHIN,
  });

  // 2. Nothing is written that would be lost; what is there is kept, in a place named after its content.
  run.undo('application.unfreezeWrites', 'let the application write again', () =>
    application.unfreezeWrites({}),
  );
  await application.freezeWrites({ reason: `Restore of files: ${reason}`.slice(0, 500) });
  const now = await s3.inventory(live);
  const kept: Place = {
    bucket: backup.bucket,
    prefix: `${KEPT}${now.digest.slice(0, NAMED_BY)}/`,
  };
  await copyOrFail(run, live, kept);

  // 3. Restore. The undo copies back what was replaced; objects that were missing stay.
  run.undo('s3.copyAll', 'copy the replaced files back', () => s3.copyAll({ from: kept, to: live }));
  const copy = await copyOrFail(run, backup, live);

  // 4. Verify.
  const { passed, failed } = await application.health({ checks: [...checks] });
  if (!passed) {
    await run.approve('go-on-despite-checks', {
      question: `${title}: ${failed.join(', ')} failed with the restored files. Keep them all the same? Declining copies the former ones back.`,
      group: 'approvers',
      within: CHECKS_WITHIN,
    });
  }
  await application.unfreezeWrites({});
  run.keep();

  const usableAt = run.now();
  const { hash } = await run.report('report', `Restore of files of ${title}`, {
    kind: 'incident report',
    facts: [
      {
        heading: 'Restored',
        lines: [
          `Reason given: ${reason}`,
          `From ${shown(backup)} to ${shown(live)}: ${copy.copied} objects replaced or added`,
          `In use now: ${copy.objects} objects, ${copy.bytes} bytes, digest ${copy.digest}`,
          `Objects that the backup does not have, and that stay: ${copy.extra}`,
        ],
      },
      {
        heading: 'Kept',
        lines: [
          `What was in use before: ${shown(kept)}, ${now.objects} objects, digest ${now.digest}. Nothing deletes it: do so when nobody needs it any more.`,
        ],
      },
    ],
  });
  return {
    restored: 'files',
    source: shown(backup),
    kept: shown(kept),
    report: hash,
    // Copies have no date of their own: how old the newest lost version is can't be told.
    measured: { rtoMs: usableAt.getTime() - startedAt.getTime() },
  };
}

async function copyOrFail(run: RecoveryRun, from: Place, to: Place) {
  const copy = await copyAndCompare(run, from, to);
  if (copy.problem === null) return copy;
  throw ApplicationFailure.nonRetryable(copy.problem, 'NotComparable');
}
