import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAST } from '../../simulators/cast.js';
import { sentEmails } from '../../simulators/email.js';
import { trialsOf, type Trials } from '../helpers/one-runbook.js';
import { answered, ofKind, type Observed } from '../helpers/rehearsals.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let trials: Trials;

beforeAll(async () => {
  trials = await trialsOf('dataBreachResponse');
}, 120_000);

afterAll(async () => {
  await trials?.close();
}, 60_000);

const observed = new Map<string, Promise<Observed>>();
/** A rehearsal as it is shipped, once for all tests. */
function as(name: string): Promise<Observed> {
  const begun = observed.get(name) ?? trials.rehearse(trials.named(name));
  observed.set(name, begun);
  return begun;
}

const NOTIFIED = 'Users and the authority are notified';
const LEAKED = 'A leaked key is rotated beside it';
const GIVEN_UP = 'The rotation of the leaked key is given up';
const NOBODY = 'Nobody needs to be notified';
const STAYS = 'Legal does not agree to the message, and the isolation stays';
const FALSE_ALARM = 'A false alarm, and a check that fails afterwards';
const LATE = 'Known for three hours, and the authority is told too late';

const person = (name: string): string => CAST.find((member) => member.name === name)?.id ?? '';
const begunAt = (run: Observed, activity: string): number =>
  Date.parse(ofKind(run, 'step.intent').find((entry) => entry.activity === activity)?.virtual ?? '');
const doneAt = (run: Observed, activity: string): number =>
  Date.parse(
    ofKind(run, 'step.outcome').find(
      ({ step, outcome }) => step.startsWith(`${activity}#`) && outcome === 'ok',
    )?.virtual ?? '',
  );
const startedAt = (run: Observed): number => Date.parse(ofKind(run, 'run.admitted')[0]?.virtual ?? '');
const clock = (run: Observed, id: string) => ({
  started: ofKind(run, 'deadline.started').find(({ deadline }) => deadline === id),
  ended: ofKind(run, 'deadline.ended').find(({ deadline }) => deadline === id),
});
const notices = (run: Observed): readonly unknown[] =>
  (run.world.dump()['application'] as { notices: readonly unknown[] }).notices;
const isolated = (run: Observed): readonly string[] =>
  (run.world.dump()['application'] as { isolated: readonly string[] }).isolated;
const gate = (run: Observed, id: string) => ofKind(run, 'gate.closed').find((entry) => entry.gate === id);

async function initialReport(run: Observed): Promise<string> {
  const kept = ofKind(run, 'evidence.kept').find(({ evidence }) => evidence === 'initial-report');
  const content = await trials.installation.installation.ledger.disclosed('default', kept?.commitment ?? '');
  return new TextDecoder().decode(content);
}

describe('isolation', () => {
  test('comes before anything else', async () => {
    const run = await as(NOTIFIED);
    const activities = ofKind(run, 'step.intent').map(({ activity }) => activity);
    // Messages go out beside it: nothing waits for them.
    const first = activities.find((activity) => !/^(slack|email|sms|pagerduty)\./.test(activity));
    expect(first).toBe('application.isolate');
    const isolatedAt = run.entries.findIndex(
      ({ entry }) => entry.kind === 'step.outcome' && entry.step === 'application.isolate#1',
    );
    const laterSteps = [
      'application.enhanceMonitoring',
      'supabase.revokeSessions',
      'application.breachCheck',
    ];
    for (const activity of [...laterSteps, 'application.collectEvidence', 's3.inventory']) {
      const begun = run.entries.findIndex(
        ({ entry }) => entry.kind === 'step.intent' && entry.activity === activity,
      );
      expect(begun).toBeGreaterThan(isolatedAt);
    }
    expect(clock(run, 'clock-isolation').ended?.outcome).toBe('met');
  });

  test('is lifted only through its gate, by security', async () => {
    const run = await as(NOTIFIED);
    const closed = gate(run, 'lift-isolation');
    expect(closed).toMatchObject({ outcome: 'approved', people: [person('Grace')] });
    expect(begunAt(run, 'application.liftIsolation')).toBeGreaterThanOrEqual(
      Date.parse(closed?.virtual ?? ''),
    );
    expect(isolated(run)).toEqual([]);
  });

  test.each([
    ['declined', STAYS, {}],
    ['not decided by anybody', NOTIFIED, { 'lift-isolation': 'nobody' }],
    [
      '"approved" by somebody who is not of security',
      NOTIFIED,
      { 'lift-isolation': { by: 'Margaret', refused: true } },
    ],
  ] as const)(
    'stays when lifting it is %s, and everybody can read that it does',
    async (_, name, answers) => {
      const run = await trials.rehearse(answered(trials.named(name), answers));
      expect(run.outcome).toBe('completed');
      expect(run.output).toMatchObject({ isolation: 'kept' });
      expect(isolated(run)).toEqual(['api']);
      expect(JSON.stringify(run.world.dump()['slack'])).toContain('api is STILL ISOLATED');
    },
  );

  test('stays when the run is given up, and people are told that it does', async () => {
    const stopped = answered(trials.named(NOTIFIED), {
      'submit-to-authority': { by: 'Barbara', choice: 'abort', reason: 'Another run does it' },
    });
    const run = await trials.rehearse(stopped, { anyEnd: true });
    expect(run.outcome).toBe('aborted');
    expect(isolated(run)).toEqual(['api']);
    expect(JSON.stringify(run.world.dump()['slack'])).toContain('api of Shop is STILL ISOLATED');
  });
});

