import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Notifications } from '../config/notifications.js';
import type { Service } from '../config/services.js';
import { runbook, type Run } from './engine/runbook.js';
import { notify, notifying } from './parts/notify.js';
import { RESTORING, restoreDatabase } from './parts/recovery-database.js';
import { checkService, spoken, syncFiles } from './parts/sites.js';
import { LOWERING, SEEN, Traffic } from './parts/traffic.js';
import { disasterRecoveryRehearsals } from './rehearsals/disaster-recovery.js';

/** Two people declare a disaster. The documents name neither who declares it nor how long that may take. */
const DECLARING_PEOPLE = 2;
const DECLARE_WITHIN = '30 minutes';
/** Time to decide; no document names one. */
const SWITCH_WITHIN = '30 minutes';

interface Config {
  readonly service: Service;
  readonly notifications: Notifications;
}
type RecoveryRun = Run<Config>;

/**
 * Brings a service up at its recovery site after a disaster: restored, checked, and only then given traffic. Follows
 * 002_c9cf85ce92b0c6c9.txt 109-116 (rebuild) and 003_2522b3a81675c108.txt 459-471 (failover).
 */
export const disasterRecovery = runbook(
  {
    name: 'disasterRecovery',
    title: 'Disaster recovery',
    summary:
      'Two people declare the disaster; then the service is deployed at the recovery site, database and files are ' +
      'restored and checked, and only then its name is pointed there. Measures recovery time and lost data.',
    covers: ['A-087', 'A-088'],
    corrections: [
      '002_c9cf85ce92b0c6c9.txt 113-114 changes DNS before anything is verified; here the recovery site is checked first, and again through its name.',
      '003_2522b3a81675c108.txt 459-471 verifies nothing and asks nobody; here two people declare, and one approves the switch.',
      'No document lowers the time to live of the name before the switch; here it is lowered while the data is restored.',
      'No document says how much data or time may be lost; here both are measured and reported.',
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
      mode: z
        .enum(['failover', 'rebuild'])
        .default('failover')
        .meta({
          title: 'Mode',
          description:
            'failover: the recovery site stands ready; rebuild: its infrastructure is provisioned first',
          examples: ['failover'],
        }),
      since: z.iso
        .datetime({ offset: true })
        .optional()
        .meta({
          title: 'Down since',
          description: 'When the service stopped working, with the offset from UTC; not given: now',
          examples: ['2027-01-03T02:00:00Z'],
        }),
      reason: z
        .string()
        .min(10)
        .max(500)
        .meta({
          title: 'Reason',
          description: 'What happened to the primary site; no personal data',
          examples: ['The region of the primary site is gone'],
        }),
    }),
    start: 'operators',
    // Two recoveries of one service would restore over each other; a second one is told which run is at work.
    lock: ({ service }) => `service/${service}`,
    config: ({ service }) => ({ service: `services/${service}`, notifications: 'notifications' }),
    plan: ({ mode }, { notifications }: Config) => [
      { heading: 'Declare the disaster', uses: ['declare'] },
      {
        heading: 'Tell those concerned',
        uses: [
          ...['statuspage.createIncident', 'statuspage.updateIncident'],
          ...notifying(notifications, 'executives', 'responders'),
        ],
      },
      { heading: 'Prepare the switch while the rest goes on', uses: [...LOWERING] },
      ...(mode === 'rebuild'
        ? [
            {
              heading: 'Provision new infrastructure',
              source: '002_c9cf85ce92b0c6c9.txt 110',
              uses: ['provision'],
            },
          ]
        : []),
      {
        heading: 'Deploy the application to the recovery site',
        source: '003_2522b3a81675c108.txt 463-464',
        uses: ['application.deployEnvironment', 'application.removeEnvironment'],
      },
      {
        heading: 'Restore the database from a backup, and check it',
        source: '002_c9cf85ce92b0c6c9.txt 111, 003_2522b3a81675c108.txt 466-467',
        uses: [...RESTORING],
      },
      {
        heading: 'Restore the files from their backup, and compare them',
        source: '002_c9cf85ce92b0c6c9.txt 112',
        uses: ['s3.copyAll', 's3.inventory', 'go-on-despite-files'],
      },
      {
        heading: 'Verify the recovery site before traffic moves',
        source: '002_c9cf85ce92b0c6c9.txt 114',
        uses: ['application.health', 'go-on-despite-checks'],
      },
      {
        heading: 'Point the name to the recovery site',
        source: '002_c9cf85ce92b0c6c9.txt 113, 003_2522b3a81675c108.txt 469-470',
        uses: ['switch-traffic', 'dns.setRecords', ...SEEN],
      },
      {
        heading: 'Verify all services',
        source: '002_c9cf85ce92b0c6c9.txt 114',
        uses: ['application.health', 'keep-despite-checks'],
      },
      {
        heading: 'Resume operations, and report',
        source: '002_c9cf85ce92b0c6c9.txt 115',
        uses: ['statuspage.updateIncident', 'report', ...notifying(notifications, 'stakeholders')],
      },
    ],
    rehearsals: disasterRecoveryRehearsals,
  },
  async ({ mode, since, reason }, run: RecoveryRun) => {
    const { application } = run.steps;
    const { service } = run.config;
    const { title, checks } = service;
    const { environment, dns, storage } = service.disasterRecovery;
    const outageFrom = outageOf(since, run.now());

    // 1. Two people declare the disaster.
    await run.approve('declare', {
      question:
        `${title}: ${reason}. Declare a disaster and move to the recovery site (${environment})? ` +
        'What was written since the last backup will be missing there.',
      group: 'approvers',
      quorum: DECLARING_PEOPLE,
      within: DECLARE_WITHIN,
    });
    run.setSeverity('sev1');

    // 2. Tell those concerned.
    const incident = await announce(run);

    // 3. The name gets a short time to live; caches forget the long one while the data is restored.
    const traffic = await Traffic.prepare(run);

    // 4. The recovery site.
    if (mode === 'rebuild') await run.manual('provision', { instruction: provisioning(service) });
    run.undo('application.removeEnvironment', `remove what was deployed to ${environment}`, () =>
      application.removeEnvironment({ environment }),
    );
    await application.deployEnvironment({ environment });

    // 5. The database: restored beside the one of the recovery site, checked, and only then put in its place.
    const restored = await restoreDatabase(run);
    const rpoMs = Math.max(0, outageFrom.getTime() - Date.parse(restored.at));

    // 6. The files.
    const files = await syncFiles(run, service.storage.backup, storage);

    // 7. The recovery site works, before anybody is sent there.
    await checkService(run, {
      gate: 'go-on-despite-checks',
      environment,
      when: 'at the recovery site, to which nobody was sent yet',
      otherwise: 'everything is put back',
    });

    // 8. Switch. From here on users write at the recovery site: an undo points the name back, and removes nothing.
    await traffic.cachesExpired();
    await run.approve('switch-traffic', {
      question:
        `${title}: the recovery site passed ${checks.length} checks. Its data is of ${restored.at}: what was written ` +
        `in the ${spoken(rpoMs)} until the outage is missing. Point ${dns.name} to ${dns.recovery.join(', ')} now?`,
      group: 'approvers',
      within: SWITCH_WITHIN,
    });
    run.keep();
    run.undo('dns.setRecords', `point ${dns.name} back`, async () => {
      await traffic.pointBack();
      await sayNotMoved(run, incident);
    });
    await traffic.pointTo(dns.recovery, dns.switchTtl);
    await traffic.seenEverywhere(dns.recovery);

    // 9. Verify all services, as users reach them.
    await checkService(run, {
      gate: 'keep-despite-checks',
      when: `with ${dns.name} pointing to the recovery site`,
      otherwise: `${dns.name} is pointed back`,
    });
    run.keep();
    const recoveredAt = run.now();
    const measured = { rtoMs: recoveredAt.getTime() - outageFrom.getTime(), rpoMs };

    // 10. Resume operations, and report.
    await resume(run, incident, measured);
    const { hash } = await run.report('report', `Disaster recovery of ${title}`, {
      kind: 'incident report',
      facts: [
        {
          heading: 'Recovery',
          lines: [
            `Down since: ${outageFrom.toISOString()}`,
            `In use again: ${recoveredAt.toISOString()} (RTO ${spoken(measured.rtoMs)})`,
            `Data of: ${restored.at} (RPO ${spoken(rpoMs)})`,
          ],
        },
        {
          heading: 'Data',
          lines: [
            `Backup: ${restored.backup}, ${restored.rows} rows in ${restored.tables} tables, digest ${restored.digest}`,
            `Backups that could not be used: ${restored.refused.join(', ') || 'none'}`,
            `The database that was at the recovery site before is kept as ${restored.previous}`,
            `Files: ${files.objects}`,
          ],
        },
        {
          heading: 'Traffic',
          lines: [
            `${dns.type} ${dns.name}: ${traffic.before.values.join(', ')} before, ${dns.recovery.join(', ')} now`,
            `It keeps the short time to live (${dns.switchTtl} s) until the failback`,
          ],
        },
      ],
    });
    return {
      service: service.id,
      environment,
      backup: restored.backup,
      dataOf: restored.at,
      files: files.objects,
      recoveredAt: recoveredAt.toISOString(),
      report: hash,
      measured,
    };
  },
);

