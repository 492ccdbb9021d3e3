import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Notifications } from '../config/notifications.js';
import type { Service } from '../config/services.js';
import { runbook, type Run } from './engine/runbook.js';
import { notify, notifying } from './parts/notify.js';
import { checkService, spoken, syncFiles } from './parts/sites.js';
import { LOWERING, SEEN, Traffic } from './parts/traffic.js';
import { disasterFailbackRehearsals } from './rehearsals/disaster-failback.js';

/** Time to decide; no document names one. While writes are frozen it is short. */
const BEGIN_WITHIN = '8 hours';
const SWITCH_WITHIN = '30 minutes';
const REMOVE_WITHIN = '4 hours';
/** Longest freeze of writes before somebody is paged; no document names one. */
const FREEZE_WITHIN = '1 hour';

/** Name of the restored database until it takes the place of the one at the primary site. */
const SCRATCH = 'failback';
const LABEL = 'failback';

interface Config {
  readonly service: Service;
  readonly notifications: Notifications;
}
type FailbackRun = Run<Config>;

/**
 * Brings a service back from its recovery site without losing a write: frozen, synced, compared, switched, and only
 * then writable again. Follows 003_2522b3a81675c108.txt 473-483.
 */
export const disasterFailback = runbook(
  {
    name: 'disasterFailback',
    title: 'Failback after a disaster',
    summary:
      'Brings a service back to its primary site: writes are frozen, database and files are synced back and compared, ' +
      'traffic is switched, and writes are let in again once the primary site passed its checks.',
    covers: ['A-089'],
    corrections: [
      '003_2522b3a81675c108.txt 476-479 syncs and then switches while users write, which loses what is written in between; here writes are frozen meanwhile.',
      '003_2522b3a81675c108.txt 482 verifies after the switch only; here the primary site is checked before it, and the synced data is compared.',
      'No document says what becomes of the recovery environment; here people decide.',
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
      reason: z
        .string()
        .min(10)
        .max(500)
        .meta({
          title: 'Reason',
          description: 'Why the primary site can be used again; no personal data',
          examples: ['The region of the primary site is back'],
        }),
    }),
    start: 'operators',
    // The same lock as the recovery: what one restores the other would move away.
    lock: ({ service }) => `service/${service}`,
    config: ({ service }) => ({ service: `services/${service}`, notifications: 'notifications' }),
    plan: (_input, { notifications }: Config) => [
      { heading: 'Look at the primary site, and agree to go back', uses: ['application.health', 'begin'] },
      {
        heading: 'Prepare the switch while nothing is frozen',
        uses: [...LOWERING, 's3.copyAll', 's3.inventory', 'go-on-despite-files'],
      },
      {
        heading: 'Freeze writes, and say so',
        uses: [
          ...['statuspage.createIncident', 'statuspage.updateIncident'],
          ...['application.freezeWrites', 'application.unfreezeWrites', 'freeze'],
          ...notifying(notifications, 'responders'),
        ],
      },
      {
        heading: 'Sync changes back to the primary site, and compare',
        source: '003_2522b3a81675c108.txt 475-476',
        uses: [
          ...['postgres.backup', 'postgres.restoreInto', 'postgres.dropScratch', 'postgres.checkIntegrity'],
          ...['postgres.promote', 'postgres.putBack', 'postgres.fingerprint'],
          ...['s3.copyAll', 's3.inventory', 'go-on-despite-files'],
        ],
      },
      {
        heading: 'Verify the primary site before traffic moves',
        source: '003_2522b3a81675c108.txt 481-482',
        uses: ['application.health', 'go-on-despite-checks'],
      },
      {
        heading: 'Switch traffic back to the primary site',
        source: '003_2522b3a81675c108.txt 478-479',
        uses: ['switch-back', 'dns.setRecords', ...SEEN],
      },
      {
        heading: 'Verify, and let writes in again',
        source: '003_2522b3a81675c108.txt 481-482',
        uses: ['application.health', 'keep-despite-checks', 'application.unfreezeWrites'],
      },
      {
        heading: 'Report',
        uses: ['statuspage.updateIncident', 'report', ...notifying(notifications, 'stakeholders')],
      },
      {
        heading: 'Decide what becomes of the recovery environment',
        uses: ['dr-environment', 'application.removeEnvironment'],
      },
    ],
    rehearsals: disasterFailbackRehearsals,
  },
  async ({ reason }, run: FailbackRun) => {
    const { application, statuspage } = run.steps;
    const { service } = run.config;
    const { title, storage } = service;
    const { dns, environment, storage: recovery } = service.disasterRecovery;

    // 1. Look at the primary site, and agree to go back.
    await begin(run, reason);

    // 2. The name gets a short time to live, and most files are copied, before anything is frozen.
    const traffic = await Traffic.prepare(run);
    await run.steps.s3.copyAll({ from: recovery, to: storage.live });
    await traffic.cachesExpired();

    // 3. Freeze writes. Whatever happens, they are let in again, or somebody is asked until they are.
    const incident = await announce(run);
    const frozenAt = run.now();
    const clock = run.deadline('freeze', {
      what: `${title} takes writes again`,
      within: FREEZE_WITHIN,
      group: 'on-call',
      onMissed: () =>
        notify(run, {
          audience: 'responders',
          severity: 'sev1',
          subject: `${title} takes no writes for more than ${FREEZE_WITHIN}`,
          text: `Writes are frozen since ${frozenAt.toISOString()}. Run ${run.id}.`,
        }),
    });
    const letWritesIn = () => application.unfreezeWrites({});
    run.undo('application.unfreezeWrites', 'let writes in again', letWritesIn);
    await application.freezeWrites({ reason: `Failback of ${title}` });

    // 4. Sync back, and compare.
    const synced = await syncDatabase(run);
    const files = await syncFiles(run, recovery, storage.live);

    // 5. The primary site works, before anybody is sent there.
    await checkService(run, {
      gate: 'go-on-despite-checks',
      when: 'at the primary site, to which nobody was sent yet',
      otherwise: 'everything is put back, and writes are let in again',
    });

    // 6. Switch. Nothing was written since the sync, so everything can still be put back.
    await run.approve('switch-back', {
      question:
        `${title}: the primary site has the same ${synced.rows} rows and ${files.objects} files. Writes are frozen ` +
        `since ${frozenAt.toISOString()}. Point ${dns.name} to ${dns.primary.join(', ')} now?`,
      group: 'approvers',
      within: SWITCH_WITHIN,
    });
    await assertUnwritten(run, synced.digest);
    run.undo('dns.setRecords', `point ${dns.name} to the recovery site again`, () => traffic.pointBack());
    await traffic.pointTo(dns.primary, dns.ttl);
    await traffic.seenEverywhere(dns.primary);
    await checkService(run, {
      gate: 'keep-despite-checks',
      when: `with ${dns.name} pointing to the primary site`,
      otherwise: 'everything is put back, and writes are let in at the recovery site again',
    });

    // 7. Let writes in. From here on the recovery site is out of date, and going back to it would lose them.
    run.keep();
    run.undo('application.unfreezeWrites', 'let writes in again', letWritesIn);
    await letWritesIn();
    run.keep();
    clock.met();
    const writableAt = run.now();
    const frozenMs = writableAt.getTime() - frozenAt.getTime();

    // 8. Report.
    await statuspage.updateIncident({
      incident,
      status: 'resolved',
      body: `${title} can be used without restrictions again.`,
    });
    notify(run, {
      audience: 'stakeholders',
      severity: 'sev1',
      subject: `${title} runs at its primary site again`,
      text: `It was read-only for ${spoken(frozenMs)}.`,
    });
    const { hash } = await run.report('report', `Failback of ${title}`, {
      kind: 'incident report',
      facts: [
        {
          heading: 'Freeze',
          lines: [
            `No writes from ${frozenAt.toISOString()} to ${writableAt.toISOString()}: ${spoken(frozenMs)}`,
          ],
        },
        {
          heading: 'Data',
          lines: [
            `Backup of the recovery site: ${synced.backup}, ${synced.rows} rows in ${synced.tables} tables`,
            `Digest of both databases: ${synced.digest}`,
            `The database that was at the primary site before is kept as ${synced.previous}`,
            `Files: ${files.objects}`,
          ],
        },
        {
          heading: 'Traffic',
          lines: [
            `${dns.type} ${dns.name}: ${traffic.before.values.join(', ')} before, ${dns.primary.join(', ')} now`,
          ],
        },
      ],
    });

    // 9. The recovery environment. The service stays locked for other runs until somebody has decided.
    const kept = await decideOnEnvironment(run);
    return {
      service: service.id,
      environment,
      kept,
      backup: synced.backup,
      digest: synced.digest,
      frozenMs,
      writableAt: writableAt.toISOString(),
      report: hash,
    };
  },
);

