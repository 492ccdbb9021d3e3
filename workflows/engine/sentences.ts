import type { RefusalCode } from './types.js';

/** What a person is told whose message was refused: what, and what to do next. */
export const REFUSALS: { readonly [C in RefusalCode]: string } = {
  NoSuchMessage: 'There is no such message in the inbox. Send it through Slack, the CLI or the API.',
  OtherRun: 'That message belongs to another run. Look up the run with `runbook runs`.',
  NoSuchTarget: 'This run has nothing open by that name. `runbook status` shows what waits.',
  UnknownPerson: 'We do not know who you are. Ask an owner to add you to config/access.yaml.',
  AssuranceNotAccepted: 'A name that is only claimed counts on the local stack alone. Sign in and try again.',
  AssuranceTooLow:
    'This decision needs a stronger proof of who you are. Confirm it through the step-up page.',
  Requester: 'You started this run, changed its input or proposed this: somebody else must decide.',
  NotInGroup: 'You are not in a group that may do this. `runbook status` names the groups.',
  PlanChanged:
    'The plan changed since you looked at it, or you did not look. Open the run again, then decide.',
  AlreadyClosed: 'That was decided already. Nothing more is needed.',
  TooLate: 'The time for this decision is over.',
  AlreadyVoted: 'Your approval counts already. Another person is needed.',
  ReasonRequired: 'A reason is needed. Send it again with one.',
  EvidenceRequired:
    'Evidence is needed that it was done: a text, a link or a file hash. Send it again with it.',
  ResultRequired:
    'Later steps use the result of this step. Send it again with the result, or retry the step.',
  BadValue: 'The value does not fit what the step takes.',
  ChoiceNotOffered: 'That choice is not offered here. `runbook status` shows the choices.',
  OptionNotOffered: 'That is not one of the choices. `runbook status` shows them.',
  UnknownSuccessor:
    'We do not know the person who should take over. Ask an owner to add them to config/access.yaml.',
  SecondPersonRequired: 'This needs a second person.',
  RunClosed: 'The run is over. Nothing can be decided any more.',
};

/** Fills `{field}` of a verb's title from its input: texts, numbers and lists of texts. */
export function fillTitle(title: string, input: unknown): string {
  const fields = typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {};
  return title.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = fields[name];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(', ');
    return typeof value === 'string' || typeof value === 'number' ? String(value) : placeholder;
  });
}
