import { verbs } from '../../activities/verbs.js';
import type { VerbInfo } from '../../activities/verb-info.js';
import { fillTitle } from '../../workflows/engine/sentences.js';
import type { RunStatus } from '../../workflows/engine/types.js';
import type { Picture } from './run-status.js';

/** Titles of verbs, by system and name. */
export type Verbs = Readonly<
  Record<string, Readonly<Record<string, Pick<VerbInfo, 'title' | 'critical' | 'undoes'>>>>
>;
export const VERBS: Verbs = verbs;

/** `undo/netlify.setVariable#2~r3` and `netlify.setVariable` name the same verb. */
const STEP = /^(?:undo\/)?(?<system>[a-z]+)\.(?<verb>[A-Za-z]+)(?:#\d+)?(?:~r\d+)?$/;

export function verbOf(id: string, titles: Verbs = VERBS): Verbs[string][string] | undefined {
  const { system = '', verb = '' } = STEP.exec(id)?.groups ?? {};
  return titles[system]?.[verb];
}

/** What a step does, as far as its id and some of its input say; `<field>` stands for what is not known. */
export function stepTitle(id: string, titles: Verbs = VERBS, input: unknown = {}): string {
  const title = verbOf(id, titles)?.title;
  if (title === undefined) return id;
  return fillTitle(title, input).replace(/\{(\w+)\}/g, '<$1>');
}

/** Texts of a run that are in no ledger entry: they come from its status. */
export interface Texts {
  readonly step: (id: string) => string | undefined;
  readonly gate: (id: string) => string | undefined;
  readonly wait: (id: string) => string | undefined;
  readonly question: (id: string) => string | undefined;
}

export const NO_TEXTS: Texts = {
  step: () => undefined,
  gate: () => undefined,
  wait: () => undefined,
  question: () => undefined,
};

/** A collection of texts that grows with every status it is shown: an answered question is in no later one. */
export function textsOf(): Texts & { learn(status: RunStatus & Partial<Pick<Picture, 'source'>>): void } {
  const known = {
    steps: new Map<string, string>(),
    gates: new Map<string, string>(),
    waits: new Map<string, string>(),
    questions: new Map<string, string>(),
  };
  return {
    step: (id) => known.steps.get(id.replace(/~r\d+$/, '')),
    gate: (id) => known.gates.get(id),
    wait: (id) => known.waits.get(id),
    question: (id) => known.questions.get(id) ?? known.steps.get(id),
    learn: (status) => {
      if (status.source === 'ledger') return;
      for (const { id, title } of status.steps) known.steps.set(id, title);
      for (const { id, question } of status.gates) known.gates.set(id, question);
      for (const { id, why } of status.waits) known.waits.set(id, why);
      for (const { id, what } of status.questions) known.questions.set(id, what);
    },
  };
}
