import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAST } from '../../simulators/cast.js';
import { trialsOf, type Trials } from '../helpers/one-runbook.js';
import { recordsOf } from '../helpers/record.js';
import { answered, messagesOf, ofKind, type Observed } from '../helpers/rehearsals.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let trials: Trials;

beforeAll(async () => {
  trials = await trialsOf('securityIncident');
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

const NO_DATA = 'No data is affected';
const CREDENTIAL = 'A compromised credential is revoked';
const POSITIVE = 'The breach check is positive';
const DECIDED = 'Security finds that data is affected, and keeps the isolation';
const SILENT = 'Nobody of security answers, and the isolation stays';

/** Sent in the background: nothing waits for a message. */
const MESSAGE = /^(slack|email|sms|pagerduty)\./;

const person = (name: string): string => CAST.find((member) => member.name === name)?.id ?? '';
const startedAt = (run: Observed): number => Date.parse(ofKind(run, 'run.admitted')[0]?.virtual ?? '');
const intents = (run: Observed): string[] => ofKind(run, 'step.intent').map(({ activity }) => activity);
const begunAt = (run: Observed, activity: string): number =>
  Date.parse(ofKind(run, 'step.intent').find((entry) => entry.activity === activity)?.virtual ?? '');
const isolated = (run: Observed): readonly string[] =>
  (run.world.dump()['application'] as { isolated: readonly string[] }).isolated;
const indexOf = (run: Observed, kind: string, matches: string): number =>
  run.entries.findIndex(({ entry }) => entry.kind === kind && JSON.stringify(entry).includes(matches));

/** Record of the data breach response that it went on as. */
function breachOf(run: Observed) {
  const found = recordsOf(run).find((record) => record.run === `${run.run}.data-breach`);
  if (found === undefined) throw new Error('There was no data breach response.');
  return found;
}

describe('a positive breach check', () => {
  test('always goes on as a data breach response, and asks nobody whether it may', async () => {
    const run = await as(POSITIVE);
    expect(ofKind(run, 'child.started')).toMatchObject([{ sub: 'dataBreachResponse' }]);
    expect(ofKind(run, 'decision.made')).toEqual([]);
    expect(run.output).toMatchObject({ scope: 'data breach', breach: 'completed' });
  });

  test('hands the original moment of awareness on: every clock of the response starts there', async () => {
    const run = await as(POSITIVE);
    const clocks = ofKind(breachOf(run), 'deadline.started');
    expect(clocks).toHaveLength(8);
    const own = ofKind(run, 'deadline.started')[0]?.from;
    expect(Math.round((startedAt(run) - Date.parse(own ?? '')) / MINUTE_MS)).toBe(2);
    for (const { from } of clocks) expect(from).toBe(own);
  });

  test('goes on as a data breach response also when somebody of security would say no', async () => {
    const denied = answered(trials.named(POSITIVE), {
      scope: { by: 'Grace', option: 'no data affected' },
    });
    const run = await trials.rehearse(denied);
    expect(ofKind(run, 'child.started')).toMatchObject([{ sub: 'dataBreachResponse' }]);
  });
});

test('security that finds affected data takes it to the data breach response too', async () => {
  const run = await as(DECIDED);
  expect(ofKind(run, 'decision.made')).toMatchObject([{ option: 'data breach', person: person('Grace') }]);
  expect(run.output).toMatchObject({ breach: 'completed', isolation: 'kept' });
  expect(ofKind(breachOf(run), 'deadline.started')[0]?.from).toBe(ofKind(run, 'deadline.started')[0]?.from);
});

describe('the isolation', () => {
  test('comes before everything but the messages that go out beside it', async () => {
    for (const name of [NO_DATA, CREDENTIAL, POSITIVE])
      expect(intents(await as(name)).find((activity) => !MESSAGE.test(activity))).toBe('application.isolate');
  });

  test('is lifted by its gate, after the way in is closed', async () => {
    const run = await as(NO_DATA);
    const closed = ofKind(run, 'gate.closed').find(({ gate }) => gate === 'lift-isolation');
    expect(closed).toMatchObject({ outcome: 'approved', people: [person('Grace')] });
    expect(begunAt(run, 'application.liftIsolation')).toBeGreaterThanOrEqual(
      Date.parse(closed?.virtual ?? ''),
    );
    const opened = indexOf(run, 'gate.opened', 'lift-isolation');
    expect(indexOf(run, 'question.answered', 'patch')).toBeLessThan(opened);
    expect(isolated(run)).toEqual([]);
  });

  test.each([
    ['security declines', SILENT, {}],
    ['nobody answers', NO_DATA, { 'lift-isolation': 'nobody' }],
    ['only an operator approves', NO_DATA, { 'lift-isolation': { by: 'Margaret', refused: true } }],
    ['security declines in the data breach response', DECIDED, {}],
  ] as const)('is lifted only by a gate: it stays when %s', async (_, name, answers) => {
    const run = await trials.rehearse(answered(trials.named(name), answers));
    expect(run.outcome).toBe('completed');
    expect(run.output).toMatchObject({ isolation: 'kept' });
    expect(isolated(run)).toEqual(['oauth-callback']);
  });

  test('stays when the data breach response is given up, and people are told', async () => {
    const givenUp = answered(trials.named(POSITIVE), {
      'data-breach/submit-to-authority': { by: 'Barbara', choice: 'abort', reason: 'Done elsewhere' },
    });
    const run = await trials.rehearse(givenUp);
    expect(run.output).toMatchObject({ breach: 'aborted', isolation: 'kept' });
    expect(isolated(run)).toEqual(['oauth-callback']);
    expect(messagesOf(run).join()).toContain('STILL ISOLATED');
    expect(messagesOf(run).join()).toContain('The data breach response ended aborted');
  });
});

describe('who is told', () => {
  test('security takes charge within 15 minutes, and legal is told within 30', async () => {
    const run = await as(NO_DATA);
    expect(ofKind(run, 'charge.taken')).toMatchObject([{ person: person('Grace') }]);
    const ends = ofKind(run, 'deadline.ended').map(({ deadline, outcome }) => [deadline, outcome]);
    expect(Object.fromEntries(ends)).toEqual({ 'clock-security': 'met', 'clock-legal': 'met' });
  });

  test('the executives are told in the first minute', async () => {
    const run = await as(NO_DATA);
    expect(begunAt(run, 'sms.send') - startedAt(run)).toBeLessThan(MINUTE_MS);
  });

  test('when nobody of security answers, the ladder is climbed and the miss is justified', async () => {
    const run = await as(SILENT);
    const climbed = ofKind(run, 'question.escalated').filter(({ target }) => target === 'take-charge');
    expect(climbed.map(({ group }) => group)).toEqual(['executives', 'technical-leads', 'managers']);
    const ended = ofKind(run, 'deadline.ended').find(({ deadline }) => deadline === 'clock-security');
    expect(ended?.outcome).toBe('justified');
    expect(run.outcome).toBe('completed');
  });

  test('users are notified by nobody but the data breach response', async () => {
    for (const name of [NO_DATA, POSITIVE, DECIDED])
      expect(intents(await as(name))).not.toContain('application.notifyUsers');
  });
});

test('a compromised credential is revoked by the emergency rotation, however that ends', async () => {
  const run = await as(CREDENTIAL);
  expect(run.visits.map(({ step }) => step)).toContain('rotate-secret/resend.deleteKey#1');
  expect(ofKind(run, 'child.ended')).toMatchObject([{ outcome: 'completed' }]);
  const failing = answered(trials.named(CREDENTIAL), {
    'rotate-secret/resend.deleteKey#1': { by: 'Ada', choice: 'abort', reason: 'Resend refuses it' },
  });
  const without = await trials.rehearse(failing, {
    strike: (step) =>
      step === 'rotate-secret/resend.deleteKey#1'
        ? { point: 'before', forGood: true, status: 400, operations: ['resend.deleteApiKey'] }
        : undefined,
  });
  expect(without.struck.has('rotate-secret/resend.deleteKey#1')).toBe(true);
  expect(without.output).toMatchObject({ isolation: 'lifted' });
});

test('the logs of 24 hours are secured and the report is filed before anything is patched', async () => {
  const run = await as(NO_DATA);
  const filed = indexOf(run, 'step.outcome', 'application.fileIncidentReport');
  expect(indexOf(run, 'evidence.kept', 'evidence-logs')).toBeLessThan(filed);
  expect(indexOf(run, 'evidence.kept', 'incident-report')).toBeLessThan(filed);
  expect(filed).toBeLessThan(indexOf(run, 'question.asked', 'patch'));
  const collected = run.world.requests.find(({ operation }) => operation === 'application.collectEvidence');
  const { since, until } = JSON.parse(collected?.body ?? '{}') as { since: string; until: string };
  expect(Date.parse(until) - Date.parse(since)).toBeGreaterThanOrEqual(24 * HOUR_MS);
});

test('a post-mortem is drafted at the end', async () => {
  const run = await as(NO_DATA);
  const kept = ofKind(run, 'evidence.kept').find(({ evidence }) => evidence === 'post-mortem');
  const content = await trials.installation.installation.ledger.disclosed('default', kept?.commitment ?? '');
  expect(new TextDecoder().decode(content)).toContain('To be written');
});
