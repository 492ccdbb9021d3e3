import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Notifications } from '../config/notifications.js';
import type { Service } from '../config/services.js';
import { runbook, type Run } from './engine/runbook.js';
import { notify, notifying } from './parts/notify.js';
import { maintenanceWindowRehearsals } from './rehearsals/maintenance-window.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** 002_c9cf85ce92b0c6c9.txt 133 */
const NOTICE_MS = 72 * HOUR_MS;
/** The reminders; the document names the first notice only. */
const REMINDERS_MS = [24 * HOUR_MS, HOUR_MS] as const;
/** 002_c9cf85ce92b0c6c9.txt 132: Sunday, 2 to 4 in the morning, UTC. */
const USUAL_DAY = 0;
const USUAL_HOURS = { from: 2, to: 4 } as const;
/** Part of the window after which people decide whether it is extended or everything is rolled back. */
const DECIDE_AT = 0.8;
/** The backup is made before the window opens; both are due at 02:00 in the documents. */
const BACKUP_BEFORE_MS = 30 * MINUTE_MS;
/** Time to decide; no document names one. */
const APPROVE_WITHIN = '24 hours';
/** Of what is left of the window then; after as much again for the owners there is time to put everything back. */
const DECIDE_WITHIN_PART = 1 / 4;
const CHECKS_WITHIN = '1 hour';
/** How long leaving maintenance mode may take before somebody is paged, when the window is over already. */
const LEAVE_WITHIN_MS = 10 * MINUTE_MS;

const CHANNEL = 'operations';

interface Config {
  readonly service: Service;
  readonly notifications: Notifications;
}
type MaintenanceRun = Run<Config>;

/**
 * Takes a service out of use for planned work and brings it back: announced, inside its window, and never left in
 * maintenance mode unnoticed. Follows 002_c9cf85ce92b0c6c9.txt 129-139 and 003_2522b3a81675c108.txt 559-595.
 */
