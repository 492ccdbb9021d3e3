import type { LedgerEntry } from '../../activities/ledger/entry.js';
import { isUndo, messagesOf, ofKind, type Observed, type Visit } from '../helpers/rehearsals.js';
import type { Rehearsal, ScriptedAnswer } from '../../workflows/engine/types.js';
import {
  baseOf,
  changingOperationsOf,
  effectsDiffer,
  operationsOf,
  orderProblems,
  ownVisits,
  restored,
  undoProblems,
} from './comparisons.js';
import { alike, failurePoints, refusing, type FailurePoint } from './failure-points.js';
import { covering, firstOfEach } from './select.js';
import { abort, type Subject, type Trial } from './subject.js';

/** A step that fails for good stops the run at exactly that step, and everything is undone in reverse. */
export function failuresStopTheRun(subject: Subject): Promise<string[]> {
  return subject.once('failures', async () => (await refusals(subject)).problems);
}

interface Refusal {
  readonly point: FailurePoint;
  readonly observed: Observed;
}

function refusals(subject: Subject): Promise<{ problems: string[]; refused: readonly Refusal[] }> {
  return subject.once('refusals', async () => {
    const points = await failurePoints(subject);
    const refused: Refusal[] = [];
    const problems = await subject.problemsOf(
      points.map((point): Trial => {
        const { rehearsal, visit } = point;
        return {
          about: `${visit.step} refused for good`,
          experiment: {
            rehearsal: subject.changed(rehearsal, alike(point, subject, abort)),
            strike: (step) => (step === visit.step ? refusing(visit) : undefined),
            anyEnd: true,
            closely: false,
          },
          problems: (observed) => {
            refused.push({ point, observed });
            return stopProblems(subject, observed, point);
          },
        };
      }),
    );
    return { problems, refused };
  });
}

/** So does a step whose answer is lost for good, unless it finds what it did. */
export async function lostAnswersStopTheRun(subject: Subject): Promise<string[]> {
  const points = firstOfEach(
    (await failurePoints(subject)).filter(({ visit }) => visit.acted && !visit.background),
    ({ visit }) => visit.activity,
  );
  const { clean } = await subject.rehearsed();
  return await subject.problemsOf(
    points.map((point) => {
      const { rehearsal, visit } = point;
      return {
        about: `${visit.step} never answered`,
        experiment: {
          rehearsal: subject.changed(rehearsal, { [visit.step]: abort }),
          strike: (step) =>
            step === visit.step
              ? { point: 'after', forGood: true, operations: changingOperationsOf(visit) }
              : undefined,
          anyEnd: true,
          closely: false,
        },
        problems: (observed) => {
          const gaveUp = ofKind(observed, 'question.asked').some(({ target }) => target === visit.step);
          if (gaveUp) return stopProblems(subject, observed, point);
          const expected = clean.find(({ name }) => name === rehearsal.name);
          return [
            !observed.struck.has(visit.step) && `${visit.step} was not struck`,
            observed.outcome !== expected?.outcome && `it ended ${observed.outcome}`,
            expected !== undefined && effectsDiffer(observed, expected),
          ];
        },
      };
    }),
  );
}

interface ManualStep {
  readonly rehearsal: Rehearsal<unknown>;
  readonly id: string;
  readonly canStop: boolean;
  /** What could be undone by the steps before and after it: one of the two is what could be undone at it. */
  readonly stacks: readonly (readonly string[])[];
}

function stacksAround(observed: Observed, target: string): (readonly string[])[] {
  const at = (wanted: (entry: LedgerEntry) => boolean): number =>
    observed.entries.findIndex(({ entry }) => wanted(entry));
  const asked = at((entry) => entry.kind === 'question.asked' && entry.target === target);
  const begun = (visit: Visit): number =>
    at((entry) => entry.kind === 'step.intent' && entry.step === visit.step);
  const visits = ownVisits(observed).filter((visit) => !isUndo(visit));
  const before = visits.findLast((visit) => begun(visit) < asked);
  const after = visits.find((visit) => begun(visit) > asked);
  return [before?.undo ?? [], after?.undo ?? []];
}

/** Manual steps of the clean runs, each once. */
export async function manualSteps(subject: Subject): Promise<readonly ManualStep[]> {
  const { clean } = await subject.rehearsed();
  return firstOfEach(
    clean.flatMap((observed) =>
      ofKind(observed, 'question.asked')
        .filter(({ question }) => question === 'manual step')
        .map(({ target, choices }) => ({
          rehearsal: subject.rehearsal(observed.name),
          id: baseOf(target),
          canStop: choices.includes('abort'),
          stacks: stacksAround(observed, target),
        })),
    ),
    ({ id }) => id,
  );
}

