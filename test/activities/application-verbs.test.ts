import { beforeEach, describe, expect, test } from 'vitest';
import { applicationOver } from '../../activities/application/index.js';
import { applicationSteps } from '../../activities/application/steps.js';
import type { Systems } from '../../activities/index.js';
import { memoryVault } from '../../activities/vault/memory.js';
import {
  applicationSimulator,
  seedApplication,
  type ApplicationState,
} from '../../simulators/application.js';
import { initialState } from '../../simulators/application/state.js';
import { seedWorld } from '../../simulators/presets.js';
import { failureOf, runVerb, runWithRetries, stepContext, useSimulators } from '../helpers/vendor.js';
import { DAY, inputs, ref, SECRET } from './application-inputs.js';

const vendors = useSimulators(applicationSimulator);
const vault = memoryVault();

type Steps = ReturnType<typeof applicationSteps>;
let app: Steps;
let count = 0;
/** Every step of a run has a key of its own. */
const next = () => stepContext({ stepId: `application.verb#${(count += 1)}` });
const state = (): ApplicationState => vendors.world.state('application', initialState);
const effects = () => vendors.world.effects.map(({ what, subject }) => `${what}: ${subject}`);

beforeEach(() => {
  app = applicationSteps({
    application: applicationOver({ baseUrl: vendors.url('application'), vault }),
  } as Systems);
});

describe('what is switched on is switched off again, each once', () => {
  test.each([
    [
      'maintenance mode',
      'enableMaintenance',
      'disableMaintenance',
      'maintenance enabled',
      'maintenance disabled',
    ],
    ['traffic', 'stopTraffic', 'resumeTraffic', 'traffic stopped', 'traffic resumed'],
    ['writing', 'freezeWrites', 'unfreezeWrites', 'writes frozen', 'writes unfrozen'],
    ['isolation', 'isolate', 'liftIsolation', 'component isolated', 'component isolation lifted'],
    ['monitoring', 'enhanceMonitoring', 'restoreMonitoring', 'monitoring enhanced', 'monitoring restored'],
    [
      'an environment',
      'deployEnvironment',
      'removeEnvironment',
      'environment deployed',
      'environment removed',
    ],
  ] as const)('%s', async (_name, on, off, switchedOn, switchedOff) => {
    const subject = on === 'isolate' ? 'billing' : on === 'deployEnvironment' ? 'dr' : 'application';
    vendors.world.fail({ operation: `application.${on}`, point: 'after' });
    vendors.world.fail({ operation: `application.${off}`, point: 'after' });
    const before = structuredClone({ ...initialState(), ...state() });
    await runWithRetries(app[on], inputs[on] as never, next());
    await runWithRetries(app[off], inputs[off] as never, next());
    await runVerb(app[off], inputs[off] as never, next());
    expect([
      vendors.world.injected(`application.${on}`),
      vendors.world.injected(`application.${off}`),
    ]).toEqual([1, 1]);
    expect(effects()).toEqual([`${switchedOn}: ${subject}`, `${switchedOff}: ${subject}`]);
    expect({ ...state(), answered: {}, deployments: 0 }).toEqual({ ...before, answered: {} });
  });

  test('maintenance mode can be looked up', async () => {
    const look = async () => (await runVerb(app.maintenanceState, {}, next())).on;
    expect(await look()).toBe(false);
    await runVerb(app.enableMaintenance, inputs.enableMaintenance, next());
    expect(await look()).toBe(true);
    await runVerb(app.disableMaintenance, {}, next());
    expect(await look()).toBe(false);
  });

  test('a feature flag: the answer says how it was, also when it was lost once', async () => {
    vendors.world.fail({ operation: 'application.setFeatureFlag', point: 'after' });
    const flag = { flag: 'constructor', enabled: true };
    expect(await runWithRetries(app.setFeatureFlag, flag, next())).toEqual({ before: false });
    expect(vendors.world.injected('application.setFeatureFlag')).toBe(1);
    expect(await runVerb(app.setFeatureFlag, { ...flag, enabled: false }, next())).toEqual({ before: true });
    expect(effects()).toEqual([
      'feature flag switched on: constructor',
      'feature flag switched off: constructor',
    ]);
  });
});

