import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../helpers/eventually.js';
import { engineLab, type EngineLab, type TrialRun } from './lab.js';

let engine: EngineLab;

beforeAll(async () => {
  engine = await engineLab();
}, 120_000);

afterAll(async () => {
  await engine?.close();
}, 60_000);

const begin = (trial: string): Promise<TrialRun> => engine.begin(trial);

describe('the plan', () => {
  test('a step that is not in it is never executed', async () => {
    const run = await begin('unplanned');
    expect(await run.end()).toMatchObject({ outcome: 'failed', type: 'NotInPlan' });
    expect(await run.ofKind('step.intent')).toEqual([]);
  });

  test('a plain error in the code does not end the run: it waits for the mended code', async () => {
    const run = await begin('mistake');
    await eventually(
      async () => (await run.handle.fetchHistory()).events ?? [],
      (events) => events.some(({ workflowTaskFailedEventAttributes: failed }) => failed != null),
      'a failed workflow task',
    );
    expect((await run.handle.describe()).status.name).toBe('RUNNING');
    await run.handle.terminate('the test is over');
  });
});

describe('people', () => {
  test('cut a wait short only through a gate', async () => {
    const run = await begin('wait');
    await run.until('the wait', ({ waits }) => waits.length === 1);
    expect(await run.operate('Ada', 'pause', { choice: 'skip' })).toBe('ChoiceNotOffered');
    expect(await run.operate('Margaret', 'pause', { choice: 'cut-short' })).toBe('ReasonRequired');
    expect(await run.operate('Margaret', 'pause', { choice: 'cut-short', reason: 'All is well' })).toBeNull();
    await run.gateOpen('pause/cut-short');
    expect((await run.status()).waits[0]).toMatchObject({ state: 'waiting' });
    expect(await run.decide('Margaret', 'pause/cut-short')).toBe('Requester');
    expect(await run.decide('Linus', 'pause/cut-short')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    expect(await run.ofKind('wait.ended')).toMatchObject([{ cutShort: true }]);
  });

  test('put a note on the record', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    expect(await run.say('Linus', { kind: 'note', reason: 'I am watching the dashboards' })).toBeNull();
    expect((await run.status()).notes).toBe(1);
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.end();
    const [received] = (await run.ofKind('message.received')).filter(({ message }) => message === 'note');
    expect(received?.reason).toMatch(/^[0-9a-f]{64}$/);
  });

  test('do a manual step with evidence', async () => {
    const run = await begin('manual');
    const { questions } = await run.asked('by-hand');
    expect(questions[0]).toMatchObject({ kind: 'manual step', what: 'Turn the key to the left.' });
    expect(await run.operate('Ada', 'by-hand', { choice: 'done' })).toBe('EvidenceRequired');
    expect(await run.operate('Ada', 'by-hand', { choice: 'done', evidence: 'A photograph' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('do what nobody has automated yet, with the exact instruction', async () => {
    const run = await begin('health');
    const { questions } = await run.asked('application.health#1');
    expect(questions[0]).toMatchObject({ kind: 'manual step', needsResult: true });
    expect(questions[0]?.what).toContain('sign-in');
    const result = { passed: true, failed: [] };
    expect(
      await run.operate('Ada', 'application.health#1', { choice: 'done', evidence: 'Signed in', result }),
    ).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed', result });
  });
});