async function begin(run: FailbackRun, reason: string): Promise<void> {
  const { title, checks } = run.config.service;
  const { passed, failed } = await run.steps.application.health({ checks: [...checks] });
  const health = passed
    ? `passed ${checks.length} checks`
    : `FAILED ${failed.join(', ')} (of ${checks.length} checks)`;
  await run.approve('begin', {
    question: `${title}: ${reason}. The primary site ${health}. Go back to it? Writes are frozen meanwhile.`,
    group: 'approvers',
    within: BEGIN_WITHIN,
  });
}

async function announce(run: FailbackRun): Promise<string> {
  const { statuspage } = run.steps;
  const { title } = run.config.service;
  let incident: string | null = null;
  run.undo('statuspage.updateIncident', 'say that the freeze is over', async () => {
    if (incident === null) return;
    const body = `${title} stays where it is, and can be used without restrictions again.`;
    await statuspage.updateIncident({ incident, status: 'resolved', body });
  });
  ({ incident } = await statuspage.createIncident({
    name: `${title} is read-only for a short time`,
    status: 'monitoring',
    body: `We move ${title} back to its usual place. Until that is done nothing can be changed in it.`,
    impact: 'minor',
  }));
  return incident;
}

interface Synced {
  readonly backup: string;
  readonly tables: number;
  readonly rows: number;
  readonly digest: string;
  readonly previous: string;
}

