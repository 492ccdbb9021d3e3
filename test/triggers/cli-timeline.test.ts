import pc from 'picocolors';
import { expect, test } from 'vitest';
import type { EntryOf, LedgerEntry, LedgerKind } from '../../activities/ledger/entry.js';
import { didYouMean } from '../../triggers/cli/nearest.js';
import { clean, duration, elapsed, jsonLine, time } from '../../triggers/cli/terminal.js';
import { formatEntry, Timeline } from '../../triggers/cli/timeline.js';
import { stepTitle } from '../../triggers/cli/titles.js';

const GRACE = 'p_01J00000000000000000GRACE0';
const START = '2026-11-20T08:00:00.000Z';
const names = (person: string) => (person === GRACE ? 'Grace' : person);
const colours = pc.createColors(false);
const options = { colours, startedAt: START };

type Fields<K extends LedgerKind> = Omit<
  EntryOf<K>,
  'v' | 'org' | 'mode' | 'run' | 'runbook' | 'at' | 'virtual' | 'kind'
>;

function entry<K extends LedgerKind>(kind: K, minutes: number, fields: Fields<K>): LedgerEntry {
  return {
    ...{ v: 1, org: 'default', mode: 'rehearsal', run: 'r', runbook: 'secretRotation', at: START, kind },
    virtual: new Date(Date.parse(START) + minutes * 60_000).toISOString(),
    ...fields,
  } as unknown as LedgerEntry;
}

const HASH = '0'.repeat(64);
const attempt = (n: number, round = 1) => ({
  ...{ step: `application.errorRate#${n}`, activity: 'application.errorRate', round, attempt: 1 },
});
const look = (n: number, minutes: number): LedgerEntry[] => [
  entry('step.intent', minutes, { ...attempt(n), key: 'k', inputHash: HASH }),
  entry('step.outcome', minutes, {
    ...attempt(n),
    outcome: 'ok',
    outputHash: HASH,
    error: null,
    final: true,
  }),
];

test('an approval reads as a sentence, by the run’s own clock', () => {
  const closed = entry('gate.closed', 20, { gate: 'revoke-old-key', outcome: 'approved', people: [GRACE] });
  const texts = {
    step: () => undefined,
    gate: () => 'Revoke it?',
    wait: () => undefined,
    question: () => undefined,
  };
  expect(formatEntry(closed, names, undefined, { ...options, texts })).toBe(
    '+00:20     ✓ Grace approved “Revoke it?”',
  );
  expect(formatEntry(closed, names, undefined, { colours })).toBe(
    '2026-11-20 08:00:00Z  ✓ Grace approved revoke-old-key',
  );
});

test('a step is one line when it is done, and a monitor’s looks are one line and a number', () => {
  const timeline = new Timeline(names, options);
  const lines = [1, 2, 3].flatMap((n) => look(n, n * 30)).flatMap((one) => timeline.add(one));
  lines.push(...timeline.add(entry('wait.ended', 120, { wait: 'overlap', cutShort: false })));
  expect(lines).toEqual([
    '+00:30     ✓ Measure the error rate of the last <minutes> minutes',
    '+01:30     · 2 more times, all well',
    '+02:00     ◷ The wait is over: overlap',
  ]);
  expect(timeline.flush()).toEqual([]);
});

test('a step under way is known, and a failed attempt is told', () => {
  const timeline = new Timeline(names, options);
  const [intent] = look(1, 5);
  if (intent !== undefined) expect(timeline.add(intent)).toEqual([]);
  expect(timeline.underWay()).toHaveLength(1);
  const failed = entry('step.outcome', 6, {
    ...attempt(1),
    ...{ outcome: 'failed', outputHash: null, error: 'RateLimited', final: false },
  });
  expect(timeline.add(failed).join()).toContain('attempt 1 failed (RateLimited)');
  expect(timeline.underWay()).toEqual([]);
});

test('a decision that was refused is told, one that counts is told once', () => {
  const timeline = new Timeline(names, options);
  const received = entry('message.received', 1, {
    ...{ inbox: 'i', message: 'decide', target: 'go', person: GRACE, assurance: 'slack', channel: 'slack' },
    ...{ verdict: 'approve', choice: null, reason: null, evidence: null },
  });
  expect(timeline.add(received)).toEqual([]);
  expect(timeline.add(entry('message.accepted', 1, { inbox: 'i', target: 'go', person: GRACE }))).toEqual([]);
  const refused = entry('message.refused', 1, { inbox: 'i', target: 'go', person: GRACE, code: 'Requester' });
  expect(timeline.add(refused).join()).toContain('What Grace said was refused (go): Requester');
});

test('texts from elsewhere can neither move the cursor nor fake a line', () => {
  expect(clean('a\u001b[2Jb\u009bc\r\nd\u202ee\u0000f')).toBe('a\ufffd[2Jb\ufffdc d\ufffde\ufffdf');
  const evil = {
    step: () => undefined,
    gate: () => 'Go?\n✓ approved\u001b[A',
    wait: () => undefined,
    question: () => undefined,
  };
  const line = formatEntry(entry('gate.reminded', 0, { gate: 'go' }), names, undefined, {
    ...options,
    texts: evil,
  });
  expect(line).toBe('+00:00     ? Reminder: “Go? ✓ approved\ufffd[A”');
  expect(jsonLine({ a: 'x\u009b\u2028' })).toBe('{"a":"x\\u009b\\u2028"}');
});

test('times and durations are short and exact', () => {
  expect(time('2026-11-20T20:05:13.123Z')).toBe('2026-11-20 20:05Z');
  expect([59_400, 59_600, 3_599_000, 28_680_000, 183_600_000].map(duration)).toEqual([
    ...['59 s', '1 min', '1 h', '7 h 58 min', '2 d 3 h'],
  ]);
  expect(elapsed('2026-11-21T08:20:59.999Z', START)).toBe('+1d 00:20');
});

test('a title without its input names the fields, an unknown id stays as it is', () => {
  expect(stepTitle('undo/vault.promote#2~r3', undefined, { secret: 'a/b' })).toBe(
    'Make <ref> the current version of a/b',
  );
  expect(stepTitle('revoke-by-hand')).toBe('revoke-by-hand');
});

test('a misspelt word is recognised, another word is not', () => {
  expect(didYouMean('aprove', ['approve', 'decline'])).toBe(' Did you mean "approve"?');
  expect(didYouMean('rotation', ['secret-rotation'])).toBe(' Did you mean "secret-rotation"?');
  expect(didYouMean('breakfast', ['approve', 'decline'])).toBe('');
});