test('the executives are told in the first minute', async () => {
  const run = await as(NOTIFIED);
  for (const activity of ['sms.send', 'email.send'])
    expect(doneAt(run, activity) - startedAt(run)).toBeLessThan(MINUTE_MS);
  expect(sentEmails(run.world).map(({ to }) => to)).toEqual(
    expect.arrayContaining([expect.stringContaining('executives')]),
  );
});

test('security and legal are told within 30 minutes, whatever becomes of the isolation', async () => {
  const name = NOTIFIED;
  const stuck = answered(trials.named(name), {
    'application.isolate#1': { by: 'Ada', after: '3 hours', choice: 'retry' },
  });
  const run = await trials.rehearse(stuck, {
    strike: (step) =>
      step === 'application.isolate#1'
        ? { point: 'before', status: 400, operations: ['application.isolate'] }
        : undefined,
  });
  expect(run.struck.has('application.isolate#1')).toBe(true);
  expect(clock(run, 'clock-told').ended?.outcome).toBe('met');
  expect(clock(run, 'clock-isolation').ended?.outcome).toBe('justified');
});

describe('users', () => {
  test('are notified after legal agreed to the message, and only those affected', async () => {
    const run = await as(NOTIFIED);
    const closed = gate(run, 'send-user-notification');
    expect(closed).toMatchObject({ outcome: 'approved', people: [person('Barbara')] });
    expect(begunAt(run, 'application.notifyUsers')).toBeGreaterThanOrEqual(Date.parse(closed?.virtual ?? ''));
    expect(notices(run)).toMatchObject([{ audience: 'affected' }]);
  });

  test.each([
    ['legal declines', STAYS, {}],
    ['nobody answers', NOTIFIED, { 'send-user-notification': 'nobody' }],
    [
      'security says yes',
      NOTIFIED,
      { 'send-user-notification': { by: 'Grace', verdict: 'approve', refused: true } },
    ],
    [
      'an owner says yes days later',
      NOTIFIED,
      { 'send-user-notification': { by: 'Linus', after: '30 hours', refused: true } },
    ],
    ['legal says that it is not required', NOBODY, {}],
    ['it is a false alarm', FALSE_ALARM, {}],
  ] as const)('are never notified without the approval of legal: %s', async (_, name, answers) => {
    const run = await trials.rehearse(answered(trials.named(name), answers));
    expect(run.outcome).toBe('completed');
    expect(begunAt(run, 'application.notifyUsers')).toBeNaN();
    expect(notices(run)).toEqual([]);
  });

  test('have a notification prepared within four hours of the awareness', async () => {
    const run = await as(NOTIFIED);
    const { started, ended } = clock(run, 'clock-users');
    expect(Date.parse(started?.due ?? '') - Date.parse(started?.from ?? '')).toBe(4 * HOUR_MS);
    expect(ended?.outcome).toBe('met');
    const prepared = ofKind(run, 'question.answered').find(
      ({ target }) => target === 'prepare-user-notification',
    );
    expect(prepared).toMatchObject({ choice: 'done', person: person('Barbara') });
  });
});