/** @throws ApplicationFailure `InvalidInput` for a moment that is still to come */
function outageOf(since: string | undefined, now: Date): Date {
  const from = since === undefined ? now : new Date(since);
  if (from <= now) return from;
  throw ApplicationFailure.nonRetryable(
    `"Down since" is ${from.toISOString()}, which is still to come (now: ${now.toISOString()}). ` +
      'Start the run again with the moment at which the service stopped working.',
    'InvalidInput',
  );
}

/** On the status page, and to those who answer for the service. Called off, the outage itself goes on. */
async function announce(run: RecoveryRun): Promise<string> {
  const { statuspage } = run.steps;
  const { title } = run.config.service;
  let incident: string | null = null;
  run.undo('statuspage.updateIncident', 'say that the service was not moved', async () => {
    if (incident !== null) await sayNotMoved(run, incident);
  });
  for (const audience of ['executives', 'responders']) {
    notify(run, {
      audience,
      severity: 'sev1',
      subject: `${title}: disaster declared`,
      text: `The service is being restored at its recovery site. Run ${run.id}.`,
    });
  }
  ({ incident } = await statuspage.createIncident({
    name: `${title} is down`,
    status: 'identified',
    body: `${title} can't be used at the moment. We are restoring it at our recovery site.`,
    impact: 'critical',
  }));
  return incident;
}

