import { z } from 'zod';
import { runbook } from './engine/runbook.js';
import { SEVERITIES, type Severity } from './engine/types.js';
import { InTurn } from './parts/in-turn.js';
import { IncidentChannel, Pages, StatusPage } from './parts/incident-messages.js';
import {
  liftIsolation,
  mitigate,
  mitigating,
  type Incident,
  type IncidentConfig,
  type IncidentRun,
  type Known,
} from './parts/mitigations.js';
import { notify, notifying } from './parts/notify.js';
import { writePostMortem } from './parts/post-mortem.js';
import { rehearsals } from './rehearsals/incident-response.js';

const HOUR_MS = 3_600_000;
/** What was deployed or changed in that time is looked up; 004_7a3def0868c62bab.txt 206 only says "recent". */
const LOOK_BACK_MS = 24 * HOUR_MS;
/** Of which the error rate is measured; no document names a time. */
const ERRORS_OF_MINUTES = 15;
/** Times after which the owners are asked as well; no document names them. */
const ASSESS_WITHIN = '15 minutes';
const CONFIRM_WITHIN = '1 hour';

/** Desks of config/escalation.yaml; the document's four: 002_c9cf85ce92b0c6c9.txt 171-174. */
const VENDORS = ['none', 'database', 'hosting', 'payments', 'ai'] as const;
const ASSESSMENTS = ['as reported', 'more severe', 'less severe'] as const;

const WHEN = {
  assessing: 'We are looking into a problem.',
  mitigated: 'The problem is mitigated, and we are watching.',
  again: 'The problem is not over yet. We are working on it.',
  resolved: 'The problem is over.',
} as const;

interface Reported {
  readonly summary: string;
  readonly vendor: (typeof VENDORS)[number];
}

/** Who is told what, while the incident goes on. */
interface Voices {
  readonly page: StatusPage;
  readonly pages: Pages;
  readonly channel: IncidentChannel;
  /** Severity that people were last told. */
  told: Severity;
}

/**
 * The response to an incident: somebody takes charge, people assess and mitigate it, and learn from it. Follows
 * 004_7a3def0868c62bab.txt 186-232 and 002_c9cf85ce92b0c6c9.txt 22-30.
 */
