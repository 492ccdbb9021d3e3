import { z } from 'zod';
import type { Escalation } from '../config/escalation.js';
import { dataBreachResponse } from './data-breach-response.js';
import { runbook, type Run } from './engine/runbook.js';
import type { Plan } from './engine/types.js';
import { isMoment, momentOf, NO_MOMENT } from './parts/awareness.js';
import { startClocks, type ClockSpec } from './parts/clocks.js';
import {
  checkComponent,
  isolate,
  keepRecords,
  liftIsolation,
  lifting,
  lookForSigns,
  LOOKING,
  REPORT_CHANNEL,
  rotateLeaked,
  type Affected,
} from './parts/containment.js';
import { notify, notifying, tell } from './parts/notify.js';
import { rehearsals } from './rehearsals/security-incident.js';

const BASIC = '000_55244bcf0485ca5e.txt';
const IMMEDIATE = '003_2522b3a81675c108.txt';

/** From the moment of awareness on. */
const CLOCKS = {
  /** 004_7a3def0868c62bab.txt 558 */
  'clock-security': { what: 'Have security take charge', within: '15 minutes', group: 'security' },
  /** 002_c9cf85ce92b0c6c9.txt 79 */
  'clock-legal': { what: 'Tell legal', within: '30 minutes', group: 'security' },
} as const satisfies Record<string, ClockSpec>;
/** Time after which the owners are asked as well; no document names one. */
const ASSESSED_WITHIN = '1 hour';

interface Config extends Affected {
  readonly escalation: Escalation;
}
type IncidentRun = Run<Config>;

/**
 * The response to a security incident. Follows 000_55244bcf0485ca5e.txt 190-195 and 003_2522b3a81675c108.txt 485-511;
 * where data may have left the application it goes on as a data breach response.
 */
export const securityIncident = runbook(
  {
    name: 'securityIncident',
    title: 'Respond to a security incident',
    summary:
      'Isolates the component, has security take charge, revokes the compromised credential, secures the logs, and ' +
      'goes on as a data breach response when data may be affected.',
    covers: ['A-037', 'A-038'],
    corrections: [
      `${BASIC} 191-192 assesses before it isolates, ${IMMEDIATE} 492 isolates first; here the first, which costs minutes, comes after.`,
      `${BASIC} 194 notifies users "if required" and names nobody who decides; here legal does, in the data breach response.`,
      `${IMMEDIATE} 487-511 revokes no credential and tells nobody; here both are done.`,
      'Neither document ends the isolation; here only a gate does. A run that ends early leaves it in place and says so.',
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
      component: z
        .string()
        .min(1)
        .max(100)
        .meta({
          title: 'Component',
          description: 'The part of the service that is isolated',
          examples: ['oauth-callback'],
        }),
      detectedAt: z
        .string()
        .max(40)
        .refine(isMoment, NO_MOMENT)
        .default('now')
        .meta({
          title: 'Aware since',
          description: 'When somebody became aware of it: every clock starts there',
          examples: ['10 minutes ago'],
        }),
      credential: z
        .string()
        .max(100)
        .default('')
        .meta({
          title: 'Compromised credential',
          description: 'Its id in config/secrets.yaml; empty: none that is known of',
          examples: ['resend/api-key'],
          options: 'secrets',
        }),
      summary: z
        .string()
        .min(10)
        .max(300)
        .meta({
          title: 'What happened',
          description: 'In a sentence; no personal data',
          examples: ['Sign-ins from an unknown network with an administrator account'],
        }),
    }),
    start: 'operators',
    config: ({ service, credential }) => ({
      service: `services/${service}`,
      notifications: 'notifications',
      escalation: 'escalation',
      // Only so that a credential that does not exist is named at the start, and not in the middle of the response.
      ...(credential === '' ? {} : { credential: `secrets/${credential}` }),
    }),
    plan: ({ credential }, config: Config) => plan(credential, config),
    rehearsals,
  },
  async ({ service, component, detectedAt, credential, summary }, run) => {
    checkComponent(run, component);
    run.setSeverity('sev1');
    const { title } = run.config.service;
    const aware = momentOf(detectedAt, run.now());
    const clocks = startClocks(run, CLOCKS, aware);
    const known = { credential: 'none known to be compromised' };

    const isolated = isolate(run, component);
    run.meanwhile(async () => {
      await securityTakesCharge(run, `${component} of ${title} is being isolated: ${summary}`);
      clocks['clock-security'].met();
    });
    run.meanwhile(async () => {
      await tell(run, {
        audience: 'legal',
        severity: 'sev1',
        subject: `Security incident: ${component} of ${title}`,
        text: `${summary} Known since ${aware.toISOString()}. Run ${run.id}.`,
      });
      clocks['clock-legal'].met();
    });
    if (credential !== '') {
      known.credential = `${credential}: its rotation is under way`;
      run.meanwhile(async () => {
        known.credential = await rotateLeaked(run, credential, `Compromised in an incident: ${summary}`);
      });
    }
    await isolated;
    await run.steps.application.enhanceMonitoring({});

    const signs = await lookForSigns(run, aware);
    await keepRecords(run, aware, ['logs']);
    const scope = await assess(run, signs.suspected, signs.lines);
    await fileReport(run, { component, scope, lines: signs.lines, credential: known.credential });

    const ended =
      scope === 'data breach'
        ? await goOnAsBreach(run, { service, component, aware, summary, credential: known.credential })
        : await closeTheWayIn(run, component, signs.lines);
    await run.report('post-mortem', `Post-mortem of the security incident at ${title}`, {
      kind: 'post-mortem',
      facts: [
        { heading: 'What happened', lines: [summary, `Aware since ${aware.toISOString()}`, ...signs.lines] },
        { heading: 'What was done', lines: [`Credential: ${known.credential}`, ended.text] },
        {
          heading: 'To be written',
          lines: ['Why it could happen', 'Why it was not noticed earlier', 'Action items'],
        },
      ],
    });
    await run.steps.slack.post({
      channel: REPORT_CHANNEL,
      text: `Security incident at ${title}: ${ended.text} Credential: ${known.credential}. Post-mortem drafted. Run ${run.id}.`,
    });
    return { scope, isolation: ended.isolation, breach: ended.breach };
  },
);