async function sayNotMoved(run: RecoveryRun, incident: string): Promise<void> {
  const { title } = run.config.service;
  const body = `${title} was not moved to its recovery site. We go on working on it.`;
  await run.steps.statuspage.updateIncident({ incident, status: 'investigating', body });
}

function provisioning({ title, supabaseProject, disasterRecovery }: Service): string {
  const { environment, database, storage, dns } = disasterRecovery;
  return [
    `Provision the infrastructure of ${title} for the environment "${environment}": servers that answer at ${dns.recovery.join(', ')}`,
    `a PostgreSQL server for "${database}" of config/databases.yaml (hand its connection string in with \`runbook secret put\`)`,
    `the bucket ${storage.bucket}.`,
  ]
    .join('; ')
    .concat(
      supabaseProject === null
        ? ''
        : ` Users and sessions are in Supabase project ${supabaseProject}, which this run does not touch: when it is lost too, restore it in its dashboard under Database > Backups.`,
      ' Then say "done", with a link to what was provisioned.',
    );
}

async function resume(
  run: RecoveryRun,
  incident: string,
  { rtoMs, rpoMs }: { readonly rtoMs: number; readonly rpoMs: number },
): Promise<void> {
  const { statuspage } = run.steps;
  const { title } = run.config.service;
  await statuspage.updateIncident({
    incident,
    status: 'monitoring',
    body: `${title} can be used again. We are watching it.`,
  });
  notify(run, {
    audience: 'stakeholders',
    severity: 'sev1',
    subject: `${title} runs at its recovery site`,
    text: `It was down for ${spoken(rtoMs)}; what was written in the ${spoken(rpoMs)} before is missing.`,
  });
  await statuspage.updateIncident({ incident, status: 'resolved', body: `${title} works again.` });
}