/** Copies the frozen database of the recovery site to the primary one, and compares the two. */
async function syncDatabase(run: FailbackRun): Promise<Synced> {
  const { postgres } = run.steps;
  const { database, disasterRecovery } = run.config.service;
  const { backup } = await postgres.backup({ database: disasterRecovery.database, label: LABEL });
  run.undo('postgres.dropScratch', 'drop the restored database', () =>
    postgres.dropScratch({ database, scratch: SCRATCH }),
  );
  const { tables, rows, digest } = await postgres.restoreInto({ database, backup, scratch: SCRATCH });
  const { passed, problems } = await postgres.checkIntegrity({ database, scratch: SCRATCH });
  if (!passed) {
    throw ApplicationFailure.nonRetryable(
      `What was restored from ${backup} is not sound: ${problems.join(', ')}. Nothing was switched. ` +
        `Look at database ${disasterRecovery.database} before the next failback.`,
      'NotSound',
    );
  }
  await assertUnwritten(run, digest);
  let former: string | null = null;
  run.undo('postgres.putBack', 'put the former primary database back', async () => {
    if (former !== null) await postgres.putBack({ database, previous: former, scratch: SCRATCH });
  });
  const { previous } = await postgres.promote({ database, scratch: SCRATCH });
  former = previous;
  return { backup, tables, rows, digest, previous };
}

/** The database of the recovery site is still the one that was synced: a write since then would be lost. */
async function assertUnwritten(run: FailbackRun, digest: string): Promise<void> {
  const { database } = run.config.service.disasterRecovery;
  const now = await run.steps.postgres.fingerprint({ database });
  if (now.digest === digest) return;
  throw ApplicationFailure.nonRetryable(
    `Database ${database} is not the one that was synced any more (${now.rows} rows): something writes to it although ` +
      'writes are frozen. The failback is stopped, and nothing is switched. Find what writes, then start it again.',
    'DataDiffers',
  );
}

async function decideOnEnvironment(run: FailbackRun): Promise<boolean> {
  const { title, disasterRecovery } = run.config.service;
  const { environment } = disasterRecovery;
  const { option } = await run.decide('dr-environment', {
    question: `${title} runs at its primary site again. Keep what is deployed to ${environment}, or remove it? No other run may touch ${title} until this is decided.`,
    choices: ['keep', 'remove'] as const,
    group: 'approvers',
    within: REMOVE_WITHIN,
  });
  if (option === 'remove') await run.steps.application.removeEnvironment({ environment });
  return option === 'keep';
}