export const maintenanceWindow = runbook(
  {
    name: 'maintenanceWindow',
    title: 'Maintenance window',
    summary:
      'Announces planned work 72 hours ahead, opens the window on time, migrates, updates and verifies, and leaves ' +
      'maintenance mode before the window ends, or pages somebody.',
    covers: ['A-099', 'A-100'],
    corrections: [
      '003_2522b3a81675c108.txt 588-591 verifies only after maintenance mode is off, 002_c9cf85ce92b0c6c9.txt 138-139 only before; here both.',
      '003_2522b3a81675c108.txt 424 makes the backup at 02:00, when the window of 002_c9cf85ce92b0c6c9.txt 132 opens; here it is made half an hour before.',
      '003_2522b3a81675c108.txt 564 gives a Monday as an example and names no notice; other times and a shorter notice take an approval here.',
      'No document says what happens when the work takes longer than the window.',
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
      start: z.iso.datetime({ offset: true }).meta({
        title: 'Start',
        description: 'When the window opens, with the offset from UTC',
        examples: ['2027-01-03T02:00:00Z'],
      }),
      minutes: z
        .number()
        .int()
        .min(10)
        .max(1440)
        .default(120)
        .meta({ title: 'Length', description: 'Length of the window in minutes', examples: [120] }),
      version: z
        .string()
        .max(100)
        .default('')
        .meta({
          title: 'Version',
          description: 'What is deployed; empty: no deployment',
          examples: ['v2.4.0'],
        }),
      migrations: z
        .boolean()
        .default(true)
        .meta({ title: 'Migrations', description: 'Apply database migrations', examples: [true] }),
      summary: z
        .string()
        .min(10)
        .max(300)
        .meta({
          title: 'Summary',
          description: 'What users are told; no personal data',
          examples: ['We move to a faster database'],
        }),
    }),
    start: 'operators',
    config: ({ service }) => ({ service: `services/${service}`, notifications: 'notifications' }),
    plan: (_input, { notifications }: Config) => [
      {
        heading: 'Agree on a time that is not the usual one, or on a short notice',
        source: '002_c9cf85ce92b0c6c9.txt 132-133',
        uses: ['unusual-window'],
      },
      {
        heading: 'Tell users 72 hours, 24 hours and 1 hour ahead',
        source: '002_c9cf85ce92b0c6c9.txt 133, 003_2522b3a81675c108.txt 564-567',
        uses: [
          ...['statuspage.scheduleMaintenance', 'application.notifyUsers', 'until-notice', 'until-reminder'],
          ...notifying(notifications, 'stakeholders'),
        ],
      },
      {
        heading: 'Back up before the window opens, and keep other runs away',
        source: '003_2522b3a81675c108.txt 424',
        uses: ['until-backup', 'postgres.backup', 'until-opening'],
      },
      {
        heading: 'Enter maintenance mode',
        source: '002_c9cf85ce92b0c6c9.txt 135, 003_2522b3a81675c108.txt 570',
        uses: [
          ...['window', 'application.enableMaintenance', 'application.maintenanceState'],
          ...['statuspage.updateIncident', 'pagerduty.trigger'],
        ],
      },
      {
        heading: 'Migrate and update',
        source: '002_c9cf85ce92b0c6c9.txt 136-137, 003_2522b3a81675c108.txt 576',
        uses: [
          ...['application.runMigrations', 'application.rollBackMigrations'],
          ...['application.deployUpdate', 'application.rollBackDeployment'],
          ...['application.currentRelease', 'extend-or-roll-back'],
        ],
      },
      {
        heading: 'Verify while users are still out',
        source: '002_c9cf85ce92b0c6c9.txt 138, 003_2522b3a81675c108.txt 579-582',
        uses: ['application.health', 'go-on-despite-checks'],
      },
      {
        heading: 'Leave maintenance mode',
        source: '002_c9cf85ce92b0c6c9.txt 139, 003_2522b3a81675c108.txt 588',
        uses: ['application.disableMaintenance', 'application.maintenanceState', 'leave-by-hand'],
      },
      {
        heading: 'Verify again with users in',
        source: '003_2522b3a81675c108.txt 591',
        uses: ['application.health', 'application.errorRate', 'keep-despite-checks'],
      },
      {
        heading: 'Update the status page and report',
        source: '003_2522b3a81675c108.txt 594',
        uses: ['statuspage.updateIncident', 'report', 'slack.post'],
      },
    ],
    rehearsals: maintenanceWindowRehearsals,
  },
  async ({ start, minutes, version, migrations, summary }, run: MaintenanceRun) => {
    const { application, postgres, statuspage, slack } = run.steps;
    const { service } = run.config;
    const opensAt = new Date(start);
    const endsAt = new Date(opensAt.getTime() + minutes * MINUTE_MS);

    // 1. A time that is not the usual one, or a short notice, takes an approval.
    await agreeOnTime(run, opensAt, endsAt);

    // 2. Tell users: on the status page at once, by message 72, 24 and 1 hour ahead.
    const { incident } = await announce(run, opensAt, endsAt, summary);

    // 3. Back up, and keep other runs away from the service.
    await waitUntil(run, 'until-backup', before(opensAt, BACKUP_BEFORE_MS), 'the backup is made');
    await run.lock(`service/${service.id}`);
    const { backup } = await postgres.backup({ database: service.database, label: 'before-maintenance' });
    await waitUntil(run, 'until-opening', opensAt, 'the window opens');

    // 4. Enter maintenance mode. Whatever happens, leaving it is guaranteed, or somebody is paged.
    const clock = run.deadline('window', {
      what: `${service.title} is out of maintenance mode`,
      within: endsAt.getTime() - run.now().getTime(),
      group: 'on-call',
      onMissed: () => {
        run.meanwhile(() => page(run, `${service.title} is still in maintenance mode after its window`));
      },
    });
    run.undo('application.disableMaintenance', 'leave maintenance mode', () => leave(run, endsAt));
    await application.enableMaintenance({ message: summary, until: endsAt.toISOString() });
    assertOpen(run, endsAt);
    await statuspage.updateIncident({ incident, status: 'in_progress', body: summary });

    // 5. to 6. Migrate, update, verify. At 80 % of the window people decide whether to extend it or roll back.
    const decideAt = new Date(opensAt.getTime() + (endsAt.getTime() - opensAt.getTime()) * DECIDE_AT);
    const late = () => extendOrRollBack(run, endsAt);
    const done = await run.within('80 % of the window', decideAt, late, async () => {
      const result = await update(run, { version, migrations, endsAt, summary });
      await verify(run, 'go-on-despite-checks', 'while users are out');
      return result;
    });

    // 7. Leave maintenance mode.
    await leave(run, endsAt);

    // 8. Verify again, with users in. Declining puts everything back, in maintenance mode again.
    await verify(run, 'keep-despite-checks', 'with users in');
    const { ratio } = await application.errorRate({ minutes: 5 });
    run.keep();
    clock.met();

    // 9. Status page and report.
    await statuspage.updateIncident({ incident, status: 'completed', body: 'The maintenance is over.' });
    const closedAt = run.now().toISOString();
    const { hash } = await run.report('report', `Maintenance of ${service.title}`, {
      kind: 'incident report',
      facts: [
        {
          heading: 'Window',
          lines: [
            `Planned: ${opensAt.toISOString()} to ${endsAt.toISOString()}`,
            `Ended: ${closedAt}`,
            `Backup before it: ${backup}`,
          ],
        },
        {
          heading: 'Work',
          lines: [
            `Migrations: ${done.applied}`,
            `Deployment: ${done.deployment ?? 'none'}`,
            `Failed part of requests afterwards: ${(ratio * 100).toFixed(1)} %`,
          ],
        },
      ],
    });
    await slack.post({ channel: CHANNEL, text: `Maintenance of ${service.title} is over. Run ${run.id}.` });
    return { ...done, backup, opensAt: opensAt.toISOString(), closedAt, report: hash };
  },
);

