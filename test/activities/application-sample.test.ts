import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { APPLICATION_VERBS } from '../../activities/application/contract.js';
import { createApplication } from '../../activities/application/index.js';
import { applicationSteps } from '../../activities/application/steps.js';
import type { Systems } from '../../activities/index.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { applicationFile } from '../../config/application.js';
import { decrypt, reencryptFields, seedFields, verifyFields } from '../../local/sample-application/fields.js';
import { startSampleApplication, type SampleApplication } from '../../local/sample-application/server.js';
import { load } from '../../local/sample-application/store.js';
import { assertLeaksNothing, failureOf, runVerb, stepContext } from '../helpers/vendor.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SECRET = 'database/encryption-key';
const OLD = 'the-old-encryption-key-0123456789';
const NEW = 'the-new-encryption-key-9876543210';
const vault = memoryVault();
let folder: string;
let sample: SampleApplication;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sample-application-'));
  sample = await startSampleApplication({ folder });
  await vault.put(SECRET, OLD, { key: 'old' });
  await vault.put(SECRET, NEW, { key: 'new' });
});
afterAll(async () => {
  await sample.close();
  await rm(folder, { recursive: true });
});

const ref = (version: number): string => `secret://${SECRET}@v${version}`;
/** The verbs as config/application.yaml is shipped. */
function shipped() {
  const env = { APPLICATION_URL: sample.url.href.replace(/\/$/, ''), APPLICATION_DATA: folder };
  const config = applicationFile(join(ROOT, 'config/application.yaml'), env);
  return applicationSteps({
    application: createApplication({ config: config.get, vault, folder: ROOT }),
  } as Systems);
}
const use = (check: string, fingerprint?: string) =>
  fetch(new URL(`/use/${check}`, sample.url), {
    method: 'POST',
    headers: fingerprint === undefined ? {} : { 'x-key-fingerprint': fingerprint },
  });

