import { difference } from '../helpers/picture.js';
import { isUndo, messagesOf, netEffects, ofKind, type Observed, type Visit } from '../helpers/rehearsals.js';

export const baseOf = (id: string): string => id.replace(/#\d+$/, '');
export const operationsOf = ({ requests }: Visit): string[] => [
  ...new Set(requests.map(({ operation }) => operation)),
];
export const changingOperationsOf = ({ requests }: Visit): string[] => [
  ...new Set(requests.filter(({ method }) => method !== 'GET').map(({ operation }) => operation)),
];
export const isChange = ({ before, after }: Visit): boolean => before !== after;
/** Steps of the rehearsed run; those of its children are tried in their own runbook's rehearsals. */
export const ownVisits = ({ run, visits }: Pick<Observed, 'run' | 'visits'>): readonly Visit[] =>
  visits.filter((visit) => visit.run === run);

/** Whether an undo at this point brings everything back: each change so far was made under an undo still to come. */
export function isRestorable(run: string, visits: readonly Visit[], undo: readonly string[]): boolean {
  const changes = visits.filter((visit) => !isUndo(visit) && isChange(visit));
  return changes.every(
    (visit) => visit.run === run && visit.undo.length > 0 && visit.undo.every((what) => undo.includes(what)),
  );
}

/** What could be undone when the run was last seen to do something. */
export const lastUndo = (observed: Observed): readonly string[] =>
  ownVisits(observed).findLast((visit) => !isUndo(visit) && !visit.background)?.undo ?? [];

/** What is wrong with how a run was undone that stopped when `undo` was to be taken back, first to be undone first. */
export function undoProblems(observed: Observed, undo: readonly string[]): (string | false)[] {
  const [started] = ofKind(observed, 'undo.started');
  if (undo.length === 0) return [started !== undefined && 'something was undone although nothing was to be'];
  return [
    started?.steps.length !== undo.length &&
      `${started?.steps.length ?? 0} and not ${undo.length} undos were started`,
    ...orderProblems(observed),
  ];
}

/** What is wrong with the end and the order of the undos that were started. */
export function orderProblems(observed: Observed): (string | false)[] {
  const [started] = ofKind(observed, 'undo.started');
  if (started === undefined) return [];
  const [ended] = ofKind(observed, 'undo.ended');
  const begun = observed.entries.findIndex(({ entry }) => entry === started);
  const order = started.steps.map((id) =>
    observed.entries.findIndex(
      ({ entry }, index) =>
        (entry.kind === 'step.intent' && entry.step.startsWith(`undo/${id}#`)) ||
        // The step that failed before may be of the same verb.
        (entry.kind === 'question.asked' && index > begun && baseOf(entry.target) === id),
    ),
  );
  // What was registered last may never have happened, and people are not asked to take back what did not.
  const missing = started.steps.filter((id, nth) => order[nth] === -1 && nth > 0 && id.includes('.'));
  const executed = order.filter((index) => index >= 0);
  return [
    ended?.outcome !== 'undone' && `the undo ended ${ended?.outcome ?? 'never'}`,
    missing.length > 0 && `these undos were not executed: ${missing.join(', ')}`,
    executed.some((index, nth) => index < (executed[nth - 1] ?? 0)) &&
      'the undo steps did not run in reverse order',
  ];
}

export const restored = (observed: Observed): string | false =>
  observed.after !== observed.before &&
  `the world is not as it was before: ${difference(observed.before, observed.after)}`;

/** How what happened at the vendors differs from another run. */
export function effectsDiffer(observed: Observed, clean: Observed): string | false {
  const [is, was] = [netEffects(observed.world.effects), netEffects(clean.world.effects)];
  const keys = [...new Set([...Object.keys(is), ...Object.keys(was)])].filter((key) => is[key] !== was[key]);
  const said = keys.some((key) => key.startsWith('slack'))
    ? ` (said: ${messagesOf(observed).join(' | ')})`
    : '';
  return (
    keys.length > 0 &&
    keys.map((key) => `"${key}" ${is[key] ?? 0} times and not ${was[key] ?? 0}`).join('; ') + said
  );
}
