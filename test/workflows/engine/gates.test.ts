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

describe('a gate', () => {
  test('takes the decisions of its group only, and never of who started the run', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    expect(await run.decide('Ada', 'go')).toBe('Requester');
    expect(await run.decide('Edsger', 'go')).toBe('NotInGroup');
    expect(await run.decide('Grace', 'stop')).toBe('NoSuchTarget');
    expect(await run.decide('Grace', 'go')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    const [closed] = await run.ofKind('gate.closed');
    expect(closed).toMatchObject({ outcome: 'approved', people: [await run.person('Grace')] });
    expect((await run.ofKind('message.refused')).map(({ code }) => code)).toEqual([
      'Requester',
      'NotInGroup',
      'NoSuchTarget',
    ]);
  });

  test('with a quorum of two needs two people: one who approves twice counts once', async () => {
    const run = await begin('quorum');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go')).toBeNull();
    expect(await run.decide('Grace', 'go')).toBe('AlreadyVoted');
    expect((await run.status()).gates[0]).toMatchObject({ state: 'open' });
    expect(await run.decide('Margaret', 'go')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('refuses who looked at another plan, or at none', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go', { planDigest: '0'.repeat(64) })).toBe('PlanChanged');
    expect(await run.say('Grace', { kind: 'decide', target: 'go', verdict: 'approve' })).toBe('PlanChanged');
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.end();
  });

  test('of high risk needs a stronger proof than a click, and a reason', async () => {
    const run = await begin('risky');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go', { reason: 'Checked' }, 'slack')).toBe('AssuranceTooLow');
    expect(await run.decide('Grace', 'go', {}, 'step-up')).toBe('ReasonRequired');
    expect(await run.decide('Grace', 'go', { reason: 'Checked' }, 'step-up')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('is declined only with a reason, and what was done is undone', async () => {
    const run = await begin('changedThenGate');
    await run.gateOpen();
    expect(run.deployed('A')).toBe(true);
    expect(await run.decide('Grace', 'go', { verdict: 'decline' })).toBe('ReasonRequired');
    expect(await run.decide('Grace', 'go', { verdict: 'decline', reason: 'Not today' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'rejected', type: 'Rejected' });
    expect(run.deployed('A')).toBe(false);
  });

  test('that is over takes no decision any more: it came too late', async () => {
    const run = await begin('short');
    await run.gateOpen();
    await eventually(
      () => run.ofKind('gate.closed'),
      (closed) => closed.length > 0,
      'the end of the gate',
    );
    expect(['TooLate', 'RunClosed']).toContain(await run.decide('Grace', 'go'));
    expect(await run.end()).toMatchObject({ outcome: 'rejected' });
    expect(await run.ofKind('gate.closed')).toMatchObject([{ outcome: 'expired', people: [] }]);
  });

  test('takes a decision that is signalled twice once', async () => {
    const run = await begin('quorum');
    const { planDigest } = await run.gateOpen();
    const id = await run.store('Grace', {
      ...{ kind: 'decide', target: 'go', verdict: 'approve' },
      ...(planDigest === null ? {} : { planDigest }),
    } as const);
    for (let times = 0; times < 3; times += 1) await run.handle.signal('decide', { inboxId: id });
    expect((await run.answerTo(id)).refused).toBeNull();
    expect((await run.status()).gates[0]?.approvals).toHaveLength(1);
    expect(await run.decide('Margaret', 'go')).toBeNull();
    await run.end();
    expect((await run.ofKind('message.accepted')).filter(({ inbox }) => inbox === id)).toHaveLength(1);
  });

  test('refuses a signal without a row in the inbox, and says so on the record', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    await run.handle.signal('decide', { inboxId: 'made-up' });
    const refused = await eventually(
      () => run.ofKind('message.refused'),
      (all) => all.length > 0,
      'the refusal',
    );
    // Whoever signalled it chose the text: it does not get into an entry that nobody can erase.
    expect(refused).toMatchObject([{ person: null, code: 'NoSuchMessage' }]);
    expect(JSON.stringify(refused)).not.toContain('made-up');
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.end();
  });

  test('that is opened again never takes a decision that was made for the earlier one', async () => {
    const run = await begin('twice');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.gateOpen('go#2');
    expect(await run.decide('Margaret', 'go')).toBe('AlreadyClosed');
    expect((await run.status()).gates[1]).toMatchObject({ id: 'go#2', state: 'open', approvals: [] });
    expect(await run.decide('Margaret', 'go#2')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('after the fact never undoes anything', async () => {
    const run = await begin('review');
    await run.gateOpen('look');
    expect(await run.decide('Grace', 'look', { verdict: 'decline', reason: 'It was wrong' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed', result: { verdict: 'declined' } });
    expect(run.deployed('A')).toBe(true);
    expect(await run.ofKind('undo.started')).toEqual([]);
  });
});
