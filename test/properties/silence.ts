import type { Rehearsal, ScriptedAnswer } from '../../workflows/engine/types.js';
import { ofKind, type Observed } from '../helpers/rehearsals.js';
import {
  baseOf,
  isChange,
  isRestorable,
  lastUndo,
  operationsOf,
  restored,
  undoProblems,
} from './comparisons.js';
import { failurePoints, REFUSED } from './failure-points.js';
import { firstOfEach } from './select.js';
import { manualSteps } from './stops.js';
import { OPERATOR, type Subject } from './subject.js';

const DAY_MS = 86_400_000;
const DAYS = 3;

/** A gate that nobody answers escalates, expires, and is never taken for a yes. */
export async function silenceIsNoApproval(subject: Subject): Promise<string[]> {
  const { clean } = await subject.rehearsed();
  const gates = firstOfEach(
    clean.flatMap((observed) =>
      ofKind(observed, 'gate.opened').map(({ gate, review }) => ({ observed, id: baseOf(gate), review })),
    ),
    ({ id }) => id,
  );
  return await subject.problemsOf(
    gates.map(({ observed: { name }, id, review }) => ({
      about: `nobody answers ${id}`,
      experiment: {
        rehearsal: subject.changed(subject.rehearsal(name), { [id]: 'nobody' }),
        anyEnd: true,
      },
      problems: (observed) => [
        ...expiryProblems(observed, id),
        ...(review
          ? [observed.outcome !== 'completed' && `a review ended the run as ${observed.outcome}`]
          : rejectionProblems(observed)),
      ],
    })),
  );
}

function expiryProblems(observed: Observed, id: string): (string | false)[] {
  const opened = ofKind(observed, 'gate.opened').find(({ gate }) => gate === id);
  const escalated = ofKind(observed, 'gate.escalated').find(({ gate }) => gate === id);
  const closed = ofKind(observed, 'gate.closed').find(({ gate }) => gate === id);
  return [
    !ofKind(observed, 'gate.reminded').some(({ gate }) => gate === id) && 'nobody was reminded',
    (escalated === undefined || escalated.virtual < (opened?.deadline ?? '')) &&
      'it did not escalate at its deadline',
    closed?.outcome !== 'expired' && `the gate was ${closed?.outcome ?? 'left open'}`,
    (closed?.virtual ?? '') < (escalated?.deadline ?? '') && 'it expired before the second deadline',
  ];
}

function rejectionProblems(observed: Observed): (string | false)[] {
  const undo = lastUndo(observed);
  return [
    observed.outcome !== 'rejected' && `it ended ${observed.outcome}`,
    ...undoProblems(observed, undo),
    isRestorable(observed.run, observed.visits, undo) && restored(observed),
  ];
}

/** A question that nobody answers for days reminds, escalates and waits. */
export async function questionsWait(subject: Subject): Promise<string[]> {
  const late = (answer: ScriptedAnswer): ScriptedAnswer => ({ ...answer, after: `${DAYS} days` });
  const lateIn = (rehearsal: Rehearsal<unknown>, id: string): Rehearsal<unknown> => {
    const script = rehearsal.answers[id] as ScriptedAnswer | readonly ScriptedAnswer[];
    const answer = Array.isArray(script) ? script.map(late) : late(script as ScriptedAnswer);
    return subject.changed(rehearsal, { [id]: answer });
  };
  const failed = (await failurePoints(subject)).find(
    ({ visit }) => isChange(visit) && visit.requests.length > 0 && !visit.background,
  );
  return await subject.problemsOf([
    ...(await manualSteps(subject)).map(({ rehearsal, id }) => ({
      about: `${id} is done after ${DAYS} days`,
      experiment: { rehearsal: lateIn(rehearsal, id), closely: false },
      problems: (observed: Observed) => waitProblems(observed, id),
    })),
    ...(failed === undefined ? [] : [failed]).map(({ rehearsal, visit }) => ({
      about: `${visit.step} is tried again after ${DAYS} days`,
      experiment: {
        rehearsal: subject.changed(rehearsal, {
          [visit.step]: late({ by: OPERATOR, choice: 'retry' }),
        }),
        strike: (step: string) =>
          step === visit.step
            ? ({ point: 'before', status: REFUSED, operations: operationsOf(visit).slice(-1) } as const)
            : undefined,
        closely: false,
        // What must happen inside a window does not happen three days later.
        anyEnd: true,
      },
      problems: (observed: Observed) => [
        !observed.struck.has(visit.step) && `${visit.step} was not struck`,
        ...waitProblems(observed, visit.step),
      ],
    })),
  ]);
}

function waitProblems(observed: Observed, id: string): (string | false)[] {
  return [
    !ofKind(observed, 'question.reminded').some(({ target }) => target === id) && 'nobody was reminded',
    ofKind(observed, 'question.escalated').filter(({ target }) => target === id).length !== 1 &&
      'it did not escalate once',
    observed.virtualMs < DAYS * DAY_MS && `it did not wait for ${DAYS} days`,
  ];
}