/** Security is asked, and the ladder of the first level behind it; the executives are told at once. */
async function securityTakesCharge(run: IncidentRun, text: string): Promise<void> {
  const { ladder } = run.config.escalation.severities.sev1;
  const message = {
    severity: 'sev1',
    subject: `Security incident: ${run.config.service.title}`,
    text,
  } as const;
  notify(run, { ...message, audience: 'security' });
  await run.acknowledge('take-charge', {
    what: `Take charge of the security incident: ${text}`,
    group: 'security',
    ladder: ladder.map(({ group, after, notify: audience }) => ({
      group,
      after,
      page: () => notify(run, { ...message, audience }),
    })),
  });
}

/** Which data and whose. What the application suspects itself is a breach without anybody's say. */
async function assess(
  run: IncidentRun,
  suspected: boolean,
  lines: readonly string[],
): Promise<'data breach' | 'no data affected'> {
  if (suspected) return 'data breach';
  const { option } = await run.decide('scope', {
    question: `Which organisations and which data does it concern? ${lines.join('. ')}. Somebody may have had access to data of people:`,
    choices: ['data breach', 'no data affected'],
    group: 'security',
    within: ASSESSED_WITHIN,
  });
  return option;
}

async function fileReport(
  run: IncidentRun,
  found: {
    readonly component: string;
    readonly scope: string;
    readonly lines: readonly string[];
    readonly credential: string;
  },
): Promise<void> {
  const { component, scope, lines, credential } = found;
  const title = `Security incident at ${run.config.service.title}`;
  const { hash } = await run.report('incident-report', title, {
    kind: 'incident report',
    facts: [
      { heading: 'Scope', lines: [scope, ...lines] },
      { heading: 'Containment', lines: [`${component} is isolated`, `Credential: ${credential}`] },
    ],
  });
  await run.steps.application.fileIncidentReport({
    title,
    summary: `${scope}. ${lines.join('. ')}. Credential: ${credential}. Report of run ${run.id}, SHA-256 ${hash}.`,
  });
}