export const incidentResponse = runbook(
  {
    name: 'incidentResponse',
    title: 'Respond to an incident',
    summary:
      'Somebody takes charge within the time of the severity, or one level after the other is asked. People assess ' +
      'and mitigate it, the status page follows, and a post-mortem is owed after the resolution.',
    covers: ['A-031', 'A-032', 'A-033', 'A-034', 'A-035', 'A-036'],
    corrections: [
      '"P1" is the first level in 001_d29f2070eb595a66.txt 143 and 004_7a3def0868c62bab.txt 126, the second in 002_c9cf85ce92b0c6c9.txt 10; here sev1 to sev4 by rank, with the strictest time of each.',
      '003_2522b3a81675c108.txt 616 reaches the CTO after 2 hours, 002_c9cf85ce92b0c6c9.txt 8 at once; here at once for sev1.',
      '002_c9cf85ce92b0c6c9.txt 24 opens a channel for each incident, 004_7a3def0868c62bab.txt 126-137 writes to the channel of the priority; here both.',
      '002_c9cf85ce92b0c6c9.txt 27 updates the status page after the mitigation, 004_7a3def0868c62bab.txt 221 at the resolution; here before, at and after the mitigation and at the resolution.',
      '004_7a3def0868c62bab.txt 227 names no start of the 48 hours; here it is the resolution. The fourth level owes no post-mortem.',
      '004_7a3def0868c62bab.txt 212 names nobody who chooses between fix and rollback; here whoever is on call.',
      '001_d29f2070eb595a66.txt 271-275 names no times between the tiers; here the tiers are the ladder of the severity.',
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
      severity: z.enum(SEVERITIES).meta({
        title: 'Severity',
        description: 'sev1 is the highest; config/escalation.yaml says what each means',
        examples: ['sev2'],
      }),
      description: z
        .string()
        .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'Write lower-case words joined by dashes: sign-in-fails.')
        .max(60)
        .meta({
          title: 'Short description',
          description: 'Lower-case words joined by dashes; the channel is named after it',
          examples: ['sign-in-fails'],
        }),
      summary: z
        .string()
        .min(10)
        .max(300)
        .meta({
          title: 'What is wrong',
          description: 'In a sentence; no personal data',
          examples: ['Nobody can sign in since the last deployment'],
        }),
      pageKey: z
        .string()
        .max(255)
        .default('')
        .meta({
          title: 'Page',
          description: 'Key of the PagerDuty alert that is about this already; empty: none',
          examples: ['alert-4711'],
        }),
      vendor: z
        .enum(VENDORS)
        .default('none')
        .meta({
          title: 'Vendor',
          description: 'Whose service fails; a ticket is opened at its desk',
          examples: ['hosting'],
        }),
      featureFlag: z
        .string()
        .max(100)
        .default('')
        .meta({
          title: 'Feature flag',
          description: 'Flag of the affected feature, if it may be switched; empty: none',
          examples: ['new-checkout'],
        }),
      workingDeployment: z
        .string()
        .max(200)
        .default('')
        .meta({
          title: 'Working deployment',
          description: 'Id of the last deployment that worked; empty: not known',
          examples: ['release-1'],
        }),
    }),
    start: 'operators',
    config: ({ service }) => ({
      service: `services/${service}`,
      notifications: 'notifications',
      escalation: 'escalation',
    }),
    plan: ({ vendor, ...known }, { service, notifications }: IncidentConfig) => [
      {
        heading: 'Acknowledge: one level after the other is asked',
        source:
          '002_c9cf85ce92b0c6c9.txt 6-20, 003_2522b3a81675c108.txt 612-616, 004_7a3def0868c62bab.txt 195-198',
        uses: [
          ...['acknowledge', 'acknowledge-in-time'],
          ...notifying(notifications, 'responders', 'technical-leads', 'managers', 'executives'),
          ...['pagerduty.trigger', 'pagerduty.acknowledge'],
        ],
      },
      {
        heading: 'Open the channel',
        source: '002_c9cf85ce92b0c6c9.txt 24, 004_7a3def0868c62bab.txt 126-142',
        uses: ['slack.createChannel', 'slack.post'],
      },
      {
        heading: 'Assess',
        source: '002_c9cf85ce92b0c6c9.txt 25, 004_7a3def0868c62bab.txt 203-206',
        uses: [
          ...['application.health', 'application.errorRate', 'application.recentChanges'],
          ...['first-look', 'assessment'],
        ],
      },
      {
        heading: 'Tell the public',
        source: '002_c9cf85ce92b0c6c9.txt 27, 004_7a3def0868c62bab.txt 221',
        uses: ['statuspage.createIncident', 'statuspage.updateIncident', 'close-notice'],
      },
      ...(vendor === 'none'
        ? []
        : [
            {
              heading: "Open a ticket at the vendor's desk",
              source: '002_c9cf85ce92b0c6c9.txt 167-174, 003_2522b3a81675c108.txt 606-610',
              uses: ['vendor-ticket'],
            },
          ]),
      {
        heading: 'Mitigate',
        source: '002_c9cf85ce92b0c6c9.txt 26, 004_7a3def0868c62bab.txt 211-214',
        uses: mitigating(known),
      },
      {
        heading: 'Resolve',
        source: '004_7a3def0868c62bab.txt 219-222, 001_d29f2070eb595a66.txt 277-281',
        uses: [
          ...['application.health', 'resolved', 'statuspage.updateIncident', 'pagerduty.resolve'],
          ...notifying(notifications, 'stakeholders'),
        ],
      },
      {
        heading: 'Find the root cause, and write the post-mortem within 48 hours',
        source: '002_c9cf85ce92b0c6c9.txt 28-30, 004_7a3def0868c62bab.txt 227-230',
        uses: [
          ...['root-cause', 'post-mortem-in-time', 'post-mortem'],
          ...(service.repository === null ? [] : ['github.createIssue']),
        ],
      },
    ],
    rehearsals,
  },
  async (
    { severity, description, pageKey, summary, vendor, featureFlag, workingDeployment },
    run: IncidentRun,
  ) => {
    const startedAt = run.now();
    const { title } = run.config.service;
    run.setSeverity(severity);

    // 1. Acknowledge. Whoever is first is in charge, and ends the escalation.
    const pages = new Pages(run, pageKey);
    const acknowledged = await acknowledge(run, pages, summary);

    // 2. The incident's own channel; the channel of the severity is told as well.
    const channel = new IncidentChannel(
      run,
      `incident-${startedAt.toISOString().slice(0, 10)}-${description}`,
      `${title}: ${summary}`,
    );
    channel.say(`*${severityOf(run)}* ${summary} Run ${run.id}.`);
    const voices: Voices = { page: new StatusPage(run, title), pages, channel, told: severity };

    // 3. Assess.
    const newestChange = await assess(run, voices, summary);

    // 4. Tell the public. 5. Open a ticket at the vendor's desk.
    voices.page.say(severityOf(run), 'investigating', WHEN.assessing);
    const desk = new InTurn(run);
    if (vendor !== 'none') desk.add(() => openTicket(run, { summary, vendor }));

    // 6. Mitigate, until a person confirms that the service is restored.
    const known: Known = { summary, featureFlag, workingDeployment };
    const incident: Incident = { run, known, newestChange, isolated: new Set() };
    const done = await untilRestored(incident, voices);

    // 7. Resolved. Nothing is taken back any more.
    const resolvedAt = run.now();
    voices.page.say(severityOf(run), 'resolved', WHEN.resolved);
    await Promise.all([voices.page.done(), desk.done()]);
    run.keep();
    pages.resolve();
    channel.say(`Resolved. ${done.join(' ')}`);
    notify(run, {
      audience: 'stakeholders',
      severity: severityOf(run),
      subject: `${title}: resolved`,
      text: `${summary} ${WHEN.resolved}`,
    });

    // 8. Root cause, post-mortem and action items.
    const report = await writePostMortem(incident, {
      description,
      resolvedAt,
      lines: [
        `Started: ${startedAt.toISOString()}`,
        `Acknowledged: ${acknowledged.at}`,
        `Resolved: ${resolvedAt.toISOString()}`,
        ...done,
        ...[...incident.isolated].map((component) => `${component} is still isolated.`),
      ],
    });
    return {
      severity: severityOf(run),
      acknowledgedBy: acknowledged.person,
      acknowledgedAfterMs: Date.parse(acknowledged.at) - startedAt.getTime(),
      resolvedAt: resolvedAt.toISOString(),
      channel: await channel.name(),
      stillIsolated: [...incident.isolated],
      report,
    };
  },
);

