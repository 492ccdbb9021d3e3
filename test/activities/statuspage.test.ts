import { beforeEach, describe, expect, test } from 'vitest';
import { statuspage } from '../../activities/statuspage/http.js';
import { statuspageSteps } from '../../activities/statuspage/steps.js';
import {
  seedStatuspage,
  STATUSPAGE_SIM_KEY,
  STATUSPAGE_SIM_PAGE,
  statuspageComponent,
  statuspageIncident,
  statuspageSimulator,
} from '../../simulators/statuspage.js';
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

const vendor = useSimulators(statuspageSimulator);

function setUp({
  baseUrl = vendor.url('statuspage'),
  apiKey = STATUSPAGE_SIM_KEY,
  pageId = STATUSPAGE_SIM_PAGE,
  timeoutMs = 5_000,
} = {}) {
  const client = statuspage({ baseUrl, apiKey, pageId, timeoutMs });
  return { client, steps: statuspageSteps({ statuspage: client }) };
}

const OUTAGE = {
  name: 'Logins fail',
  status: 'investigating',
  body: 'We are looking into it.',
  impact: 'major',
  components: ['login', 'api'],
  componentStatus: 'major_outage',
};
const MAINTENANCE = {
  name: 'Database upgrade',
  body: 'Writes are off for a few minutes.',
  from: '2026-12-01T20:00:00Z',
  until: '2026-12-01T22:00:00+01:00',
};

const effects = (what: string) => vendor.world.effects.filter((effect) => effect.what === what);
const step = (stepId: string, attempt = 1) => stepContext({ stepId, attempt });

beforeEach(() => seedStatuspage(vendor.world, { components: ['login', 'api', 'web'] }));

describe('statuspage', () => {
  test('which answers are retried, its own 420 too, and none of the errors holds the key', async () => {
    const { client } = setUp();
    const { world } = vendor;
    const ask = (operation: string, call: () => Promise<unknown>) =>
      assertRetries({ world, operation: `statuspage.${operation}`, call, secrets: [STATUSPAGE_SIM_KEY] });
    const created = { name: 'x', status: 'investigating', body: 'x', metadata: {} } as const;
    const { id } = await client.create(created);
    await ask('createIncident', () => client.create(created));
    await ask('updateIncident', () => client.update(id, { status: 'resolved', body: 'x', metadata: {} }));
    await ask('getIncident', () => client.incident(id));
    await ask('listIncidents', () => client.incidents(1));

    world.fail({ operation: 'statuspage.getIncident', point: 'before', status: 420, retryAfter: 9 });
    const failure = await failureOf(client.incident(id));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nextRetryDelay: 9_000 });
  });

  test('a wrong key is refused for good', async () => {
    const apiKey = 'some-other-statuspage-key';
    const failure = await failureOf(setUp({ apiKey }).client.incidents(1));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('STATUSPAGE_API_KEY');
    assertLeaksNothing(failure, [apiKey]);
  });

  test('a wrong page is refused for good', async () => {
    const failure = await failureOf(setUp({ pageId: 'otherpage' }).client.incidents(1));
    expect(failure.message).toContain('STATUSPAGE_PAGE_ID');
  });

  test('a malformed answer is refused by the contract', async () => {
    const fake = await fakeVendorAnswering({ body: { id: '', status: 'investigating' } });
    const failure = await failureOf(runVerb(setUp({ baseUrl: fake.url }).steps.createIncident, OUTAGE));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(setUp({ baseUrl: fake.url, timeoutMs: 50 }).client.incidents(1));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });
});

