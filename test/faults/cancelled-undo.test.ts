import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { engineLab, type EngineLab, type TrialRun } from '../workflows/engine/lab.js';

const REMOVAL = 'supabase.removeSecrets';
const LETTERS = ['A', 'B', 'C'] as const;

let engine: EngineLab;

beforeAll(async () => {
  engine = await engineLab();
}, 120_000);
afterAll(async () => {
  await engine?.close();
}, 60_000);

/** A run that has changed three things and waits for a decision. */
async function changed(): Promise<TrialRun> {
  const run = await engine.begin('undo');
  await run.gateOpen();
  expect(LETTERS.map(run.deployed)).toEqual([true, true, true]);
  return run;
}

const cancelByMessage = (run: TrialRun, by = 'Ada') =>
  run.say(by, { kind: 'cancel', reason: 'Started by mistake' });

/** Letters whose removal a vendor was asked for, each request once. */
const removals = ({ tag }: TrialRun): string[] =>
  engine.lab.world.requests
    .filter(({ operation, body }) => operation === REMOVAL && body.includes(tag))
    .flatMap(({ body }) => JSON.parse(body) as string[])
    .map((variable) => variable.replace(`${tag}_`, ''));

/** Temporal's own request to cancel is in the run's history: it may come after a workflow task that is under way. */
const cancelIsThere = ({ handle }: TrialRun) =>
  eventually(
    () => handle.fetchHistory(),
    ({ events }) =>
      (events ?? []).some((event) => event.workflowExecutionCancelRequestedEventAttributes != null),
    "Temporal's request to cancel",
  );

/** Every undo ended once, in reverse, and only then it was said that everything is undone. */
async function expectUndone(run: TrialRun, outcome: string): Promise<void> {
  expect(await run.end()).toMatchObject({ outcome });
  expect(await run.ofKind('undo.started')).toHaveLength(1);
  expect(await run.ofKind('undo.ended')).toMatchObject([{ outcome: 'undone' }]);
  const ends = (await run.ofKind('step.outcome')).filter(
    ({ step, final }) => final && step.startsWith('undo/'),
  );
  expect(ends.map(({ step }) => step)).toEqual([1, 2, 3].map((n) => `undo/supabase.removeSecret#${n}`));
  expect(await run.ofKind('run.closed')).toHaveLength(1);
  expect(LETTERS.map(run.deployed)).toEqual([false, false, false]);
}

test('a run that is cancelled again in the middle of its undo, by a person and by Temporal, undoes each step once', async () => {
  const run = await changed();
  const { reached, release } = engine.lab.world.barrier(REMOVAL, 'before');
  expect(await cancelByMessage(run)).toBeNull();
  await reached;
  expect(await cancelByMessage(run, 'Linus')).toBe('AlreadyClosed');
  await run.handle.cancel();
  await run.handle.cancel();
  await cancelIsThere(run);
  expect((await run.status()).state).toBe('undoing');
  expect(await run.ofKind('undo.ended')).toEqual([]);
  release();
  await expectUndone(run, 'cancelled');
  expect(removals(run)).toEqual(['C', 'B', 'A']);
});

test('a run that Temporal cancelled undoes as well, and a later cancellation changes nothing', async () => {
  const run = await changed();
  const { reached, release } = engine.lab.world.barrier(REMOVAL, 'after');
  await run.handle.cancel();
  await reached;
  expect(await cancelByMessage(run)).toBe('AlreadyClosed');
  await run.handle.cancel();
  await cancelIsThere(run);
  release();
  await expectUndone(run, 'cancelled');
  expect(removals(run)).toEqual(['C', 'B', 'A']);
});

test('a run that is declined and cancelled while it undoes keeps its end: rejected', async () => {
  const run = await changed();
  const { reached, release } = engine.lab.world.barrier(REMOVAL, 'before');
  expect(await run.decide('Grace', 'go', { verdict: 'decline', reason: 'No' })).toBeNull();
  await reached;
  await run.handle.cancel();
  await cancelIsThere(run);
  release();
  await expectUndone(run, 'rejected');
});

test('an undo that fails asks people, and two more cancellations neither pass it over nor call it undone', async () => {
  const run = await changed();
  const fault = run.refuse(REMOVAL, 'B', 2);
  expect(await cancelByMessage(run)).toBeNull();
  const question = 'undo/supabase.removeSecret#2';
  const { questions } = await run.asked(question);
  expect(fault.injected).toBe(1);
  expect(questions).toMatchObject([{ id: question, kind: 'failed step' }]);
  expect(questions[0]?.choices).not.toContain('abort');

  expect(await cancelByMessage(run, 'Linus')).toBe('AlreadyClosed');
  await run.handle.cancel();
  await cancelIsThere(run);
  expect(await run.operate('Ada', question, { choice: 'retry' })).toBeNull();
  // The second refusal: asked again, after the cancellations were seen.
  await run.until('the second refusal', (now) => fault.injected === 2 && now.questions.length === 1);
  expect(await run.status()).toMatchObject({ state: 'undoing', questions: [{ id: question }] });
  expect(await run.ofKind('undo.ended')).toEqual([]);
  expect(await run.ofKind('run.closed')).toEqual([]);
  expect(LETTERS.map(run.deployed)).toEqual([true, true, false]);

  expect(await run.operate('Ada', question, { choice: 'retry' })).toBeNull();
  await expectUndone(run, 'cancelled');
  expect(fault.injected).toBe(2);
  expect(removals(run).filter((letter) => letter !== 'B')).toEqual(['C', 'A']);
});

test('an undo that has a passing failure is tried again by itself, in spite of a second cancellation', async () => {
  const run = await changed();
  const fault = engine.lab.world.fail({
    operation: REMOVAL,
    point: 'after',
    times: 2,
    containing: `${run.tag}_C`,
  });
  expect(await cancelByMessage(run)).toBeNull();
  await run.until('the first failure', () => fault.injected > 0);
  await run.handle.cancel();
  await expectUndone(run, 'cancelled');
  expect(fault.injected).toBe(2);
  expect(await run.ofKind('question.asked')).toEqual([]);
});
