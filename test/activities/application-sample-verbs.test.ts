import { createHash, createHmac } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createApplication } from '../../activities/application/index.js';
import { applicationSteps } from '../../activities/application/steps.js';
import type { Systems } from '../../activities/index.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { applicationFile } from '../../config/application.js';
import { startSampleApplication, type SampleApplication } from '../../local/sample-application/server.js';
import { load, save } from '../../local/sample-application/store.js';
import { failureOf, runVerb, stepContext } from '../helpers/vendor.js';
import { inputs } from './application-inputs.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const OLD = 'the-old-webhook-secret-0123456789';
const NEW = 'the-new-webhook-secret-9876543210';
const SECRET = 'stripe/webhook-secret';
let folder: string;
let sample: SampleApplication;
let app: ReturnType<typeof applicationSteps>;
let count = 0;
const next = () => stepContext({ stepId: `application.verb#${(count += 1)}` });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sample-verbs-'));
  await start();
});
afterEach(async () => {
  await sample.close();
  await rm(folder, { recursive: true });
});

async function start(): Promise<void> {
  sample = await startSampleApplication({ folder });
  const env = { APPLICATION_URL: sample.url.href.replace(/\/$/, ''), APPLICATION_DATA: folder };
  const config = applicationFile(join(ROOT, 'config/application.yaml'), env);
  const vault = memoryVault();
  await vault.put(SECRET, OLD, { key: 'old' });
  await vault.put(SECRET, NEW, { key: 'new' });
  app = applicationSteps({
    application: createApplication({ config: config.get, vault, folder: ROOT }),
  } as Systems);
}

const ask = (path: string, method = 'GET', headers: Record<string, string> = {}) =>
  fetch(new URL(path, sample.url), { method, headers });
const statuses = async (...asked: [path: string, method?: string][]): Promise<number[]> =>
  (await Promise.all(asked.map(([path, method]) => ask(path, method)))).map(({ status }) => status);
const around = () => ({
  since: new Date(Date.now() - 60_000).toISOString(),
  until: new Date(Date.now() + 60_000).toISOString(),
});

describe('the users of the sample application', () => {
  test('see the maintenance message, and when to come back; its health can still be checked', async () => {
    const until = new Date(Date.now() + 600_000).toISOString();
    await runVerb(app.enableMaintenance, { message: 'We are back soon.', until }, next());
    const answer = await ask('/use/payments', 'POST');
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(590);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(600);
    expect(await answer.json()).toEqual({ error: 'We are back soon.' });
    expect(await statuses(['/orders/1'], ['/files/a'], ['/health/payments'])).toEqual([503, 503, 200]);
    expect(await runVerb(app.maintenanceState, {}, next())).toEqual({ on: true });
    expect(await runVerb(app.errorRate, { minutes: 5 }, next())).toEqual({ ratio: 0, requests: 0 });
    await runVerb(app.disableMaintenance, {}, next());
    expect(await statuses(['/use/payments', 'POST'])).toEqual([200]);
    expect(await runVerb(app.maintenanceState, {}, next())).toEqual({ on: false });
  });

  test('and webhooks are turned away while traffic is stopped', async () => {
    await runVerb(app.stopTraffic, { reason: 'the database is restored' }, next());
    expect(
      await statuses(['/use/sign-in', 'POST'], ['/webhooks/stripe', 'POST'], ['/files/a'], ['/health/email']),
    ).toEqual([503, 503, 503, 200]);
    await runVerb(app.resumeTraffic, {}, next());
    expect(await statuses(['/use/sign-in', 'POST'], ['/webhooks/stripe', 'POST'])).toEqual([200, 400]);
  });

  test('can read and not write while writes are frozen', async () => {
    await runVerb(app.freezeWrites, { reason: 'failback' }, next());
    expect(
      await statuses(['/use/payments', 'POST'], ['/orders', 'POST'], ['/use/sign-in', 'POST'], ['/files/a']),
    ).toEqual([409, 409, 200, 200]);
    await runVerb(app.unfreezeWrites, {}, next());
    expect(await statuses(['/use/payments', 'POST'])).toEqual([200]);
  });

  test('do not reach an isolated component, and nobody else is cut off', async () => {
    expect(await runVerb(app.isolate, { component: 'payments' }, next())).toEqual({
      isolation: 'isolation-payments',
    });
    const answer = await ask('/use/payments', 'POST');
    expect([answer.status, await answer.json()]).toEqual([503, { error: 'isolated' }]);
    expect(await (await ask('/health/payments')).json()).toMatchObject({ passed: false, error: 'isolated' });
    expect((await runVerb(app.health, { checks: ['payments', 'email'] }, next())).failed).toEqual([
      'payments',
    ]);
    expect(await statuses(['/use/sign-in', 'POST'])).toEqual([200]);
    await runVerb(app.liftIsolation, { component: 'payments' }, next());
    expect(await statuses(['/use/payments', 'POST'], ['/health/payments'])).toEqual([200, 200]);
  });

  test('are notified once per step: the message is in the outbox', async () => {
    const step = next();
    expect(await runVerb(app.notifyUsers, inputs.notifyUsers, step)).toEqual({ recipients: 12 });
    expect(await runVerb(app.notifyUsers, inputs.notifyUsers, step)).toEqual({ recipients: 12 });
    expect(await runVerb(app.notifyUsers, { ...inputs.notifyUsers, audience: 'all' }, next())).toEqual({
      recipients: 240,
    });
    expect(load(folder, 'outbox')).toMatchObject([
      { audience: 'affected', subject: 'Your data', recipients: 12 },
      { audience: 'all', recipients: 240 },
    ]);
  });
});

