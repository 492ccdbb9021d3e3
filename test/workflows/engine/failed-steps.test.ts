import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { engineLab, PROJECT, type EngineLab, type TrialRun } from './lab.js';

let engine: EngineLab;

beforeAll(async () => {
  engine = await engineLab();
}, 120_000);

afterAll(async () => {
  await engine?.close();
}, 60_000);

const begin = (trial: string): Promise<TrialRun> => engine.begin(trial);

describe('a step that fails', () => {
  test('is tried again when a person says so', async () => {
    const run = await begin('step');
    const fault = run.refuse('supabase.setSecrets', 'A');
    await run.asked('supabase.setSecret#1');
    expect(await run.operate('Edsger', 'supabase.setSecret#1', { choice: 'retry' })).toBe('NotInGroup');
    expect(await run.operate('Ada', 'supabase.setSecret#1', { choice: 'retry' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    expect(fault.injected).toBe(1);
    expect(run.deployed('A')).toBe(true);
  });

  test('is tried with a changed input only when a second person agrees; the change joins plan and requesters', async () => {
    const run = await begin('step');
    const fault = run.refuse('supabase.setSecrets', 'A', Infinity);
    const step = 'supabase.setSecret#1';
    const { planDigest: before } = await run.asked(step);
    const input = { project: PROJECT, variable: `${run.tag}_B`, ref: 'secret://resend/api-key@v1' };
    expect(
      await run.operate('Linus', step, { choice: 'retry', input: { ...input, ref: 'no reference' } }),
    ).toBe('BadValue');
    expect(await run.operate('Linus', step, { choice: 'retry', input })).toBeNull();
    await run.gateOpen(`${step}/change~r2`);
    expect(await run.decide('Linus', `${step}/change~r2`)).toBe('Requester');
    expect(await run.decide('Ada', `${step}/change~r2`)).toBe('Requester');
    expect(run.deployed('B')).toBe(false);
    expect(await run.decide('Margaret', `${step}/change~r2`)).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    expect(fault.injected).toBe(1);
    expect(['A', 'B'].map(run.deployed)).toEqual([false, true]);
    const { planDigest, requesters } = await run.status();
    expect(planDigest).not.toBe(before);
    expect(requesters).toEqual([await run.person('Ada'), await run.person('Linus')]);
    const intents = await run.ofKind('step.intent');
    expect(intents.map((intent) => intent.step)).toEqual([step, step]);
    expect(new Set(intents.map(({ key }) => key)).size).toBe(2);
  });

  test('is skipped with a reason; a critical one only when a second person agrees', async () => {
    const plain = await begin('step');
    plain.refuse('supabase.setSecrets', 'A');
    await plain.asked('supabase.setSecret#1');
    expect(await plain.operate('Ada', 'supabase.setSecret#1', { choice: 'skip' })).toBe('ReasonRequired');
    expect(
      await plain.operate('Ada', 'supabase.setSecret#1', { choice: 'skip', reason: 'Not needed' }),
    ).toBeNull();
    expect(await plain.end()).toMatchObject({ outcome: 'completed' });
    expect(await plain.ofKind('step.resolved')).toMatchObject([
      { choice: 'skipped', person: await plain.person('Ada') },
    ]);

    const fault = engine.lab.world.fail({ operation: 'openai.listApiKeys', point: 'before', status: 400 });
    const critical = await begin('critical');
    await critical.asked('openai.deleteKey#1');
    expect(fault.injected).toBe(1);
    expect(
      await critical.operate('Ada', 'openai.deleteKey#1', { choice: 'skip', reason: 'Gone already' }),
    ).toBeNull();
    await critical.gateOpen('openai.deleteKey#1/skip');
    expect(await critical.decide('Ada', 'openai.deleteKey#1/skip')).toBe('Requester');
    expect(await critical.decide('Margaret', 'openai.deleteKey#1/skip')).toBeNull();
    expect(await critical.end()).toMatchObject({ outcome: 'completed' });
    expect(await critical.ofKind('step.resolved')).toMatchObject([{ choice: 'skipped' }]);
  });

  test('is done by hand with evidence and a result that fits', async () => {
    const fault = engine.lab.world.fail({ operation: 'openai.listModels', point: 'before', status: 400 });
    const run = await begin('result');
    await run.asked('openai.verifyKey#1');
    expect(fault.injected).toBe(1);
    const done = { choice: 'done' } as const;
    expect(await run.operate('Ada', 'openai.verifyKey#1', { choice: 'skip', reason: 'No' })).toBe(
      'ChoiceNotOffered',
    );
    expect(await run.operate('Ada', 'openai.verifyKey#1', done)).toBe('EvidenceRequired');
    expect(await run.operate('Ada', 'openai.verifyKey#1', { ...done, evidence: 'Seen' })).toBe(
      'ResultRequired',
    );
    expect(
      await run.operate('Ada', 'openai.verifyKey#1', { ...done, evidence: 'Seen', result: { ok: 1 } }),
    ).toBe('BadValue');
    expect(
      await run.operate('Ada', 'openai.verifyKey#1', {
        ...done,
        evidence: 'Seen',
        result: { accepted: true },
      }),
    ).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed', result: { accepted: true } });
    const [resolved] = await run.ofKind('step.resolved');
    expect(resolved?.choice).toBe('done by hand');
    expect(resolved?.evidence).toMatch(/^[0-9a-f]{64}$/);
  });

  test('is given up by abort, and what was done is undone in reverse', async () => {
    const run = await begin('undo');
    const fault = run.refuse('supabase.setSecrets', 'C');
    await run.asked('supabase.setSecret#3');
    expect(fault.injected).toBe(1);
    expect(await run.operate('Ada', 'supabase.setSecret#3', { choice: 'abort' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'aborted', type: 'Aborted' });
    const removed = engine.lab.world.requests.filter(
      ({ operation, body }) => operation === 'supabase.removeSecrets' && body.includes(run.tag),
    );
    expect(removed.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
      ['C', 'B', 'A'].map((letter) => [`${run.tag}_${letter}`]),
    );
    expect(['A', 'B', 'C'].map(run.deployed)).toEqual([false, false, false]);
  });
});

describe('an undo', () => {
  test('that fails asks, can not be aborted, and is not reported as undone before it is', async () => {
    const run = await begin('undo');
    await run.gateOpen();
    const fault = run.refuse('supabase.removeSecrets', 'B');
    expect(await run.decide('Grace', 'go', { verdict: 'decline', reason: 'No' })).toBeNull();
    const { questions } = await run.asked('undo/supabase.removeSecret#2');
    expect(fault.injected).toBe(1);
    expect(questions[0]?.choices).not.toContain('abort');
    expect(await run.ofKind('undo.ended')).toEqual([]);
    expect(run.deployed('B')).toBe(true);
    expect(await run.operate('Ada', 'undo/supabase.removeSecret#2', { choice: 'retry' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'rejected' });
    expect(await run.ofKind('undo.ended')).toMatchObject([{ outcome: 'undone' }]);
    expect(['A', 'B', 'C'].map(run.deployed)).toEqual([false, false, false]);
  });

  test('does not happen after the point of no return', async () => {
    const run = await begin('kept');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go', { verdict: 'decline', reason: 'No' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'rejected' });
    expect(run.deployed('A')).toBe(true);
    expect(await run.ofKind('undo.started')).toEqual([]);
  });

  test('follows a cancellation, which needs a reason and somebody who may', async () => {
    const run = await begin('undo');
    await run.gateOpen();
    expect(await run.say('Edsger', { kind: 'cancel', reason: 'Please' })).toBe('NotInGroup');
    expect(await run.say('Ada', { kind: 'cancel' })).toBe('ReasonRequired');
    expect(await run.say('Ada', { kind: 'cancel', reason: 'Started by mistake' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'cancelled' });
    expect(await run.ofKind('gate.closed')).toMatchObject([{ outcome: 'cancelled', people: [] }]);
    expect(['A', 'B', 'C'].map(run.deployed)).toEqual([false, false, false]);
  });
});