/** The severity is set at the start; people may change it at any time. */
const severityOf = ({ severity }: IncidentRun): Severity => severity ?? 'sev1';

/** Asks one level after the other until somebody takes charge: 003_2522b3a81675c108.txt 612-616. */
async function acknowledge(run: IncidentRun, pages: Pages, summary: string) {
  const severity = severityOf(run);
  const { acknowledgeWithin, ladder } = run.config.escalation.severities[severity];
  const clock = run.deadline('acknowledge-in-time', {
    what: `Somebody takes charge of the incident (${severity})`,
    within: acknowledgeWithin,
    group: 'on-call',
  });
  pages.tell(message(run, 'responders', summary), true);
  const answer = await run.acknowledge('acknowledge', {
    what: `${severity}, ${run.config.service.title}: ${summary} Who takes charge?`,
    group: 'on-call',
    ladder: ladder.map(({ group, after, notify: audience }) => ({
      group,
      after,
      page: () => pages.tell(message(run, audience, summary)),
    })),
  });
  clock.met();
  pages.acknowledge();
  return answer;
}

/** @returns id of the newest change, when there is one */
async function assess(run: IncidentRun, voices: Voices, summary: string): Promise<string | null> {
  const { application } = run.steps;
  const { checks, title } = run.config.service;
  const since = new Date(run.now().getTime() - LOOK_BACK_MS).toISOString();
  const { failed } = await application.health({ checks: [...checks] });
  const { ratio, requests } = await application.errorRate({ minutes: ERRORS_OF_MINUTES });
  const { changes, newest } = await application.recentChanges({ since });
  const seen =
    `${failed.length === 0 ? 'All checks pass' : `${failed.join(', ')} failed`}, ${(ratio * 100).toFixed(1)} % of ` +
    `${requests} requests of the last ${ERRORS_OF_MINUTES} minutes failed, ${changes} deployments and changes ` +
    `since ${since}${newest === null ? '' : `, the newest ${newest}`}.`;
  await run.evidence('first-look', 'What the application showed at first', { text: seen });
  voices.channel.say(seen);
  const { option } = await run.decide('assessment', {
    question: `${title}: ${seen} Who is affected, and is it ${severityOf(run)} as reported?`,
    choices: ASSESSMENTS,
    group: 'on-call',
    within: ASSESS_WITHIN,
  });
  const rank = SEVERITIES.indexOf(severityOf(run)) + STEP[option];
  run.setSeverity(SEVERITIES[Math.min(Math.max(rank, 0), SEVERITIES.length - 1)] ?? severityOf(run));
  followSeverity(run, voices, summary);
  return newest;
}
const STEP = { 'more severe': -1, 'as reported': 0, 'less severe': 1 } as const;

