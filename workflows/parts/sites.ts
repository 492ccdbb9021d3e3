import type { Service } from '../../config/services.js';
import type { Run } from '../engine/runbook.js';

/** Time to decide while a service is out of use or read-only; no document names one. */
const DECIDE_WITHIN = '30 minutes';
const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;

type SiteRun = Run<{ readonly service: Service }>;
type Place = Service['storage']['live'];

/** Copies what is not there yet, compares both places, and asks when they differ. */
export async function syncFiles(run: SiteRun, from: Place, to: Place): Promise<{ objects: number }> {
  const { s3 } = run.steps;
  await s3.copyAll({ from, to });
  const wanted = await s3.inventory(from);
  const found = await s3.inventory(to);
  const isSame =
    wanted.objects === found.objects && wanted.bytes === found.bytes && wanted.digest === found.digest;
  if (!isSame) {
    await run.approve('go-on-despite-files', {
      question:
        `${to.bucket} holds ${found.objects} files (${found.bytes} bytes) and not the ${wanted.objects} ` +
        `(${wanted.bytes} bytes) of ${from.bucket}. Go on all the same?`,
      group: 'approvers',
      within: DECIDE_WITHIN,
    });
  }
  return { objects: found.objects };
}

export interface Checking {
  readonly gate: string;
  /** Without one: where the public name leads. */
  readonly environment?: string;
  readonly when: string;
  readonly otherwise: string;
}

/** Runs the checks of the service; when one fails, people decide. */
export async function checkService(
  run: SiteRun,
  { gate, environment, when, otherwise }: Checking,
): Promise<void> {
  const { title, checks } = run.config.service;
  const { passed, failed } = await run.steps.application.health({
    checks: [...checks],
    ...(environment === undefined ? {} : { environment }),
  });
  if (passed) return;
  await run.approve(gate, {
    question: `${title}: ${failed.join(', ')} failed ${when}. Go on all the same? Otherwise ${otherwise}.`,
    group: 'approvers',
    within: DECIDE_WITHIN,
  });
}

/** A length of time as people say it: `6 h 5 min`. */
export function spoken(ms: number): string {
  const minutes = Math.round(ms / MINUTE_MS);
  const hours = Math.floor(minutes / HOUR_MINUTES);
  return hours === 0 ? `${minutes} min` : `${hours} h ${minutes % HOUR_MINUTES} min`;
}
