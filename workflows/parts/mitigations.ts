import type { Escalation } from '../../config/escalation.js';
import type { Notifications } from '../../config/notifications.js';
import type { Service } from '../../config/services.js';
import type { Run } from '../engine/runbook.js';
import { subRunbooks } from './sub-runbooks.js';

/** Time after which the owners are asked as well; no document names one. */
const CHOOSE_WITHIN = '15 minutes';
/** Time to agree that a component is connected again; no document names one. Nobody deciding leaves it cut off. */
const LIFT_WITHIN = '4 hours';
const REPORT_CHANNEL = 'operations';

export interface IncidentConfig {
  readonly service: Service;
  readonly notifications: Notifications;
  readonly escalation: Escalation;
}
export type IncidentRun = Run<IncidentConfig>;

/** What people said about the incident when it was started. */
export interface Known {
  readonly summary: string;
  /** Flag that switches the affected feature; empty: none. */
  readonly featureFlag: string;
  /** Deployment that worked; empty: not known. */
  readonly workingDeployment: string;
}

/** An incident while it is mitigated. */
export interface Incident {
  readonly run: IncidentRun;
  readonly known: Known;
  /** Id of the newest change before the incident, when the application knows one. */
  readonly newestChange: string | null;
  /** Components that are cut off. */
  readonly isolated: Set<string>;
}

/** Something that can be done against an incident. */
export interface Mitigation {
  /** What people type. */
  readonly choice: string;
  /** Ids for the plan. */
  readonly uses: (known: Known) => readonly string[];
  /** Default: always offered. */
  readonly isOffered?: (known: Known) => boolean;
  /** Does it, and says in a sentence what was done. */
  readonly act: (incident: Incident) => Promise<string>;
}

const byHand = (run: IncidentRun, instruction: string) => run.manual('mitigation-by-hand', { instruction });

/** A feature flag that is set; put back when the response is stopped. */
const flag = (enabled: boolean): Mitigation => ({
  choice: enabled ? 'flag on' : 'flag off',
  uses: () => ['application.setFeatureFlag'],
  isOffered: ({ featureFlag }) => featureFlag !== '',
  act: async ({ run, known: { featureFlag } }) => {
    const { application } = run.steps;
    const was: { before?: boolean } = {};
    run.undo('application.setFeatureFlag', `set the feature flag ${featureFlag} as it was`, async () => {
      if (was.before !== undefined)
        await application.setFeatureFlag({ flag: featureFlag, enabled: was.before });
    });
    was.before = (await application.setFeatureFlag({ flag: featureFlag, enabled })).before;
    return `The feature flag ${featureFlag} was switched ${enabled ? 'on' : 'off'}.`;
  },
});

/**
 * What can be done, in the order in which it is offered: 004_7a3def0868c62bab.txt 211-214 and
 * 002_c9cf85ce92b0c6c9.txt 26. What helped stays when the response is stopped, except for flags and isolation.
 */
