import { ApplicationFailure } from '@temporalio/common';
import type { Notifications } from '../../config/notifications.js';
import type { Service } from '../../config/services.js';
import type { Run } from '../engine/runbook.js';
import type { PlanSection } from '../engine/types.js';
import { secretRotation } from '../secret-rotation.js';

/** Where the end of a response is told, and that it ended early. */
export const REPORT_CHANNEL = 'operations';
/** 003_2522b3a81675c108.txt 504: the logs of 24 hours. */
const LOOK_BACK_MS = 24 * 3_600_000;
/** Time to decide on the end of the isolation; no document names one. Nobody deciding leaves it in place. */
const LIFT_WITHIN = '7 days';

/** Configuration of a run that contains an attack. */
export interface Affected {
  readonly service: Service;
  readonly notifications: Notifications;
}
export type AffectedRun = Run<Affected>;

/** What the application shows of an attack. Counts and digests: nothing personal. */
export interface Signs {
  readonly suspected: boolean;
  /** One line for each question that was asked. */
  readonly lines: readonly string[];
}

/** @throws ApplicationFailure `UnknownComponent` when the service has no such part */
export function checkComponent({ config: { service } }: AffectedRun, component: string): void {
  if (service.components.includes(component)) return;
  throw ApplicationFailure.nonRetryable(
    `${service.title} has no component "${component}", nothing was done. Start again with one of ` +
      `${service.components.join(', ')}, or add it to config/services.yaml.`,
    'UnknownComponent',
  );
}

/** Begins something in the background, like `run.meanwhile`, for a body that needs its result later. */
export function begin<T>(run: AffectedRun, work: () => Promise<T>): Promise<T> {
  const begun = new Promise<T>((resolve, reject) => {
    run.meanwhile(() => {
      const result = work();
      result.then(resolve, reject);
      return result;
    });
  });
  // It may fail before the body asks for the result.
  begun.catch(() => undefined);
  return begun;
}

/**
 * Cuts the component off. Nothing ever connects it again by itself: a run that ends early takes nothing back, and only
 * says that the component is still cut off.
 */
export async function isolate(run: AffectedRun, component: string): Promise<void> {
  await run.steps.application.isolate({ component });
  run.undo('slack.post', `Say that ${component} is still isolated`, () =>
    run.steps.slack.post({
      channel: REPORT_CHANNEL,
      text:
        `Run ${run.id} ended early. ${component} of ${run.config.service.title} is STILL ISOLATED, and monitoring ` +
        'enhanced: lift it only with the agreement of security.',
    }),
  );
}

/** Revokes and replaces a leaked secret by a run of its own. However that ends, it does not end this run. */
export async function rotateLeaked(run: AffectedRun, secret: string, reason: string): Promise<string> {
  const { run: child, outcome } = await run.child('rotate-secret', secretRotation, {
    secret,
    mode: 'emergency',
    reason,
  });
  return `${secret}: the rotation ended ${outcome} (run ${child})`;
}

/** Asks the application what it knows, from a day before the awareness until now. */
export async function lookForSigns(run: AffectedRun, aware: Date): Promise<Signs> {
  const { application } = run.steps;
  const { since, until } = period(run, aware);
  const [breach, access, changes] = await Promise.all([
    application.breachCheck({ since, until }),
    application.analyzeAccess({ since, until }),
    application.recentChanges({ since }),
  ]);
  return {
    suspected: breach.suspected,
    lines: [
      `Breach check: ${breach.suspected ? 'suspected' : 'nothing found'}, ${breach.findings} findings (digest ${breach.digest})`,
      `Access: ${access.suspicious} suspicious accesses by ${access.accounts} accounts (digest ${access.digest})`,
      `Deployments and changes since ${since}: ${changes.changes}`,
    ],
  };
}

/** Puts records where nobody changes them, and their hashes on record. */
export async function keepRecords(
  run: AffectedRun,
  aware: Date,
  kinds: readonly ('logs' | 'database-audit' | 'storage-access')[],
): Promise<void> {
  const { since, until } = period(run, aware);
  const kept = kinds.map(async (kind) => {
    const { location, sha256, entries } = await run.steps.application.collectEvidence({ kind, since, until });
    const what = `${kind} from ${since} until ${until}, ${entries} entries`;
    await run.evidence(`evidence-${kind}`, what, { file: location, sha256 });
  });
  await Promise.all(kept);
}

/**
 * Connects the component again once security agrees, and sees to it that the service works. Declined, or not decided
 * by anybody, it stays isolated under enhanced monitoring.
 */
export async function liftIsolation(
  run: AffectedRun,
  component: string,
  known: string,
): Promise<'lifted' | 'kept'> {
  const { application } = run.steps;
  const { title, checks } = run.config.service;
  const { verdict } = await run.review('lift-isolation', {
    question: `Lift the isolation of ${component} of ${title}? ${known} Declining keeps it isolated.`,
    group: 'security',
    within: LIFT_WITHIN,
  });
  if (verdict !== 'approved') return 'kept';
  await application.liftIsolation({ component });
  // From here on it would be wrong to say that the component is isolated.
  run.keep();
  await application.restoreMonitoring({});
  const { passed, failed } = await application.health({ checks: [...checks] });
  if (!passed) {
    await run.manual('restore-function', {
      instruction: `${failed.join(', ')} failed after the isolation of ${component} was lifted. Make ${title} work, and run these checks again.`,
    });
  }
  return 'lifted';
}

export const lifting: PlanSection = {
  heading: 'Lift the isolation, once security agrees',
  uses: [
    'lift-isolation',
    'application.liftIsolation',
    'application.restoreMonitoring',
    'application.health',
    'restore-function',
  ],
};

/** Ids for the plan: the questions of `lookForSigns`. */
export const LOOKING = ['application.breachCheck', 'application.analyzeAccess', 'application.recentChanges'];

/** A start in the same second as the awareness still has a day before it. */
function period(run: AffectedRun, aware: Date): { since: string; until: string } {
  return {
    since: new Date(aware.getTime() - LOOK_BACK_MS).toISOString(),
    until: run.now().toISOString(),
  };
}