interface End {
  readonly isolation: 'lifted' | 'kept';
  /** How the data breach response ended. */
  readonly breach: string | null;
  readonly text: string;
}

/** The data breach response takes over, with its clocks from the same moment; it lifts the isolation, or does not. */
async function goOnAsBreach(
  run: IncidentRun,
  incident: {
    readonly service: string;
    readonly component: string;
    readonly aware: Date;
    readonly summary: string;
    readonly credential: string;
  },
): Promise<End> {
  const { service, component, aware, summary, credential } = incident;
  const {
    run: child,
    outcome,
    result,
  } = await run.child('data-breach', dataBreachResponse, {
    service,
    component,
    detectedAt: aware.toISOString(),
    summary: `${summary} (credential ${credential})`.slice(0, 400),
  });
  const isolation = (result as { isolation?: string } | null)?.isolation === 'lifted' ? 'lifted' : 'kept';
  if (isolation === 'lifted') run.keep();
  const text = `The data breach response ended ${outcome} (run ${child}), the isolation of ${component} is ${isolation}.`;
  return { isolation, breach: outcome, text };
}

/** Nothing is connected again before the way in is closed and security agrees. */
async function closeTheWayIn(run: IncidentRun, component: string, lines: readonly string[]): Promise<End> {
  await run.manual('patch', {
    instruction:
      `Close the way into ${component}: patch it, deploy it while it is isolated, and check that the attack does not ` +
      'work any more. Attach how that was checked.',
  });
  const isolation = await liftIsolation(run, component, `No data is affected. ${lines.join('. ')}.`);
  return {
    isolation,
    breach: null,
    text: `No data affected; the isolation of ${component} is ${isolation}.`,
  };
}

function plan(credential: string, { notifications, escalation }: Config): Plan {
  const ladder = escalation.severities.sev1.ladder.map(({ notify: audience }) => audience);
  return [
    {
      heading:
        'Isolate the affected component. Only a gate lifts it; a run that ends early says that it is isolated',
      source: `${BASIC} 192, ${IMMEDIATE} 492`,
      uses: ['application.isolate', 'slack.post'],
    },
    {
      heading: 'Security takes charge within 15 minutes, legal is told within 30',
      source: '004_7a3def0868c62bab.txt 558, 002_c9cf85ce92b0c6c9.txt 79',
      uses: [
        'take-charge',
        'clock-security',
        'clock-legal',
        ...notifying(notifications, 'security', 'legal', ...ladder),
      ],
    },
    ...(credential === ''
      ? []
      : [
          {
            heading: `Revoke ${credential} and replace it, beside everything else`,
            source: `${BASIC} 193`,
            uses: ['rotate-secret'],
          },
        ]),
    {
      heading: 'Watch closely, and look for signs of a breach',
      source: `${IMMEDIATE} 495-498, ${IMMEDIATE} 507`,
      uses: ['application.enhanceMonitoring', ...LOOKING],
    },
    {
      heading: 'Secure the logs of 24 hours',
      source: `${IMMEDIATE} 504`,
      uses: ['application.collectEvidence', 'evidence-logs'],
    },
    { heading: 'Assess the scope: which organisations, which data', source: `${BASIC} 191`, uses: ['scope'] },
    {
      heading: 'Write and file the incident report',
      source: `${IMMEDIATE} 510`,
      uses: ['incident-report', 'application.fileIncidentReport'],
    },
    {
      heading: 'When data may be affected: go on as a data breach response, which alone may notify users',
      source: `${BASIC} 194, 002_c9cf85ce92b0c6c9.txt 74-83`,
      uses: ['data-breach'],
    },
    { heading: 'Otherwise close the way in', source: `${BASIC} 195`, uses: ['patch'] },
    lifting,
    {
      heading: 'Draft the post-mortem, and report',
      source: `${BASIC} 195`,
      uses: ['post-mortem', 'slack.post'],
    },
  ];
}