describe('the sample application, as config/application.yaml is shipped', () => {
  test('every verb is configured', () => {
    const env = { APPLICATION_URL: 'http://127.0.0.1:1', APPLICATION_DATA: folder };
    const { verbs } = applicationFile(join(ROOT, 'config/application.yaml'), env).get();
    expect(Object.keys(verbs).sort()).toEqual([...APPLICATION_VERBS].sort());
  });

  test('its encryption key is rotated: every field is re-encrypted, and again changes nothing', async () => {
    seedFields(folder, SECRET, OLD, 120);
    const app = shipped();
    expect(await runVerb(app.verifyEncrypted, { secret: SECRET, ref: ref(1) })).toEqual({
      total: 120,
      unreadable: 0,
    });
    const input = { secret: SECRET, from: ref(1), to: ref(2) };
    expect(await runVerb(app.reencrypt, input)).toEqual({ fields: 120 });
    const after = load(folder, 'fields');
    expect(await runVerb(app.reencrypt, input)).toEqual({ fields: 120 });
    expect(load(folder, 'fields')).toEqual(after);
    expect(await runVerb(app.verifyEncrypted, { secret: SECRET, ref: ref(2) })).toEqual({
      total: 120,
      unreadable: 0,
    });
    expect(await runVerb(app.verifyEncrypted, { secret: SECRET, ref: ref(1) })).toEqual({
      total: 120,
      unreadable: 120,
    });
  });

  test('a field that neither key reads is left as it is, and a person is told', async () => {
    seedFields(folder, SECRET, 'a-key-that-nobody-knows', 2);
    const before = load(folder, 'fields');
    const failure = await failureOf(
      runVerb(shipped().reencrypt, { secret: SECRET, from: ref(1), to: ref(2) }),
    );
    expect(failure).toMatchObject({ type: 'CommandFailed', nonRetryable: true });
    expect(failure.message).toContain('2 can be read with neither key');
    assertLeaksNothing(failure, [OLD, NEW]);
    expect(load(folder, 'fields')).toEqual(before);
  });

  test('a broken feature shows in health and error rate after a deployment, which is made once', async () => {
    const app = shipped();
    expect(await runVerb(app.health, { checks: ['email', 'payments'] })).toEqual({
      passed: true,
      failed: [],
    });
    await writeFile(join(folder, 'config.json'), JSON.stringify({ brokenChecks: ['email'] }));
    expect(await runVerb(app.health, { checks: ['email'] })).toMatchObject({ passed: true });
    const once = await runVerb(app.redeploy, { component: 'email' });
    expect(await runVerb(app.redeploy, { component: 'email' })).toEqual(once);
    expect(await runVerb(app.health, { checks: ['email', 'no-such-check'] })).toEqual({
      passed: false,
      failed: ['email', 'no-such-check'],
    });
    expect((await fetch(new URL('/health/email', sample.url))).status).toBe(503);
    for (const check of ['email', 'payments', 'payments', 'payments']) await use(check);
    expect(await runVerb(app.errorRate, { minutes: 5 })).toEqual({ ratio: 0.25, requests: 4 });
  });

  test('both webhook secrets are accepted, and no other', async () => {
    const deliver = async (secret: string): Promise<number> => {
      const signature = createHmac('sha256', secret).update('1.{}').digest('hex');
      const headers = { 'stripe-signature': `t=1,v1=${signature}` };
      return (await fetch(new URL('/webhooks/stripe', sample.url), { method: 'POST', headers, body: '{}' }))
        .status;
    };
    expect(await deliver(OLD)).toBe(400);
    await runVerb(shipped().acceptBoth, { secret: SECRET, current: ref(1), next: ref(2) });
    expect([await deliver(OLD), await deliver(NEW), await deliver('another-secret')]).toEqual([
      200, 200, 400,
    ]);
  });

  test('the use of a key is found in the logs by its fingerprint, within the time asked for', async () => {
    const fingerprint = '0123456789abcdef';
    await use('payments', fingerprint);
    await use('payments', 'f'.repeat(16));
    const [from, to] = [Date.now() - 60_000, Date.now() + 60_000].map((at) => new Date(at).toISOString());
    const search = (since: string, until: string) =>
      runVerb(shipped().searchLogs, { fingerprint, since, until });
    expect((await search(String(from), String(to))).matches).toBe(1);
    expect((await search('2020-01-01T00:00:00Z', '2020-01-02T00:00:00Z')).matches).toBe(0);
  });

  test('an incident report is filed once per step', async () => {
    const report = { title: 'Key leaked', summary: 'It was in a public repository.' };
    const step = stepContext({ stepId: 'application.fileIncidentReport#1' });
    const first = await runVerb(shipped().fileIncidentReport, report, step);
    expect(await runVerb(shipped().fileIncidentReport, report, step)).toEqual(first);
    expect(load(folder, 'reports')).toHaveLength(1);
  });
});

test('a re-encryption that stopped half way goes on where it stopped', async () => {
  const half = await mkdtemp(join(tmpdir(), 'sample-half-'));
  try {
    seedFields(half, SECRET, OLD, 10);
    const old = load(half, 'fields');
    reencryptFields(half, SECRET, OLD, NEW);
    const mixed = load(half, 'fields').map((field, index) => (index < 4 ? field : (old[index] ?? field)));
    await writeFile(join(half, 'fields.json'), JSON.stringify(mixed));
    expect(verifyFields(half, SECRET, NEW)).toEqual({ total: 10, unreadable: 6 });
    expect(reencryptFields(half, SECRET, OLD, NEW)).toEqual({ fields: 10, unreadable: 0 });
    const after = load(half, 'fields');
    expect(after.slice(0, 4)).toEqual(mixed.slice(0, 4));
    expect(after.map((field) => decrypt(field, NEW))).toEqual(old.map((field) => decrypt(field, OLD)));
  } finally {
    await rm(half, { recursive: true });
  }
});