async function agreeOnTime(run: MaintenanceRun, opensAt: Date, endsAt: Date): Promise<void> {
  const noticeMs = opensAt.getTime() - run.now().getTime();
  if (noticeMs <= 0) {
    throw ApplicationFailure.nonRetryable(
      `The window would have opened at ${opensAt.toISOString()}, which is over. Nothing was done: start it again with a later time.`,
      'Rejected',
    );
  }
  const isUsual =
    opensAt.getUTCDay() === USUAL_DAY &&
    opensAt.getUTCHours() >= USUAL_HOURS.from &&
    endsAt.getTime() <= Date.UTC(...dayOf(opensAt), USUAL_HOURS.to);
  if (noticeMs >= NOTICE_MS && isUsual) return;
  const hours = Math.max(0, Math.floor(noticeMs / HOUR_MS));
  const why = [
    ...(isUsual ? [] : ['it is not Sunday between 02:00 and 04:00 UTC']),
    ...(noticeMs >= NOTICE_MS ? [] : [`users get ${hours} hours of notice and not 72`]),
  ];
  await run.approve('unusual-window', {
    question: `Maintenance of ${run.config.service.title} from ${opensAt.toISOString()}: ${why.join(', and ')}. Do it all the same?`,
    group: 'approvers',
    within: noticeMs > HOUR_MS ? Math.min(noticeMs, 24 * HOUR_MS) / 2 : APPROVE_WITHIN,
  });
}

/** Publishes the window and tells users as early as is still possible, and again 24 hours and 1 hour ahead. */
async function announce(
  run: MaintenanceRun,
  opensAt: Date,
  endsAt: Date,
  summary: string,
): Promise<{ incident: string }> {
  const { application, statuspage } = run.steps;
  const { title } = run.config.service;
  let incident: string | null = null;
  run.undo('statuspage.updateIncident', 'say that the maintenance does not take place', async () => {
    if (incident === null) return;
    await statuspage.updateIncident({
      incident,
      status: 'completed',
      body: 'The maintenance is called off.',
    });
    await application.notifyUsers({
      audience: 'all',
      subject: `${title}: maintenance called off`,
      message: `The maintenance announced for ${opensAt.toISOString()} does not take place, or was stopped.`,
    });
  });
  ({ incident } = await statuspage.scheduleMaintenance({
    name: `${title}: maintenance`,
    body: summary,
    from: opensAt.toISOString(),
    until: endsAt.toISOString(),
  }));
  const tell = () =>
    application.notifyUsers({
      audience: 'all',
      subject: `${title}: maintenance`,
      message: `${summary} From ${opensAt.toISOString()} to ${endsAt.toISOString()} ${title} can't be used.`,
    });
  await waitUntil(run, 'until-notice', before(opensAt, NOTICE_MS), 'users are told 72 hours ahead');
  await tell();
  notify(run, {
    audience: 'stakeholders',
    severity: 'sev2',
    subject: `${title}: maintenance`,
    text: `${opensAt.toISOString()} to ${endsAt.toISOString()}`,
  });
  for (const lead of REMINDERS_MS) {
    const at = before(opensAt, lead);
    if (at <= run.now()) continue;
    await waitUntil(run, 'until-reminder', at, 'users are reminded');
    await tell();
  }
  return { incident };
}

