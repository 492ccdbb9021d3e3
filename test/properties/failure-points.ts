import { isUndo, type Strike, type Visit } from '../helpers/rehearsals.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { isRestorable, operationsOf, ownVisits } from './comparisons.js';
import { firstOfEach } from './select.js';
import type { Subject } from './subject.js';

/** A fault for good is answered like this: no verb tries again after it. */
export const REFUSED = 400;

/** Where a step can fail, and what must be true then. */
export interface FailurePoint {
  readonly rehearsal: Rehearsal<unknown>;
  readonly visit: Visit;
  /** An undo at this point brings everything back. */
  readonly restorable: boolean;
}

/**
 * Where a step can fail: a verb that changes something once for each state of what would be undone (before and after
 * the point of no return, for instance), one that only looks once; each in the rehearsal that gets there soonest.
 */
export async function failurePoints(subject: Subject): Promise<readonly FailurePoint[]> {
  const { clean } = await subject.rehearsed();
  const points = clean.flatMap((observed) =>
    ownVisits(observed).flatMap((visit) => {
      if (isUndo(visit)) return [];
      const index = observed.visits.indexOf(visit);
      const restorable = isRestorable(observed.run, observed.visits.slice(0, index + 1), visit.undo);
      return [{ rehearsal: subject.rehearsal(observed.name), visit, index, restorable }];
    }),
  );
  return firstOfEach(
    points.sort((a, b) => Number(isOvertaken(a)) - Number(isOvertaken(b)) || a.index - b.index),
    ({ visit: { activity, undo, acted, background }, restorable }) =>
      JSON.stringify(acted && !background ? [activity, undo, restorable] : [activity, background]),
  );
}

/** What fails in the background is told at the end of the body: a run that ends in another way does not get there. */
function isOvertaken({ rehearsal, visit }: Pick<FailurePoint, 'rehearsal' | 'visit'>): boolean {
  return visit.background && (rehearsal.ends ?? 'completed') !== 'completed';
}

/** Refuses a step for good. */
export function refusing(visit: Visit): Strike {
  return {
    point: 'before',
    forGood: true,
    status: REFUSED,
    // The last operation: what came before it has happened, which is harder to undo. A look may do with the others.
    operations: visit.acted ? operationsOf(visit).slice(-1) : operationsOf(visit),
  };
}

/** The same for each step that may be meant: what goes on at once asks the same vendor. */
export function alike<T>({ visit, rehearsal }: FailurePoint, subject: Subject, value: T): Record<string, T> {
  const steps = visit.background ? subject.stepsOf(rehearsal, visit.activity) : [visit.step];
  return Object.fromEntries(steps.map((step) => [step, value]));
}