describe('statuspage.createIncident', () => {
  test('the public reads the text, the impact and the state of the components', async () => {
    const { incident } = await runVerb(setUp().steps.createIncident, OUTAGE);
    expect(statuspageIncident(vendor.world, incident)).toMatchObject({
      name: 'Logins fail',
      status: 'investigating',
      impact: 'major',
      updates: [{ status: 'investigating', body: 'We are looking into it.' }],
    });
    expect(['login', 'api', 'web'].map((id) => statuspageComponent(vendor.world, id))).toEqual([
      'major_outage',
      'major_outage',
      'operational',
    ]);
  });

  test('components that are only named stay as they are', async () => {
    const { steps } = setUp();
    await runVerb(steps.createIncident, OUTAGE, step('statuspage.createIncident#1'));
    const named = { ...OUTAGE, componentStatus: undefined };
    await runVerb(steps.createIncident, named, step('statuspage.createIncident#2'));
    expect(effects('incident published')).toHaveLength(2);
    expect(statuspageComponent(vendor.world, 'login')).toBe('major_outage');
  });

  test('an incident whose answer was lost is found again, not published a second time', async () => {
    vendor.world.fail({ operation: 'statuspage.createIncident', point: 'after' });
    const { incident } = await runWithRetries(setUp().steps.createIncident, OUTAGE);
    expect(vendor.world.injected('statuspage.createIncident')).toBe(1);
    expect(effects('incident published')).toHaveLength(1);
    expect(statuspageIncident(vendor.world, incident)?.name).toBe('Logins fail');
  });

  test('an outage before anything was published is simply repeated', async () => {
    vendor.world.fail({ operation: 'statuspage.createIncident', point: 'before', times: 2 });
    await runWithRetries(setUp().steps.createIncident, OUTAGE);
    expect(vendor.world.injected('statuspage.createIncident')).toBe(2);
    expect(effects('incident published')).toHaveLength(1);
  });

  test('an incident of another step with the same words is not taken for ours', async () => {
    const { steps } = setUp();
    const first = await runVerb(steps.createIncident, OUTAGE, step('statuspage.createIncident#1'));
    const second = await runVerb(steps.createIncident, OUTAGE, step('statuspage.createIncident#2', 2));
    expect(second.incident).not.toBe(first.incident);
  });

  test('a step that updates an incident does not hide which step published it', async () => {
    const { steps } = setUp();
    const created = await runVerb(steps.createIncident, OUTAGE, step('statuspage.createIncident#1'));
    const update = { ...created, status: 'identified', body: 'The cause is known.' };
    await runVerb(steps.updateIncident, update, step('statuspage.updateIncident#2'));
    const again = await runVerb(steps.createIncident, OUTAGE, step('statuspage.createIncident#1', 2));
    expect(again).toEqual(created);
  });

  test('the search for an earlier attempt ends with the incidents of a month ago', async () => {
    const createdAt = new Date(Date.now() - 31 * 24 * 3_600_000);
    const incidents = Array.from({ length: 600 }, (_, n) => ({ name: `old ${n}`, createdAt }));
    seedStatuspage(vendor.world, { incidents });
    await runVerb(setUp().steps.createIncident, OUTAGE, stepContext({ attempt: 2 }));
    expect(effects('incident published')).toHaveLength(1);
    expect(vendor.world.requests.map(({ operation }) => operation)).toEqual([
      'statuspage.listIncidents',
      'statuspage.createIncident',
    ]);
  });

  test('where five hundred incidents came after within a month, nobody can tell', async () => {
    const incidents = Array.from({ length: 500 }, (_, n) => ({ name: `new ${n}`, createdAt: new Date() }));
    seedStatuspage(vendor.world, { incidents });
    const failure = await failureOf(
      runVerb(setUp().steps.createIncident, OUTAGE, stepContext({ attempt: 2 })),
    );
    expect(failure.type).toBe('OutcomeUnknown');
    expect(effects('incident published')).toEqual([]);
  });

  test('a component of another page is refused, and nothing is published', async () => {
    const input = { ...OUTAGE, components: ['elsewhere'] };
    const failure = await failureOf(runVerb(setUp().steps.createIncident, input));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('components are those of this page');
    expect(vendor.world.effects).toEqual([]);
  });

  test.each([
    ['a status of a maintenance', { status: 'in_progress' }, 'status'],
    ['an empty text', { body: '  ' }, 'body'],
    ['a text that Statuspage does not take', { body: 'x'.repeat(25_001) }, 'body'],
    ['a status of components without components', { components: [] }, 'componentStatus'],
  ])('%s is refused before anything is asked', async (_what, change, field) => {
    const failure = await failureOf(runVerb(setUp().steps.createIncident, { ...OUTAGE, ...change }));
    expect(failure.type).toBe('InvalidInput');
    expect(failure.message).toContain(field);
    expect(vendor.world.requests).toEqual([]);
  });
});