describe('webhook secrets', () => {
  test('both are accepted, then one alone; those of another secret stay', async () => {
    await runVerb(app.acceptBoth, { ...inputs.acceptBoth, secret: 'other/secret' }, next());
    await runVerb(app.acceptBoth, inputs.acceptBoth, next());
    expect(state().accepted[SECRET]).toEqual([ref(1), ref(2)]);
    await runVerb(app.acceptOnly, inputs.acceptOnly, next());
    await runVerb(app.acceptOnly, inputs.acceptOnly, next());
    expect(state().accepted).toEqual({ [SECRET]: [ref(2)], 'other/secret': [ref(1), ref(2)] });
    expect(effects()).toEqual([
      'webhook secrets accepted: other/secret',
      `webhook secrets accepted: ${SECRET}`,
      `webhook secret accepted alone: ${SECRET}`,
    ]);
  });
});

describe('health', () => {
  const failed = async (environment?: string) =>
    (await runVerb(app.health, { checks: ['email', 'billing'], ...(environment && { environment }) }, next()))
      .failed;

  test('is that of production unless another environment is named', async () => {
    seedApplication(vendors.world, { failingChecksIn: { dr: [['email'], []] } });
    await runVerb(app.deployEnvironment, { environment: 'dr' }, next());
    expect(await failed()).toEqual([]);
    expect(await failed('dr')).toEqual(['email']);
    expect(await failed('dr')).toEqual([]);
  });

  test('of an environment where nothing runs is bad', async () => {
    expect(await failed('dr')).toEqual(['email', 'billing']);
    await runVerb(app.deployEnvironment, { environment: 'dr' }, next());
    expect(await failed('dr')).toEqual([]);
    await runVerb(app.removeEnvironment, { environment: 'dr' }, next());
    expect(await failed('dr')).toEqual(['email', 'billing']);
  });

  test('of an isolated component is bad until the isolation is lifted', async () => {
    expect(await runVerb(app.isolate, { component: 'billing' }, next())).toEqual({
      isolation: 'isolation-billing',
    });
    expect(await failed()).toEqual(['billing']);
    await runVerb(app.liftIsolation, { component: 'billing' }, next());
    expect(await failed()).toEqual([]);
  });

  test('no traffic, no errors: the error rate says that it counted nothing', async () => {
    seedApplication(vendors.world, { errorRates: [0.5] });
    await runVerb(app.stopTraffic, { reason: 'restore' }, next());
    expect(await runVerb(app.errorRate, { minutes: 5 }, next())).toEqual({ ratio: 0, requests: 0 });
    await runVerb(app.resumeTraffic, {}, next());
    expect((await runVerb(app.errorRate, { minutes: 5 }, next())).ratio).toBe(0.5);
  });
});

describe('releases', () => {
  test('an update is taken back to the deployment before it, and to no unknown one', async () => {
    const updated = await runVerb(app.deployUpdate, { version: '2.0.0' }, next());
    expect(updated).toEqual({ deployment: 'release-2', previous: 'release-1' });
    await runVerb(app.rollBackDeployment, { deployment: String(updated.previous) }, next());
    expect(state().serving).toBe('release-1');
    const failure = await failureOf(runVerb(app.rollBackDeployment, { deployment: 'release-9' }, next()));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(effects()).toEqual(['version deployed: 2.0.0', 'deployment rolled back: release-1']);
  });

  test('as many migrations are taken back as were applied', async () => {
    const { applied } = await runVerb(app.runMigrations, {}, next());
    expect(applied).toBe(2);
    expect((await runVerb(app.runMigrations, {}, next())).applied).toBe(0);
    await runVerb(app.rollBackMigrations, { count: applied }, next());
    expect(state().migrations).toEqual({ applied: [], pending: ['migration-1', 'migration-2'] });
    expect(effects()).toEqual([
      'migration applied: migration-1',
      'migration applied: migration-2',
      'migration rolled back: migration-2',
      'migration rolled back: migration-1',
    ]);
  });

  test('migrations are rolled back once when the answer was lost', async () => {
    await runVerb(app.runMigrations, {}, next());
    vendors.world.fail({ operation: 'application.rollBackMigrations', point: 'after' });
    await runWithRetries(app.rollBackMigrations, { count: 1 }, next());
    expect(vendors.world.injected('application.rollBackMigrations')).toBe(1);
    expect(state().migrations.applied).toEqual(['migration-1']);
  });

  test('what changed lately can be looked up, by id', async () => {
    const changes = () => runVerb(app.recentChanges, { since: DAY.since }, next());
    expect(await changes()).toEqual({ changes: 0, newest: null });
    seedApplication(vendors.world, { recentChanges: 3 });
    expect(await changes()).toEqual({ changes: 3, newest: 'change-3' });
    await runVerb(app.redeploy, { component: 'api' }, next());
    expect(await changes()).toEqual({ changes: 4, newest: 'api-1' });
  });
});

