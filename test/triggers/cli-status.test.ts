import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import type { Picture } from '../../triggers/cli/run-status.js';
import { statusLines } from '../../triggers/cli/status-view.js';

const STEP = { state: 'done', undo: false, endedAt: '2026-11-20T12:00:00.000Z' } as const;
const plan = [
  { heading: 'Change', uses: ['vault.promote'] },
  { heading: 'Wait', uses: ['overlap'] },
  { heading: 'Report', uses: ['slack.post'] },
];
const picture = (more: Partial<Picture> = {}): Picture => ({
  run: 'default.change-key.20261120-aaaaaaaa',
  runbook: 'changeKey',
  title: 'Change a key',
  org: 'default',
  mode: 'live',
  state: 'completed',
  origin: 'cli',
  requesters: [],
  startedAt: '2026-11-20T11:00:00.000Z',
  now: '2026-11-20T13:00:00.000Z',
  planDigest: null,
  problem: null,
  plan,
  steps: [
    { ...STEP, id: 'vault.promote#1', title: 'Promote', startedAt: '2026-11-20T11:01:00.000Z' },
    { ...STEP, id: 'slack.post#1', title: 'Post', startedAt: '2026-11-20T12:31:00.000Z' },
  ],
  gates: [],
  waits: [
    {
      id: 'overlap',
      why: 'both keys are valid',
      until: '2026-11-21T11:02:00.000Z',
      state: 'cut short',
      startedAt: '2026-11-20T11:02:00.000Z',
      endedAt: '2026-11-20T12:30:00.000Z',
    },
  ],
  questions: [],
  decisions: [],
  deadlines: [],
  evidence: [],
  children: [],
  locks: [],
  parent: null,
  severity: null,
  inCharge: null,
  undo: [],
  notes: 0,
  source: 'run',
  ...more,
});
const shown = (more: Partial<Picture> = {}): string[] =>
  statusLines(picture(more), (person) => person, picocolors.createColors(false)).map((line) => line.trim());

test('a wait that was cut short stands in its own section, with when it ended', () => {
  const lines = shown();
  const at = lines.indexOf('✓ 2. Wait');
  expect(lines.slice(at, at + 3)).toEqual([
    '✓ 2. Wait',
    '◷ both keys are valid (cut short at 2026-11-20 12:30Z instead of 2026-11-21 11:02Z)',
    '✓ 3. Report',
  ]);
});

test('what no section of the plan names is not shown as taken back', () => {
  const lines = shown({ plan: [{ heading: 'Change', uses: ['vault.promote', 'slack.post'] }] });
  expect(lines).toContain('Besides the plan');
  expect(lines).not.toContain('Taken back');
});

test('of a run that is over, what the ledger tells is not called old', () => {
  const text = shown({ source: 'ledger', plan: [] }).join('\n');
  expect(text).toContain('The run is over. No worker answers, so this is told from the ledger');
  expect(text).not.toContain('what happens now may not be in it');
});