test('a webhook secret that is not accepted any more is really refused', async () => {
  const deliver = async (secret: string): Promise<number> => {
    const signature = createHmac('sha256', secret).update('1.{}').digest('hex');
    const headers = { 'stripe-signature': `t=1,v1=${signature}` };
    return (await fetch(new URL('/webhooks/stripe', sample.url), { method: 'POST', headers, body: '{}' }))
      .status;
  };
  save(folder, 'webhooks', { 'other/secret': ['a-secret-of-somebody-else'] });
  await runVerb(app.acceptBoth, inputs.acceptBoth, next());
  expect([await deliver(OLD), await deliver(NEW)]).toEqual([200, 200]);
  await runVerb(app.acceptOnly, inputs.acceptOnly, next());
  await runVerb(app.acceptOnly, inputs.acceptOnly, next());
  expect([await deliver(OLD), await deliver(NEW), await deliver('a-secret-of-somebody-else')]).toEqual([
    400, 200, 200,
  ]);
});

describe('incidents of the sample application', () => {
  test('evidence is a read-only file with that SHA-256, of that kind and time only', async () => {
    await ask('/files/report', 'GET', { 'x-account': 'account-7' });
    await ask('/files/invoice', 'GET', { 'x-account': 'account-7' });
    await ask('/use/sign-in', 'POST');
    const step = next();
    const input = { kind: 'storage-access' as const, ...around() };
    const evidence = await runVerb(app.collectEvidence, input, step);
    expect(evidence.entries).toBe(2);
    const file = join(folder, evidence.location);
    const content = readFileSync(file);
    expect(createHash('sha256').update(content).digest('hex')).toBe(evidence.sha256);
    expect(content.toString()).toContain('"record":"report"');
    expect(content.toString()).not.toContain('sign-in');
    expect(statSync(file).mode & 0o222).toBe(0);
    expect(await runVerb(app.collectEvidence, input, step)).toEqual(evidence);
    const before = { since: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z' };
    expect((await runVerb(app.collectEvidence, { ...input, ...before }, next())).entries).toBe(0);
  });

  test('an account that reads very much is found by breach check and access analysis', async () => {
    const read = async (account: string, times: number): Promise<void> => {
      for (let i = 0; i < times; i += 1) await ask(`/files/file-${i}`, 'GET', { 'x-account': account });
    };
    await read('account-1', 20);
    expect(await runVerb(app.breachCheck, around(), next())).toMatchObject({ suspected: false, findings: 0 });
    await read('account-2', 100);
    expect(await runVerb(app.breachCheck, around(), next())).toMatchObject({ suspected: true, findings: 1 });
    expect(await runVerb(app.analyzeAccess, around(), next())).toMatchObject({
      suspicious: 100,
      accounts: 1,
    });
    const before = { since: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z' };
    expect((await runVerb(app.breachCheck, before, next())).suspected).toBe(false);
  });

  test('enhanced monitoring logs every request, until monitoring is as usual again', async () => {
    const logged = async (): Promise<number> =>
      (await runVerb(app.collectEvidence, { kind: 'logs', ...around() }, next())).entries;
    await ask('/health/email');
    expect(await logged()).toBe(0);
    await runVerb(app.enhanceMonitoring, {}, next());
    await ask('/health/email');
    expect(await logged()).toBeGreaterThan(0);
    await runVerb(app.restoreMonitoring, {}, next());
    const before = await logged();
    await ask('/health/email');
    expect(await logged()).toBe(before);
  });
});

describe('releases of the sample application', () => {
  test('an update and the way back are changes of production; another environment has its own', async () => {
    const since = new Date(Date.now() - 1000).toISOString();
    expect(await runVerb(app.recentChanges, { since }, next())).toEqual({ changes: 0, newest: null });
    const step = next();
    const updated = await runVerb(app.deployUpdate, { version: '2.0.0' }, step);
    expect(updated).toEqual({ deployment: 'release-2', previous: 'release-1' });
    expect(await runVerb(app.deployUpdate, { version: '2.0.0' }, step)).toEqual(updated);
    await runVerb(app.deployEnvironment, { environment: 'dr' }, next());
    await runVerb(app.rollBackDeployment, { deployment: 'release-1' }, next());
    expect(await runVerb(app.recentChanges, { since }, next())).toEqual({
      changes: 3,
      newest: 'back-to-release-1',
    });
    const { serving, environments } = load(folder, 'state');
    expect([serving, environments]).toEqual([
      'release-1',
      [{ name: 'dr', deployment: 'dr-1', version: '2.0.0' }],
    ]);
    const failure = await failureOf(runVerb(app.rollBackDeployment, { deployment: 'release-9' }, next()));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });

  test('health is asked per environment: where nothing runs, nothing works', async () => {
    const health = (environment?: string) =>
      runVerb(app.health, { checks: ['email'], ...(environment && { environment }) }, next());
    expect((await health()).passed).toBe(true);
    expect((await health('dr')).passed).toBe(false);
    await runVerb(app.deployEnvironment, { environment: 'dr' }, next());
    expect((await health('dr')).passed).toBe(true);
    expect(await statuses(['/health/email?environment=dr'])).toEqual([200]);
    await runVerb(app.removeEnvironment, { environment: 'dr' }, next());
    expect((await health('dr')).passed).toBe(false);
  });

  test('migrations are taken back as often as asked, and no more than there are', async () => {
    expect(await runVerb(app.runMigrations, {}, next())).toEqual({ applied: 3 });
    const step = next();
    await runVerb(app.rollBackMigrations, { count: 2 }, step);
    await runVerb(app.rollBackMigrations, { count: 2 }, step);
    expect(load(folder, 'state').migrations).toEqual(['0001-order-notes']);
    const failure = await failureOf(runVerb(app.rollBackMigrations, { count: 2 }, next()));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(await runVerb(app.runMigrations, {}, next())).toEqual({ applied: 2 });
  });

  test('a feature flag answers how it was, also when the step is repeated after a restart', async () => {
    const step = next();
    const flag = { flag: '__proto__', enabled: true };
    expect(await runVerb(app.setFeatureFlag, flag, step)).toEqual({ before: false });
    await sample.close();
    await start();
    expect(await runVerb(app.setFeatureFlag, flag, step)).toEqual({ before: false });
    expect(await runVerb(app.setFeatureFlag, flag, next())).toEqual({ before: true });
  });
});

test('the page shows the state, with every text escaped', async () => {
  const message = '<script>alert("x")</script> & more';
  await runVerb(app.enableMaintenance, { ...inputs.enableMaintenance, message }, next());
  await runVerb(app.freezeWrites, { reason: 'failback' }, next());
  const answer = await ask('/');
  expect(answer.headers.get('content-type')).toContain('text/html');
  const html = await answer.text();
  expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; more');
  expect(html).not.toContain('<script>');
  expect(html).toContain('frozen: failback');
});
