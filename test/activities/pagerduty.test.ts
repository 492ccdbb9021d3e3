import { describe, expect, test } from 'vitest';
import { pagerduty, type PagerdutyConfig } from '../../activities/pagerduty/http.js';
import { pagerdutySteps } from '../../activities/pagerduty/steps.js';
import {
  acknowledgePage,
  PAGERDUTY_SIM_ROUTING_KEY,
  PAGERDUTY_SIM_SCHEDULE,
  PAGERDUTY_SIM_TOKEN,
  pagerdutyAlerts,
  pagerdutySimulator,
  seedPagerduty,
} from '../../simulators/pagerduty.js';
import {
  assertLeaksNothing,
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendor = useSimulators(pagerdutySimulator);
const SECRETS = [PAGERDUTY_SIM_ROUTING_KEY, PAGERDUTY_SIM_TOKEN];
const page = { summary: 'Backups are missing', severity: 'critical' };

function setUp(more: Partial<PagerdutyConfig> = {}) {
  const url = vendor.url('pagerduty');
  const client = pagerduty({
    eventsUrl: url,
    apiUrl: url,
    routingKey: PAGERDUTY_SIM_ROUTING_KEY,
    apiToken: PAGERDUTY_SIM_TOKEN,
    timeoutMs: 5_000,
    ...more,
  });
  return { client, steps: pagerdutySteps({ pagerduty: client }) };
}

const effects = () => vendor.world.effects.map(({ what, subject }) => `${what}: ${subject}`);

describe('pagerduty', () => {
  test('which answers are retried, and none of the errors holds a credential', async () => {
    const { client } = setUp();
    const { world } = vendor;
    const ask = (operation: string, call: () => Promise<unknown>) =>
      assertRetries({ world, operation: `pagerduty.${operation}`, call, secrets: SECRETS });
    await ask('enqueue', () => client.acknowledge('k'));
    await ask('listIncidents', () => client.incident('k'));
    await ask('listOnCalls', () => client.onCalls(undefined));
  });

  test('a wrong routing key is refused for good, and the sentence names the variable but not the key', async () => {
    const wrong = 'wrong-routing-key-0123456789abcd';
    const failure = await failureOf(runVerb(setUp({ routingKey: wrong }).steps.trigger, page));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('PAGERDUTY_ROUTING_KEY');
    assertLeaksNothing(failure, [wrong]);
  });

  test('a wrong API token is refused for good', async () => {
    const failure = await failureOf(runVerb(setUp({ apiToken: 'some-other-token' }).steps.onCall, {}));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('PAGERDUTY_API_TOKEN');
  });

  test('with a routing key only, people are paged and look-ups say which credential is missing', async () => {
    const { steps } = setUp({ apiToken: undefined });
    await runVerb(steps.trigger, page);
    const failure = await failureOf(runVerb(steps.incident, { dedupKey: 'k' }));
    expect(failure).toMatchObject({ type: 'NoCredential', nonRetryable: true });
    expect(failure.message).toContain('PAGERDUTY_API_TOKEN');
  });

  test('with an API token only, nobody can be paged', async () => {
    const failure = await failureOf(runVerb(setUp({ routingKey: undefined }).steps.trigger, page));
    expect(failure.type).toBe('NoCredential');
    expect(failure.message).toContain('PAGERDUTY_ROUTING_KEY');
    expect(vendor.world.requests).toHaveLength(0);
  });

  test('a malformed answer is refused by the contract', async () => {
    const fake = await fakeVendorAnswering({ body: { incidents: [{ id: 'Q1', status: 'asleep' }] } });
    const failure = await failureOf(setUp({ apiUrl: fake.url }).client.incident('k'));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(setUp({ eventsUrl: fake.url, timeoutMs: 50 }).client.resolve('k'));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });
});

describe('pagerduty.trigger', () => {
  test('without a key of its own, the alert has the key of the step', async () => {
    const step = stepContext();
    expect(await runVerb(setUp().steps.trigger, page, step)).toEqual({ dedupKey: step.key });
    expect(pagerdutyAlerts(vendor.world)).toMatchObject([{ dedupKey: step.key, ...page, source: step.run }]);
  });

  test('a lost answer pages nobody twice', async () => {
    vendor.world.fail({ operation: 'pagerduty.enqueue', point: 'after' });
    await runWithRetries(setUp().steps.trigger, page);
    expect(vendor.world.injected('pagerduty.enqueue')).toBe(1);
    expect(effects()).toEqual(['alert triggered: critical']);
  });

  test('two steps page twice, unless they give the same key', async () => {
    const { steps } = setUp();
    const first = stepContext({ stepId: 'pagerduty.trigger#1' });
    const second = stepContext({ stepId: 'pagerduty.trigger#2' });
    await runVerb(steps.trigger, page, first);
    await runVerb(steps.trigger, page, second);
    expect(pagerdutyAlerts(vendor.world)).toHaveLength(2);
    await runVerb(steps.trigger, { ...page, dedupKey: 'backup' }, first);
    await runVerb(steps.trigger, { ...page, dedupKey: 'backup' }, second);
    expect(pagerdutyAlerts(vendor.world)).toHaveLength(3);
  });

  test.each([
    ['a severity that PagerDuty does not have', { ...page, severity: 'urgent' }],
    ['a summary that is cut off', { ...page, summary: 'x'.repeat(1025) }],
    ['an empty key', { ...page, dedupKey: '' }],
  ])('%s is refused before anything is asked', async (_what, input) => {
    expect((await failureOf(runVerb(setUp().steps.trigger, input))).type).toBe('InvalidInput');
    expect(vendor.world.requests).toHaveLength(0);
  });
});

describe('an alert', () => {
  test('is triggered, acknowledged by a person, resolved by the run, and that is what the look-up says', async () => {
    const { steps } = setUp();
    const { dedupKey } = await runVerb(steps.trigger, page);
    const look = () => runVerb(steps.incident, { dedupKey });
    expect(await look()).toEqual({ status: 'triggered', incident: 'QSIM000001' });
    acknowledgePage(vendor.world, dedupKey);
    expect((await look()).status).toBe('acknowledged');
    await runVerb(steps.resolve, { dedupKey });
    expect((await look()).status).toBe('resolved');
    expect(effects()).toEqual(
      ['triggered', 'acknowledged', 'resolved'].map((what) => `alert ${what}: critical`),
    );
  });

  test('that was resolved and triggered again has a new incident, and the look-up finds that one', async () => {
    const { steps } = setUp();
    const { dedupKey } = await runVerb(steps.trigger, page);
    await runVerb(steps.resolve, { dedupKey });
    await runVerb(steps.trigger, page);
    expect(await runVerb(steps.incident, { dedupKey })).toEqual({
      status: 'triggered',
      incident: 'QSIM000002',
    });
  });

  test('is acknowledged and resolved once, however often an answer is lost', async () => {
    const { steps } = setUp();
    const { dedupKey } = await runVerb(steps.trigger, page);
    vendor.world.fail({ operation: 'pagerduty.enqueue', point: 'after', times: 2 });
    await runWithRetries(steps.acknowledge, { dedupKey });
    vendor.world.fail({ operation: 'pagerduty.enqueue', point: 'after', times: 2 });
    await runWithRetries(steps.resolve, { dedupKey });
    expect(vendor.world.injected('pagerduty.enqueue')).toBe(4);
    expect(effects()).toHaveLength(3);
  });

  test('that PagerDuty does not show yet is unknown, not an error', async () => {
    const { steps } = setUp();
    const { dedupKey } = await runVerb(steps.trigger, page);
    seedPagerduty(vendor.world, { hiddenFor: 1 });
    expect(await runVerb(steps.incident, { dedupKey })).toEqual({ status: 'unknown', incident: null });
    expect((await runVerb(steps.incident, { dedupKey })).status).toBe('triggered');
  });
});

describe('pagerduty.onCall', () => {
  const person = (number: number, escalationPolicy = 'PPOLICY') => ({
    schedule: PAGERDUTY_SIM_SCHEDULE,
    user: `PUSER${number}`,
    escalationPolicy,
  });

  test('counts people, each once, to the last page', async () => {
    const people = Array.from({ length: 150 }, (_unused, index) => person(index % 120));
    seedPagerduty(vendor.world, { onCalls: people });
    expect(await runVerb(setUp().steps.onCall, {})).toEqual({ people: 120, escalationPolicy: 'PPOLICY' });
  });

  test('of one schedule only counts that one', async () => {
    seedPagerduty(vendor.world, { onCalls: [person(1), { ...person(2), schedule: 'POTHER' }] });
    expect((await runVerb(setUp().steps.onCall, { schedule: 'POTHER' })).people).toBe(1);
  });

  test('says so when nobody is on call, and names no policy where there are several', async () => {
    seedPagerduty(vendor.world, { onCalls: [person(1), person(2, 'POTHER')] });
    expect(await runVerb(setUp().steps.onCall, {})).toEqual({ people: 2, escalationPolicy: null });
    seedPagerduty(vendor.world, { onCalls: [] });
    expect(await runVerb(setUp().steps.onCall, {})).toEqual({ people: 0, escalationPolicy: null });
  });

  test('answers with ids and counts: no name that PagerDuty sends gets into the result', async () => {
    const { steps } = setUp();
    const { dedupKey } = await runVerb(steps.trigger, page);
    const found = [await runVerb(steps.onCall, {}), await runVerb(steps.incident, { dedupKey })];
    expect(JSON.stringify(found)).not.toContain('Ada');
  });
});