describe('the supervisory authority', () => {
  test('is notified within 24 hours, with the 72 hours of the GDPR as the outer clock', async () => {
    const run = await as(NOTIFIED);
    const hours = ['clock-authority', 'clock-authority-gdpr'].map((id) => {
      const { started, ended } = clock(run, id);
      expect(ended?.outcome).toBe('met');
      return (Date.parse(started?.due ?? '') - Date.parse(started?.from ?? '')) / HOUR_MS;
    });
    expect(hours).toEqual([24, 72]);
  });

  test('is told too late: the miss is justified on record by legal, and the outer clock is still met', async () => {
    const run = await as(LATE);
    expect(ofKind(run, 'deadline.missed').map(({ deadline }) => deadline)).toContain('clock-authority');
    expect(clock(run, 'clock-authority').ended?.outcome).toBe('justified');
    const justified = ofKind(run, 'question.answered').find(
      ({ target }) => target === 'clock-authority/missed',
    );
    expect(justified).toMatchObject({ choice: 'justify', person: person('Barbara') });
    expect(clock(run, 'clock-authority-gdpr').ended?.outcome).toBe('met');
  });

  test('need not be told: why not is put on record, and the clocks end', async () => {
    const run = await as(NOBODY);
    const asked = ofKind(run, 'question.asked').map(({ target }) => target);
    expect(asked).toContain('document-why-not');
    expect(asked).not.toContain('submit-to-authority');
    expect(clock(run, 'clock-authority').ended?.outcome).toBe('met');
  });

  test('legal that does not know yet is asked again, while the clocks go on', async () => {
    const run = await as(NOBODY);
    const decided = ofKind(run, 'decision.made').filter(({ decision }) =>
      decision.startsWith('notify-authority'),
    );
    expect(decided.map(({ option }) => option)).toEqual(['not yet known', 'not required']);
    const [first, second] = decided.map(({ virtual }) => Date.parse(virtual));
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(2 * HOUR_MS);
  });
});

describe('the clocks', () => {
  test('of a late start run from the awareness: the missed ones show at once and must be justified', async () => {
    const run = await as(LATE);
    const missed = ofKind(run, 'deadline.missed').filter(
      ({ virtual }) => Date.parse(virtual) - startedAt(run) < MINUTE_MS,
    );
    expect(missed.map(({ deadline }) => deadline)).toEqual([
      'clock-isolation',
      'clock-assessment',
      'clock-told',
      'clock-forensics',
    ]);
    for (const { from } of ofKind(run, 'deadline.started'))
      expect(Math.round((startedAt(run) - Date.parse(from)) / MINUTE_MS)).toBe(180);
    for (const { deadline } of missed) {
      expect(ofKind(run, 'question.answered').map(({ target }) => target)).toContain(`${deadline}/missed`);
      expect(clock(run, deadline).ended?.outcome).toBe('justified');
    }
  });

  test('that start in the future start now', async () => {
    const tomorrow = new Date(Date.now() + 24 * HOUR_MS).toISOString();
    const rehearsal = trials.named(FALSE_ALARM);
    const run = await trials.rehearse({
      ...rehearsal,
      input: { ...(rehearsal.input as object), detectedAt: tomorrow },
    });
    for (const { from } of ofKind(run, 'deadline.started'))
      expect(Math.abs(Date.parse(from) - startedAt(run))).toBeLessThan(MINUTE_MS);
  });

  test('all end well when everybody is in time', async () => {
    const run = await as(NOTIFIED);
    const ends = ofKind(run, 'deadline.ended');
    expect(ends).toHaveLength(8);
    expect(ends.map(({ outcome }) => outcome)).toEqual(Array.from(ends, () => 'met'));
  });
});