/** Tells people that the severity has changed: when it rose, also those who are asked at once at the new one. */
function followSeverity(run: IncidentRun, voices: Voices, summary: string): void {
  const severity = severityOf(run);
  if (severity === voices.told) return;
  const rose = SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(voices.told);
  voices.channel.say(`The severity is ${severity} now; it was ${voices.told}.`);
  voices.told = severity;
  if (!rose) return;
  voices.pages.tell(message(run, 'responders', summary));
  for (const { after, notify: audience } of run.config.escalation.severities[severity].ladder) {
    if (AT_ONCE.test(after)) voices.pages.tell(message(run, audience, summary));
  }
}
const AT_ONCE = /^0 /;

/** Mitigates until a person confirms that the service is restored. Isolation ends when somebody agrees. */
async function untilRestored(incident: Incident, voices: Voices): Promise<readonly string[]> {
  const { run, known, isolated } = incident;
  const { title, checks } = run.config.service;
  const done: string[] = [];
  for (;;) {
    const follow = () => followSeverity(run, voices, known.summary);
    done.push(...(await mitigate(incident, follow)));
    follow();
    voices.page.say(severityOf(run), 'monitoring', WHEN.mitigated);
    for (const component of [...isolated]) await liftIsolation(incident, component);
    const { passed, failed } = await run.steps.application.health({ checks: [...checks] });
    const { option } = await run.decide('resolved', {
      question: `${title}: ${passed ? 'all checks pass' : `${failed.join(', ')} failed`}. Is the service restored?`,
      choices: ['restored', 'not restored'] as const,
      group: 'on-call',
      within: CONFIRM_WITHIN,
    });
    follow();
    if (option === 'restored') return done;
    voices.page.say(severityOf(run), 'investigating', WHEN.again);
  }
}

/** 002_c9cf85ce92b0c6c9.txt 167-174 */
async function openTicket(run: IncidentRun, { summary, vendor }: Reported): Promise<void> {
  const desk = run.config.escalation.vendors[vendor];
  await run.manual('vendor-ticket', {
    instruction:
      desk === undefined
        ? `config/escalation.yaml names no desk for ${vendor}. Open a ticket with the vendor, add the desk there, ` +
          'and give the number of the ticket as evidence.'
        : `Open a ticket at ${desk.title}: ${desk.contact} (${desk.terms}). Say: "${summary}" Give the number of ` +
          'the ticket as evidence.',
    critical: false,
  });
}

function message(run: IncidentRun, audience: string, summary: string) {
  const severity = severityOf(run);
  return {
    audience,
    severity,
    subject: `${severity}: ${run.config.service.title}`,
    text: `${summary} Run ${run.id}.`,
  };
}
