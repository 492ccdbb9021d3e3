import type { LedgerEntry } from '../../activities/ledger/entry.js';
import { baseOf } from './comparisons.js';
import type { Subject } from './subject.js';

/** Gates that the engine opens by itself: they are in nobody's plan. */
const OF_THE_ENGINE = /\/(skip|cut-short|change~r\d+)$/;

/** Each rehearsal ends as scripted, and together they use every id of every plan, and no other. */
export async function rehearsalsUseThePlan(subject: Subject): Promise<string[]> {
  const { clean, problems } = await subject.rehearsed();
  const planned = new Set(subject.plans().flatMap((plan) => plan.flatMap(({ uses }) => uses)));
  const used = new Set(
    clean.flatMap(({ entries }) => entries.flatMap(({ entry }) => usedBy(entry, planned))),
  );
  return [
    ...(subject.spec.rehearsals.length === 0 ? ['there is no rehearsal'] : []),
    ...problems,
    ...[...planned].filter((id) => !used.has(id)).map((id) => `no rehearsal uses ${id}`),
    ...[...used].filter((id) => !planned.has(id)).map((id) => `${id} is in no plan`),
  ];
}

/** Ids of the plan that an entry is about. */
function usedBy(entry: LedgerEntry, planned: ReadonlySet<string>): string[] {
  switch (entry.kind) {
    case 'step.intent':
      return [entry.activity];
    case 'gate.opened':
      return OF_THE_ENGINE.test(baseOf(entry.gate)) ? [] : [baseOf(entry.gate)];
    case 'wait.started':
      return [baseOf(entry.wait)];
    case 'question.asked':
      // A missed deadline is in the plan by its own id.
      return entry.question === 'justification' ? [] : [baseOf(entry.target)];
    case 'deadline.started':
      return [baseOf(entry.deadline)];
    case 'evidence.kept':
      return [baseOf(entry.evidence)];
    case 'child.started': {
      const id = entry.child.slice(entry.run.length + 1);
      return [planned.has(id) ? id : id.replace(/-\d+$/, '')];
    }
    default:
      return [];
  }
}
