import type { FaultPoint } from '../../simulators/world.js';
import { ofKind, type Observed, type Strike, type Visit } from '../helpers/rehearsals.js';
import { effectsDiffer, operationsOf, ownVisits } from './comparisons.js';
import { covering } from './select.js';
import type { Subject, Trial } from './subject.js';

/** A monitor repeats its step for a day; each further look is the same as the second. */
const STRUCK_OF_EACH_VERB = 2;

/**
 * A step is struck at every operation that it asked in the clean run. All steps of a run are struck, one after the
 * other: each recovers before the next begins, so a step that does not is named by its own line. As many rehearsals
 * as bring a verb, or another set of operations of it, that no other one has.
 */
export async function faultsAreOvercome(subject: Subject, point: FaultPoint): Promise<string[]> {
  const { clean } = await subject.rehearsed();
  const keysOf = (observed: Observed) =>
    ownVisits(observed).map((visit) => `${visit.activity} ${operationsOf(visit).join()}`);
  return await subject.problemsOf(
    covering(clean, keysOf).map((wanted): Trial => {
      const targets = targetsOf(ownVisits(wanted));
      const strikes = new Map(
        targets.map((visit) => [visit.step, { point, operations: operationsOf(visit) } satisfies Strike]),
      );
      return {
        about: `fault ${point} each step`,
        experiment: {
          rehearsal: subject.rehearsal(wanted.name),
          strike: (step) => strikes.get(step),
          closely: false,
        },
        problems: (observed) => [
          effectsDiffer(observed, wanted),
          ...targets.flatMap((visit) => recoveryProblems(observed, visit)),
        ],
      };
    }),
  );
}

function targetsOf(visits: readonly Visit[]): readonly Visit[] {
  return visits.filter((visit, index) => {
    const earlier = visits.slice(0, index).filter(({ activity }) => activity === visit.activity).length;
    return earlier < (visit.background ? 1 : STRUCK_OF_EACH_VERB);
  });
}

function recoveryProblems(observed: Observed, { step, activity, background }: Visit): (string | false)[] {
  // What goes on at once asks the same vendor: the fault may have met another step of the verb.
  const outcomes = ofKind(observed, 'step.outcome').filter((outcome) =>
    background ? outcome.activity === activity : outcome.step === step,
  );
  return [
    !observed.struck.has(step) && `${step} was not struck`,
    !outcomes.some(({ outcome }) => outcome === 'failed') && `${step} was not tried again`,
    !outcomes.some(({ outcome }) => outcome === 'ok') && `${step} did not succeed`,
    !background && outcomes.at(-1)?.outcome !== 'ok' && `${step} ended ${outcomes.at(-1)?.outcome}`,
  ];
}
