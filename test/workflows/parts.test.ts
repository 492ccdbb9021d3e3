import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EntryOf, LedgerKind } from '../../activities/ledger/entry.js';
import { CAST } from '../../simulators/cast.js';
import { catalogueOf, findRunbook } from '../../triggers/catalogue.js';
import { bundleWorkflows } from '../../worker/bundle.js';
import type { RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';
import * as fixtures from './fixtures/parts.js';

const HOUR_MS = 3_600_000;
const { lock: _lock, ...runbooks } = fixtures;

let lab: TestInstallation;
let host: RehearsalHost;
const catalogue = catalogueOf(runbooks);

beforeAll(async () => {
  lab = await testInstallation();
  const bundle = await bundleWorkflows(fileURLToPath(new URL('fixtures/parts.ts', import.meta.url)));
  host = await rehearsalHost(lab, { catalogue, bundle });
}, 120_000);

afterAll(async () => {
  await host?.close();
  await lab?.close();
}, 60_000);

type Script = Pick<Rehearsal<unknown>, 'answers' | 'ends'>;

async function rehearse(trial: string, script: Script = { answers: {} }) {
  const entry = findRunbook(catalogue, 'partsTrial');
  if (entry === undefined) throw new Error('The trial is not in the catalogue.');
  const result = await host.rehearse(entry, { name: trial, input: { trial }, ...script });
  const output: unknown = await lab.rehearsal.workflow
    .getHandle(result.run)
    .result()
    .catch(() => undefined);
  return { result, output };
}

const of = <K extends LedgerKind>({ entries }: RehearsalResult, kind: K): EntryOf<K>[] =>
  entries.map(({ entry }) => entry).filter((entry): entry is EntryOf<K> => entry.kind === kind);

const person = (name: string): string => CAST.find((member) => member.name === name)?.id ?? '';

const hours = (earlier: string | undefined, later: string | undefined): number =>
  (Date.parse(later ?? '') - Date.parse(earlier ?? '')) / HOUR_MS;

describe('a decision that is not yes or no', () => {
  test('is made by the group that is asked, and goes on record with the choice', async () => {
    const { result, output } = await rehearse('decide', {
      answers: { 'notify-users': { by: 'Barbara', after: '1 hour', option: 'required' } },
    });
    expect(output).toMatchObject({ option: 'required', by: person('Barbara') });
    expect(of(result, 'decision.made')).toMatchObject([
      { decision: 'notify-users', option: 'required', person: person('Barbara') },
    ]);
  });

  test('is never made by the passing of time: the owners are asked as well', async () => {
    const { result, output } = await rehearse('decide', {
      answers: { 'notify-users': { by: 'Linus', after: '30 hours', option: 'not required' } },
    });
    expect(output).toMatchObject({ option: 'not required' });
    expect(of(result, 'question.escalated')).toMatchObject([{ group: 'owners' }]);
  });
});

describe('taking charge', () => {
  test('nobody on call answers: one level after the other is asked until somebody acknowledges', async () => {
    const { result, output } = await rehearse('ladder', {
      answers: { 'take-charge': { by: 'Katherine', after: '40 minutes', choice: 'acknowledge' } },
    });
    expect(of(result, 'question.escalated').map(({ group }) => group)).toEqual([
      'technical-leads',
      'executives',
    ]);
    expect(output).toEqual({ person: person('Katherine'), inCharge: person('Katherine') });
  });

  test('an early acknowledgement ends the escalation', async () => {
    const { result } = await rehearse('ladder', {
      answers: { 'take-charge': { by: 'Margaret', after: '5 minutes', choice: 'acknowledge' } },
    });
    expect(of(result, 'question.escalated')).toEqual([]);
  });
});

describe('a clock that people must beat', () => {
  test('reminds at 50 and 80 %, and not once it is met', async () => {
    const { result } = await rehearse('clock');
    const started = of(result, 'deadline.started')[0];
    expect(
      of(result, 'deadline.reminded').map(({ virtual }) => Math.round(hours(started?.virtual, virtual))),
    ).toEqual([5, 8]);
    expect(of(result, 'deadline.ended')).toMatchObject([{ outcome: 'met' }]);
    expect(of(result, 'deadline.missed')).toEqual([]);
  });

  test('a missed clock does not end the run, which waits for the justification', async () => {
    const { result } = await rehearse('missed', {
      answers: {
        'report/missed': { by: 'Grace', after: '20 hours', choice: 'justify', reason: 'The logs came late' },
      },
    });
    expect(result.outcome).toBe('completed');
    const [missed] = of(result, 'deadline.missed');
    const [started] = of(result, 'deadline.started');
    expect(hours(started?.from, missed?.virtual)).toBeCloseTo(1, 2);
    expect(of(result, 'deadline.ended')).toMatchObject([{ outcome: 'justified' }]);
    expect(result.virtualMs).toBeGreaterThan(20 * HOUR_MS);
  });
});

describe('evidence', () => {
  test('is kept outside the history, with its hash on the record, and a report is made of it', async () => {
    const { result, output } = await rehearse('evidence');
    const kept = of(result, 'evidence.kept');
    expect(kept.map(({ evidence }) => evidence)).toEqual(['note', 'page', 'logs', 'initial']);
    expect(kept[2]?.sha256).toBe('a'.repeat(64));
    const report = await lab.installation.ledger.disclosed('default', kept[3]?.commitment ?? '');
    const text = new TextDecoder().decode(report);
    expect(text).toContain('# Initial report');
    expect(text).toContain('One component &#60;b&#62;');
    expect(text).toContain('What the operator saw');
    expect(text).not.toContain('All green.');
    expect(output).toMatchObject({ id: 'initial', hash: kept[3]?.sha256 });
  });
});

describe('a sub-runbook', () => {
  test('has its own gates and record, and its parent goes on at the moment it ended', async () => {
    const { result, output } = await rehearse('child', {
      answers: { 'part/go': { by: 'Grace', after: '30 minutes', verdict: 'approve' } },
    });
    expect(output).toMatchObject({ outcome: 'completed', result: { hours: 5 } });
    expect(hours(of(result, 'child.started')[0]?.virtual, (output as { at: string }).at)).toBeCloseTo(5.5, 1);
    const child = await lab.installation.ledger.read({ org: 'default', run: `${result.run}.part` });
    expect(child.map(({ entry }) => entry.kind)).toContain('gate.closed');
    expect(child[0]?.entry).toMatchObject({
      kind: 'run.admitted',
      origin: 'parent',
      requesters: [person('Ada')],
    });
  });

  test('a declined part undoes itself and is an outcome for its parent, not its end', async () => {
    const { result, output } = await rehearse('declinedChild', {
      answers: { 'part/go': { by: 'Grace', verdict: 'decline', reason: 'Not now' } },
    });
    expect(output).toMatchObject({ outcome: 'rejected' });
    const { effects } = result.world;
    const isolation = effects.filter(
      ({ system, subject }) => system === 'application' && subject.includes('payments'),
    );
    expect(isolation).toHaveLength(2);
  });

  test('two parts at once keep their own clocks, and the parent goes on after the longer one', async () => {
    const { result, output } = await rehearse('children');
    expect(output).toMatchObject([{ result: { hours: 5 } }, { result: { hours: 2 } }]);
    expect(result.virtualMs).toBeGreaterThanOrEqual(5 * HOUR_MS);
    expect(of(result, 'child.started').map(({ child }) => child.split('.').at(-1))).toEqual([
      'part',
      'part-2',
    ]);
  });
});

test('work in the background ends before anything is taken back', async () => {
  const { result } = await rehearse('background', {
    answers: { go: { by: 'Grace', after: '10 minutes', verdict: 'decline', reason: 'No' } },
    ends: 'rejected',
  });
  const kinds = result.entries.map(({ entry }) => entry.kind);
  expect(kinds.indexOf('wait.ended')).toBeGreaterThan(-1);
  expect(kinds.indexOf('wait.ended')).toBeLessThan(kinds.indexOf('undo.started'));
});