describe('incidents', () => {
  test('evidence, breach check and access analysis answer as they were prepared', async () => {
    expect(await runVerb(app.breachCheck, DAY, next())).toMatchObject({ suspected: false, findings: 0 });
    expect(await runVerb(app.analyzeAccess, DAY, next())).toMatchObject({ suspicious: 0, accounts: 0 });
    seedApplication(vendors.world, { breachSuspected: true, suspiciousAccounts: 2 });
    expect(await runVerb(app.breachCheck, DAY, next())).toMatchObject({ suspected: true, findings: 2 });
    expect(await runVerb(app.analyzeAccess, DAY, next())).toMatchObject({ suspicious: 6, accounts: 2 });
    const evidence = await runVerb(app.collectEvidence, { kind: 'logs', ...DAY }, next());
    expect(evidence).toMatchObject({ location: 'evidence/logs', entries: 480 });
    expect(effects()).toEqual(['evidence collected: logs']);
  });

  test('users are notified once when the answer was lost', async () => {
    vendors.world.fail({ operation: 'application.notifyUsers', point: 'after' });
    expect(await runWithRetries(app.notifyUsers, inputs.notifyUsers, next())).toEqual({ recipients: 12 });
    expect(await runVerb(app.notifyUsers, { ...inputs.notifyUsers, audience: 'all' }, next())).toEqual({
      recipients: 240,
    });
    expect(vendors.world.injected('application.notifyUsers')).toBe(1);
    expect(effects()).toEqual(['users notified (affected): Your data', 'users notified (all): Your data']);
  });

  test('a component is scaled up once for each step', async () => {
    vendors.world.fail({ operation: 'application.scaleUp', point: 'after' });
    await runWithRetries(app.scaleUp, { component: 'api' }, next());
    expect(vendors.world.injected('application.scaleUp')).toBe(1);
    await runVerb(app.scaleUp, { component: 'api' }, next());
    expect(state().scaled).toEqual(['api', 'api']);
  });
});

describe('the world of a rehearsal', () => {
  test('prepares what goes wrong in it', async () => {
    await seedWorld(vendors.world, vault, new Map(), {
      breachSuspected: true,
      suspiciousAccounts: 1,
      recentChanges: 2,
      failingMigrations: true,
      failingChecksIn: { dr: [['email']] },
      environments: ['dr'],
    });
    expect((await runVerb(app.breachCheck, DAY, next())).suspected).toBe(true);
    expect((await runVerb(app.analyzeAccess, DAY, next())).accounts).toBe(1);
    expect((await runVerb(app.recentChanges, { since: DAY.since }, next())).changes).toBe(2);
    expect((await runVerb(app.health, inputs.health, next())).failed).toEqual(['email']);
    const failure = await failureOf(runVerb(app.runMigrations, {}, next()));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(effects()).toEqual([]);
  });

  test('of an earlier version, kept by the local stack, knows what is new', async () => {
    vendors.world.restore({ application: { errorRates: [0.1], answered: {}, deployments: 4 } });
    await runVerb(app.enableMaintenance, inputs.enableMaintenance, next());
    expect((await runVerb(app.redeploy, { component: 'api' }, next())).deployment).toBe('api-5');
  });
});