describe('a leaked key', () => {
  test('is revoked at its provider by the emergency rotation, while the response goes on', async () => {
    const run = await as(LEAKED);
    expect(ofKind(run, 'child.ended')).toMatchObject([{ outcome: 'completed' }]);
    const revoked = run.visits.find(({ activity }) => activity === 'supabase.deleteKey');
    expect(revoked?.step).toBe('rotate-secret/supabase.deleteKey#1');
    expect(run.output).toMatchObject({ scope: 'confirmed', users: 'notified', authority: 'notified' });
  });

  test('whose rotation is declined does not stop the response, and the report says so', async () => {
    const run = await as(GIVEN_UP);
    expect(ofKind(run, 'child.ended')).toMatchObject([{ outcome: 'rejected' }]);
    expect(run.outcome).toBe('completed');
    expect(run.output).toMatchObject({ users: 'notified', authority: 'notified', isolation: 'lifted' });
    expect(await initialReport(run)).toContain('supabase/service-role-key: the rotation ended rejected');
  });

  test('whose rotation fails does not stop the response either', async () => {
    const failing = answered(trials.named(LEAKED), {
      'rotate-secret/supabase.deleteKey#1': { by: 'Ada', choice: 'abort', reason: 'Supabase refuses it' },
    });
    const run = await trials.rehearse(failing, {
      strike: (step) =>
        step === 'rotate-secret/supabase.deleteKey#1'
          ? { point: 'before', forGood: true, status: 400, operations: ['supabase.deleteKey'] }
          : undefined,
    });
    expect(run.struck.has('rotate-secret/supabase.deleteKey#1')).toBe(true);
    expect(ofKind(run, 'child.ended')).toMatchObject([{ outcome: 'aborted' }]);
    expect(run.output).toMatchObject({ authority: 'notified', isolation: 'lifted' });
    expect(await initialReport(run)).toContain('the rotation ended aborted');
  });

  test('that does not exist is refused at the start, with the choices', async () => {
    const rehearsal = trials.named(LEAKED);
    const input = { ...(rehearsal.input as object), leakedSecret: 'supabase/no-such-key' };
    await expect(trials.rehearse({ ...rehearsal, input })).rejects.toThrow(/supabase\/no-such-key/);
  });
});

describe('evidence', () => {
  test('is secured while security still assesses, each piece with its hash', async () => {
    const run = await as(NOTIFIED);
    const kept = ofKind(run, 'evidence.kept');
    expect(kept.map(({ evidence }) => evidence).sort()).toEqual([
      'evidence-database-audit',
      'evidence-logs',
      'evidence-storage',
      'evidence-storage-access',
      'initial-report',
    ]);
    for (const { sha256 } of kept) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    const assessed = ofKind(run, 'decision.made').find(({ decision }) => decision === 'scope');
    for (const { virtual } of kept.slice(0, 4))
      expect(Date.parse(virtual)).toBeLessThan(Date.parse(assessed?.virtual ?? ''));
    expect(clock(run, 'clock-forensics').ended?.outcome).toBe('met');
  });

  test('the initial report lists timeline, decisions, evidence and open points, within 48 hours', async () => {
    const quick = answered(trials.named(NOTIFIED), {
      'complete-analysis': { by: 'Grace', after: '6 hours', choice: 'done', evidence: 'Analysis so far' },
      'submit-to-authority': { by: 'Barbara', after: '20 hours', choice: 'done', evidence: 'Receipt' },
    });
    const run = await trials.rehearse(quick);
    const report = await initialReport(run);
    const section = (heading: string): string => report.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
    expect(section('Scope')).toContain('Security says: confirmed');
    expect(section('Scope')).toContain('3 accounts');
    expect(section('Decisions')).toContain('**required**');
    expect(section('Decisions')).toContain('**approved**');
    expect(section('Evidence')).toContain('evidence-database-audit');
    expect(section('Still open when this was written')).toContain(
      'Notification of the supervisory authority',
    );
    expect(section('Open points')).toContain('Notify the supervisory authority: due');
    expect(section('Timeline')).toContain('application.isolate#1: ok');
    expect(clock(run, 'clock-report').ended?.outcome).toBe('met');
  });
});

test('a false alarm ends through the gate, with a report, and bothers nobody in legal', async () => {
  const run = await as(FALSE_ALARM);
  expect(run.output).toMatchObject({ scope: 'false alarm', isolation: 'lifted', authority: 'not required' });
  expect(await initialReport(run)).toContain('Security says: false alarm');
  expect(ofKind(run, 'decision.made').map(({ decision }) => decision)).toEqual(['scope']);
  expect(gate(run, 'lift-isolation')?.outcome).toBe('approved');
});

test('a component that the service does not have stops the run before anything was done', async () => {
  const rehearsal = trials.named(NOTIFIED);
  const input = { ...(rehearsal.input as object), component: 'cellar' };
  const run = await trials.rehearse({ ...rehearsal, input }, { anyEnd: true });
  expect(run.outcome).toBe('failed');
  expect(run.world.effects.filter(({ system }) => system === 'application')).toEqual([]);
});