const MITIGATIONS: readonly Mitigation[] = [
  {
    choice: 'redeploy',
    uses: () => ['component', 'application.redeploy'],
    act: async ({ run }) => {
      const component = await chooseComponent(run, 'is deployed again');
      const { deployment } = await run.steps.application.redeploy({ component });
      return `${component} was deployed again (${deployment}).`;
    },
  },
  {
    choice: 'roll back',
    uses: ({ workingDeployment }) =>
      workingDeployment === '' ? ['mitigation-by-hand'] : ['application.rollBackDeployment'],
    act: async ({ run, known: { workingDeployment }, newestChange }) => {
      if (workingDeployment !== '') {
        await run.steps.application.rollBackDeployment({ deployment: workingDeployment });
        return `The deployment ${workingDeployment} serves again.`;
      }
      await byHand(
        run,
        `Take the newest change of ${run.config.service.title} back` +
          `${newestChange === null ? '' : ` (${newestChange})`}: go back to the deployment before it, and give ` +
          'the id of the deployment that serves now.',
      );
      return 'The newest change was taken back by hand.';
    },
  },
  {
    choice: 'isolate',
    uses: () => [
      'component',
      'application.isolate',
      'lift-isolation',
      'application.liftIsolation',
      'slack.post',
    ],
    act: async (incident) => {
      const { run, isolated } = incident;
      const component = await chooseComponent(run, 'is cut off from users and from the rest');
      run.undo('application.liftIsolation', `ask whether ${component} is connected again`, async () => {
        await liftIsolation(incident, component);
        if (isolated.has(component)) await sayIsolated(run, component);
      });
      isolated.add(component);
      await run.steps.application.isolate({ component });
      return `${component} was isolated.`;
    },
  },
  {
    choice: 'scale up',
    uses: () => ['component', 'application.scaleUp'],
    act: async ({ run }) => {
      const component = await chooseComponent(run, 'gets more resources');
      await run.steps.application.scaleUp({ component });
      return `${component} got more resources.`;
    },
  },
  flag(true),
  flag(false),
  {
    choice: 'by hand',
    uses: () => ['mitigation-by-hand'],
    act: async ({ run }) => {
      await byHand(
        run,
        `Do what stops the problem with ${run.config.service.title}: fail over, restart another way, or put the ` +
          'fix in place. Say as evidence what you did.',
      );
      return 'Something else was done by hand.';
    },
  },
  ...subRunbooks(chooseComponent),
  // A vendor's outage ends without us.
  { choice: 'look again', uses: () => [], act: async () => 'Nothing was done; the checks ran again.' },
];
const GO_ON = 'go on';

const offered = (known: Known): readonly Mitigation[] =>
  MITIGATIONS.filter(({ isOffered }) => isOffered?.(known) ?? true);

/** Ids for the plan. */
export function mitigating(known: Known): readonly string[] {
  const uses = offered(known).flatMap((mitigation) => mitigation.uses(known));
  return [...new Set(['mitigation', 'application.health', ...uses])];
}

/**
 * Asks what is done, does it and looks, until the checks pass or a person says that it goes on. It never stops asking
 * by itself.
 * @returns what was done, a sentence for each
 */
export async function mitigate(incident: Incident, beforeEach: () => void): Promise<readonly string[]> {
  const { run, known } = incident;
  const { title, checks } = run.config.service;
  const mitigations = offered(known);
  const done: string[] = [];
  let problem = known.summary;
  for (;;) {
    beforeEach();
    const { option } = await run.decide('mitigation', {
      question: `${title}: ${problem} What is done against it? "${GO_ON}": it is over, or needs nothing.`,
      choices: [...mitigations.map(({ choice }) => choice), GO_ON],
      group: 'on-call',
      within: CHOOSE_WITHIN,
    });
    const chosen = mitigations.find(({ choice }) => choice === option);
    if (chosen === undefined) return done;
    done.push(await chosen.act(incident));
    const { passed, failed } = await run.steps.application.health({ checks: [...checks] });
    if (passed) return done;
    problem = `${failed.join(', ')} failed after "${option}".`;
  }
}

/**
 * Connects an isolated component again, once somebody agrees. Declined, or not decided by anybody, it stays isolated.
 * Harmless for a component that is not isolated.
 */
export async function liftIsolation({ run, isolated }: Incident, component: string): Promise<void> {
  if (!isolated.has(component)) return;
  const { verdict } = await run.review('lift-isolation', {
    question: `Connect ${component} of ${run.config.service.title} again? Declining keeps it isolated.`,
    group: 'approvers',
    within: LIFT_WITHIN,
  });
  if (verdict !== 'approved') return;
  await run.steps.application.liftIsolation({ component });
  isolated.delete(component);
}

/** A run that ends early must not leave a part of the service cut off in silence. */
async function sayIsolated(run: IncidentRun, component: string): Promise<void> {
  await run.steps.slack.post({
    channel: REPORT_CHANNEL,
    text: `Run ${run.id} ended early. ${component} of ${run.config.service.title} is STILL ISOLATED.`,
  });
}

/** A service of one component needs no question. */
async function chooseComponent(run: IncidentRun, what: string): Promise<string> {
  const { components, title } = run.config.service;
  const [only, ...others] = components;
  if (only !== undefined && others.length === 0) return only;
  const { option } = await run.decide('component', {
    question: `Which component of ${title} ${what}?`,
    choices: components,
    group: 'on-call',
    within: CHOOSE_WITHIN,
  });
  return option;
}