describe('statuspage.updateIncident', () => {
  const publish = async () =>
    await runVerb(setUp().steps.createIncident, OUTAGE, step('statuspage.createIncident#1'));

  test('an update is published, and its components can be set with it', async () => {
    const { incident } = await publish();
    const update = { incident, status: 'resolved', body: 'Over.', componentStatus: 'operational' };
    await runVerb(setUp().steps.updateIncident, update);
    expect(statuspageIncident(vendor.world, incident)).toMatchObject({
      status: 'resolved',
      updates: [{ status: 'investigating' }, { status: 'resolved', body: 'Over.' }],
    });
    expect(statuspageComponent(vendor.world, 'login')).toBe('operational');
  });

  test('an update whose answer was lost is not published a second time', async () => {
    const { incident } = await publish();
    vendor.world.fail({ operation: 'statuspage.updateIncident', point: 'after' });
    const update = { incident, status: 'identified', body: 'The cause is known.' };
    await runWithRetries(setUp().steps.updateIncident, update);
    expect(vendor.world.injected('statuspage.updateIncident')).toBe(1);
    expect(effects('incident updated')).toHaveLength(1);
  });

  test('the same words from two steps are two updates', async () => {
    const { incident } = await publish();
    const { steps } = setUp();
    const update = { incident, status: 'identified', body: 'Still working on it.' };
    await runVerb(steps.updateIncident, update, step('statuspage.updateIncident#2'));
    await runVerb(steps.updateIncident, update, step('statuspage.updateIncident#3', 2));
    expect(effects('incident updated')).toHaveLength(2);
  });

  test('what other systems have attached to the incident stays', async () => {
    const { client, steps } = setUp();
    const jira = { issue: 'OPS-1' };
    const created = { name: 'x', status: 'investigating', body: 'x', metadata: { jira } } as const;
    const { id } = await client.create(created);
    await runVerb(steps.updateIncident, { incident: id, status: 'resolved', body: 'Over.' });
    expect((await client.incident(id)).metadata).toMatchObject({ jira });
  });

  test('an incident that is not on the page is refused for good', async () => {
    const update = { incident: 'nowhere', status: 'resolved', body: 'Over.' };
    const failure = await failureOf(runVerb(setUp().steps.updateIncident, update));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });

  test('an incident does not take the status of a maintenance', async () => {
    const { incident } = await publish();
    const update = { incident, status: 'completed', body: 'Over.' };
    const failure = await failureOf(runVerb(setUp().steps.updateIncident, update));
    expect(failure.message).toContain('a maintenance has other ones than an incident');
    expect(effects('incident updated')).toEqual([]);
  });
});

describe('statuspage.scheduleMaintenance', () => {
  test('a maintenance is announced, and goes through its states by the steps of the run', async () => {
    const { steps } = setUp();
    const { incident } = await runVerb(steps.scheduleMaintenance, MAINTENANCE);
    expect(statuspageIncident(vendor.world, incident)).toMatchObject({
      status: 'scheduled',
      impact: 'maintenance',
    });
    const created = vendor.world.requests.find(({ operation }) => operation === 'statuspage.createIncident');
    expect(JSON.parse(created?.body ?? '')).toMatchObject({
      incident: {
        scheduled_for: MAINTENANCE.from,
        scheduled_until: MAINTENANCE.until,
        scheduled_auto_in_progress: false,
        scheduled_auto_completed: false,
      },
    });
    for (const [number, status] of ['in_progress', 'verifying', 'completed'].entries()) {
      const update = { incident, status, body: `Now ${status}.` };
      await runVerb(steps.updateIncident, update, step(`statuspage.updateIncident#${number + 2}`));
    }
    expect(statuspageIncident(vendor.world, incident)?.status).toBe('completed');
  });

  test('a maintenance whose answer was lost is found again, not announced a second time', async () => {
    vendor.world.fail({ operation: 'statuspage.createIncident', point: 'after' });
    await runWithRetries(setUp().steps.scheduleMaintenance, MAINTENANCE);
    expect(vendor.world.injected('statuspage.createIncident')).toBe(1);
    expect(effects('maintenance announced')).toHaveLength(1);
  });

  test.each([
    ['an end before the beginning', { until: '2026-12-01T19:00:00Z' }, 'until'],
    ['a moment without an offset', { from: '2026-12-01T20:00:00' }, 'from'],
    ['a day without a time', { from: '2026-12-01' }, 'from'],
  ])('%s is refused before anything is asked', async (_what, change, field) => {
    const input = { ...MAINTENANCE, ...change };
    const failure = await failureOf(runVerb(setUp().steps.scheduleMaintenance, input));
    expect(failure.type).toBe('InvalidInput');
    expect(failure.message).toContain(field);
    expect(vendor.world.requests).toEqual([]);
  });
});