/** A manual step that can't be done stops the run, and everything is undone in reverse. */
export async function undoableByHandStopsTheRun(subject: Subject): Promise<string[]> {
  const steps = (await manualSteps(subject)).filter(({ canStop }) => canStop);
  return await subject.problemsOf(
    steps.map(({ rehearsal, id, stacks }) => ({
      about: `${id} can't be done`,
      experiment: {
        rehearsal: subject.changed(rehearsal, { [id]: { ...abort, by: doerOf(rehearsal, id) } }),
        anyEnd: true,
      },
      problems: (observed) => {
        const wrong = stacks.map((undo) =>
          undoProblems(observed, undo).filter((problem) => problem !== false),
        );
        const best = wrong.sort((one, other) => one.length - other.length)[0] ?? [];
        return [observed.outcome !== 'aborted' && `it ended ${observed.outcome}`, ...best];
      },
    })),
  );
}

/** Who does a manual step in a rehearsal: it is the work of a group, and nobody else may give it up. */
function doerOf({ answers }: Rehearsal<unknown>, id: string): string {
  const script = answers[id];
  const [first] = Array.isArray(script) ? (script as readonly ScriptedAnswer[]) : [script];
  return first === undefined || first === 'nobody' ? abort.by : (first as ScriptedAnswer).by;
}

/** Each undo step that is executed twice leaves the same world. */
export async function undosMayBeRepeated(subject: Subject): Promise<string[]> {
  const { refused } = await refusals(subject);
  const undone = refused.filter(
    ({ point, observed }) =>
      !point.visit.background &&
      observed.outcome === 'aborted' &&
      observed.visits.some(isUndo) &&
      // How far a part has come when its run is stopped is another matter each time.
      observed.visits.every(({ run }) => run === observed.run),
  );
  const chosen = covering(undone, ({ observed }) =>
    observed.visits.filter(isUndo).map((visit) => `${visit.activity} ${operationsOf(visit).join()}`),
  );
  return await subject.problemsOf(
    chosen.map(({ point, observed: once }): Trial => {
      const { rehearsal, visit } = point;
      const undoSteps = once.visits.filter((undo) => isUndo(undo) && undo.run === once.run);
      return {
        about: `undone twice after ${visit.step}`,
        experiment: {
          rehearsal: subject.changed(rehearsal, { [visit.step]: abort }),
          strike: (step) => {
            if (step === visit.step) return refusing(visit);
            const undo = undoSteps.find((other) => other.step === step);
            return undo === undefined ? undefined : { point: 'after', operations: operationsOf(undo) };
          },
          anyEnd: true,
          closely: false,
        },
        problems: (observed) => [
          ...undoSteps.map(({ step }) => !observed.struck.has(step) && `${step} was not executed twice`),
          ...stopProblems(subject, observed, point),
          effectsDiffer(observed, once),
        ],
      };
    }),
  );
}

/** What is wrong with how a run stopped at a point. */
function stopProblems(
  subject: Subject,
  observed: Observed,
  { rehearsal, visit, restorable }: FailurePoint,
): (string | false)[] {
  const { step, background, activity } = visit;
  const isMeant = (id: string): boolean => (background ? id.startsWith(`${activity}#`) : id === step);
  const asked = ofKind(observed, 'question.asked').filter(({ question }) => question === 'failed step');
  const resolved = ofKind(observed, 'step.resolved').filter(({ choice }) => choice === 'aborted');
  const told = (...parts: readonly string[]): boolean =>
    messagesOf(observed).some((text) => parts.every((part) => text.includes(part)));
  return [
    observed.outcome !== 'aborted' && `it ended ${observed.outcome}`,
    !observed.struck.has(step) && `${step} was not struck`,
    (asked.length === 0 || !asked.every(({ target }) => isMeant(target))) &&
      `it failed at ${asked.map(({ target }) => target).join() || 'no step'}`,
    (resolved.length === 0 || !resolved.every((entry) => isMeant(entry.step))) &&
      `${step} is not the step that was given up`,
    // What goes on in the background is given up when the rest is done, by then with other things to undo.
    ...(background ? orderProblems(observed) : undoProblems(observed, visit.undo)),
    ...(background ? [] : [wentOn(subject, observed, rehearsal)]),
    !background && restorable && restored(observed),
    !told('question asked', background ? activity : step, 'abort') &&
      `nobody was told what to do about ${step}`,
    !told('run closed', 'aborted') && 'nobody was told of the end',
  ];
}

/** Whether the run began another step of its body after one was given up. */
function wentOn(subject: Subject, observed: Observed, rehearsal: Rehearsal<unknown>): string | false {
  const given = observed.entries.findIndex(({ entry }) => entry.kind === 'step.resolved');
  const begunBefore = new Set<string>();
  for (const [index, { entry }] of observed.entries.entries()) {
    if (entry.kind !== 'step.intent') continue;
    const isNew = !begunBefore.has(entry.step);
    begunBefore.add(entry.step);
    if (index < given || !isNew || isUndo(entry)) continue;
    if (subject.isBackground(rehearsal, entry.activity)) continue;
    return `it went on with ${entry.step} after the step that failed`;
  }
  return false;
}