interface Work {
  readonly version: string;
  readonly migrations: boolean;
  readonly endsAt: Date;
  readonly summary: string;
}

async function update(run: MaintenanceRun, { version, migrations, endsAt, summary }: Work) {
  const { application } = run.steps;
  // Looked up first: what was there is known even when the answer to a change is lost.
  const former = await application.currentRelease({});
  /** Nothing is put back while users are in. */
  const shutOut = () => application.enableMaintenance({ message: summary, until: endsAt.toISOString() });
  let applied = 0;
  if (migrations) {
    run.undo('application.rollBackMigrations', 'take the migrations back', async () => {
      const now = await application.currentRelease({});
      await application.rollBackMigrations({ count: Math.max(0, now.migrations - former.migrations) });
    });
    ({ applied } = await application.runMigrations({}));
  }
  if (version === '' || former.deployment === null) return { applied, deployment: null };
  const { deployment: before } = former;
  run.undo('application.rollBackDeployment', 'go back to the version before', async () => {
    await shutOut();
    await application.rollBackDeployment({ deployment: before });
  });
  const { deployment } = await application.deployUpdate({ version });
  return { applied, deployment };
}

/** A step may have waited for people until the window was over: then users are not shut out any more. */
function assertOpen(run: MaintenanceRun, endsAt: Date): void {
  if (run.now() < endsAt) return;
  throw ApplicationFailure.nonRetryable('The window was over before the work could begin.', 'Rejected');
}

async function verify(
  run: MaintenanceRun,
  gate: 'go-on-despite-checks' | 'keep-despite-checks',
  when: string,
): Promise<void> {
  const { checks, title } = run.config.service;
  const { passed, failed } = await run.steps.application.health({ checks: [...checks] });
  if (passed) return;
  await run.approve(gate, {
    question: `${title}: ${failed.join(', ')} failed ${when}. Go on all the same? Declining puts everything back.`,
    group: 'approvers',
    within: CHECKS_WITHIN,
  });
}

/** 80 % of the window are over and the work is not done. Nobody deciding never means that it is extended in silence. */
async function extendOrRollBack(run: MaintenanceRun, endsAt: Date): Promise<void> {
  const { title } = run.config.service;
  const left = endsAt.getTime() - run.now().getTime();
  await run.approve('extend-or-roll-back', {
    question: `The work on ${title} is not done and its window ends ${endsAt.toISOString()}. Go on beyond it? Otherwise everything is put back now.`,
    group: 'approvers',
    within: Math.max(left * DECIDE_WITHIN_PART, MINUTE_MS),
  });
}

/** Leaves maintenance mode and looks that it is off. When that takes too long, somebody is paged. */
async function leave(run: MaintenanceRun, endsAt: Date): Promise<void> {
  const { application } = run.steps;
  const { title } = run.config.service;
  const latest = new Date(Math.max(endsAt.getTime(), run.now().getTime() + LEAVE_WITHIN_MS));
  const late = () => page(run, `${title} can't leave maintenance mode`);
  await run.within('leaving', latest, late, async () => {
    for (;;) {
      await application.disableMaintenance({});
      const { on } = await application.maintenanceState({});
      if (!on) return;
      await run.manual('leave-by-hand', {
        instruction: `${title} is still in maintenance mode. Switch it off where your hosting allows it.`,
      });
    }
  });
}

async function page(run: MaintenanceRun, summary: string): Promise<void> {
  await run.steps.pagerduty.trigger({ summary: `${summary}. Run ${run.id}.`, severity: 'critical' });
}

async function waitUntil(run: MaintenanceRun, id: string, at: Date, why: string): Promise<void> {
  if (at > run.now()) await run.wait(id, at, why);
}

const before = (moment: Date, ms: number): Date => new Date(moment.getTime() - ms);

const dayOf = (moment: Date): [number, number, number] => [
  moment.getUTCFullYear(),
  moment.getUTCMonth(),
  moment.getUTCDate(),
];
