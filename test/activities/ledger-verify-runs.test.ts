import { describe, expect, test } from 'vitest';
import type { LedgerEntry } from '../../activities/ledger/entry.js';
import { checkRun, type FindingCode } from '../../activities/ledger/verify-runs.js';
import { everyKind, intent, outcome } from './ledger-sample.js';

const {
  'run.admitted': admitted,
  'run.refused': refused,
  'run.closed': closed,
  'step.resolved': resolved,
  'gate.opened': opened,
  'gate.closed': decided,
  'message.received': received,
  'message.accepted': accepted,
  'message.refused': tooLate,
} = everyKind;
const failed = { outcome: 'failed', outputHash: null, error: 'VendorUnavailable', final: false } as const;

const numbered = (entries: readonly LedgerEntry[]) => entries.map((entry, n) => ({ id: n + 1, entry }));
const codes = (...entries: LedgerEntry[]): FindingCode[] =>
  checkRun(numbered(entries)).map(({ code }) => code);

describe('a possible story has no finding', () => {
  test.each<[string, LedgerEntry[]]>([
    ['one step', [admitted, intent(), outcome(), closed]],
    [
      'a step that failed, was retried by Temporal and by a person, and went well',
      [
        admitted,
        intent(),
        outcome(failed),
        intent({ attempt: 2 }),
        outcome({ ...failed, attempt: 2 }),
        intent({ round: 2 }),
        outcome({ round: 2 }),
        closed,
      ],
    ],
    ['a step that a person skipped', [admitted, intent(), outcome(failed), resolved, closed]],
    [
      'a worker that died between intent and outcome',
      [admitted, intent(), intent({ attempt: 2 }), outcome({ attempt: 2 }), closed],
    ],
    ['a gate that was decided', [admitted, received, opened, accepted, decided, closed]],
    [
      'a gate whose close was appended before the decision that closed it',
      [admitted, opened, received, decided, accepted, closed],
    ],
    ['a refused run', [refused]],
    ['a refused run that says how it closed', [refused, { ...closed, outcome: 'refused' }]],
    ['a message to a run that is over', [admitted, closed, received, tooLate]],
  ])('%s', (_, entries) => {
    expect(checkRun(numbered(entries))).toEqual([]);
  });

  test('a run that is still going on', () => {
    expect(checkRun(numbered([admitted, intent()]), { closed: false })).toEqual([]);
    expect(codes(admitted, intent())).toEqual(['NoClose', 'NoFinal']);
  });
});

test.each<[FindingCode, LedgerEntry[]]>([
  ['Empty', []],
  ['MixedRuns', [admitted, { ...closed, run: 'another' }]],
  ['NoStart', [intent(), outcome(), closed]],
  ['NoClose', [admitted, intent(), outcome()]],
  ['StartedTwice', [admitted, refused, closed]],
  ['ClosedTwice', [admitted, closed, closed]],
  ['EntryAfterClose', [admitted, closed, everyKind['gate.reminded']]],
  ['IntentTwice', [admitted, intent(), intent(), outcome(), closed]],
  ['OutcomeTwice', [admitted, intent(), outcome(failed), outcome(), closed]],
  ['OutcomeWithoutIntent', [admitted, outcome(), intent(), closed]],
  ['NoFinal', [admitted, intent(), outcome(failed), closed]],
  ['FinalTwice', [admitted, intent(), outcome(), resolved, closed]],
  ['FinalTwice', [admitted, intent(), outcome(), intent({ round: 2 }), outcome({ round: 2 }), closed]],
  ['GateNotOpened', [admitted, decided, closed]],
  ['GateOpenedTwice', [admitted, opened, opened, decided, closed]],
  ['GateClosedTwice', [admitted, opened, decided, decided, closed]],
  ['GateNotClosed', [admitted, opened, closed]],
  [
    'DecisionAfterGate',
    [admitted, opened, received, decided, { ...accepted, virtual: '2026-08-22T09:00:01.000Z' }, closed],
  ],
])('%s is found', (code, entries) => {
  expect(codes(...entries)).toEqual([code]);
});
