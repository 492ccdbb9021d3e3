import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { supabase, type SupabaseConfig } from '../../activities/supabase/http.js';
import { keyName, supabaseSteps } from '../../activities/supabase/steps.js';
import type { Vault } from '../../activities/vault/contract.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { digest } from '../../simulators/digest.js';
import {
  revokeSupabaseKey,
  seedSupabase,
  SUPABASE_PROJECT as project,
  SUPABASE_TOKEN,
  supabaseKeys,
  supabaseSecret,
  supabaseSimulator,
} from '../../simulators/supabase.js';
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

const vendor = useSimulators(supabaseSimulator);
const SECRET = 'supabase/service-key';
const OLD_KEY = 'sb_secret_the-old-key-0123456789';

const WITH_TABLE: Partial<SupabaseConfig> = { table: 'profiles' };

function setUp(config = WITH_TABLE, vault: Vault = memoryVault()) {
  const baseUrl = config.baseUrl ?? vendor.url('supabase');
  const client = supabase({
    accessToken: SUPABASE_TOKEN,
    projectUrl: (ref) => new URL(`${baseUrl.href}/project/${ref}`),
    timeoutMs: 5_000,
    ...config,
    baseUrl,
  });
  return { client, vault, steps: supabaseSteps({ supabase: client, vault }) };
}

async function setUpWithOldKey(config = WITH_TABLE) {
  const context = setUp(config);
  const { ref } = await context.vault.put(SECRET, OLD_KEY, { key: 'old' });
  return { ...context, ref };
}

const effects = (what: string) => vendor.world.effects.filter((effect) => effect.what === what);

beforeEach(() => {
  seedSupabase(vendor.world, { project, keys: [{ name: 'default', value: OLD_KEY }], tables: ['profiles'] });
});

describe('supabase', () => {
  test('which answers are retried, and none of the errors holds a token, a key or a value', async () => {
    const { client } = setUp();
    const { world } = vendor;
    const secrets = [SUPABASE_TOKEN, OLD_KEY, 'value-of-a-secret'];
    const range = { start: new Date('2026-03-01T00:00:00Z'), end: new Date('2026-03-01T01:00:00Z') };
    const ask = (operation: string, call: () => Promise<unknown>, handles: number[] = []) =>
      assertRetries({ world, operation: `supabase.${operation}`, call, secrets, handles });
    await ask('listKeys', () => client.keys(project));
    await ask('createKey', () => client.createKey(project, 'some_key'));
    await ask('getKey', () => client.revealKey(project, 'some-id'), [404]);
    await ask('deleteKey', () => client.deleteKey(project, 'some-id'), [404]);
    await ask('setSecrets', () => client.setSecret(project, 'NAME', 'value-of-a-secret'));
    await ask('removeSecrets', () => client.removeSecret(project, 'NAME'), [404]);
    await ask('logs', () => client.gatewayLogs(project, range, 0));
    await ask('listUsers', () => client.useKey(project, OLD_KEY), [401, 403]);
    await ask('listBuckets', () => client.useKey(project, OLD_KEY), [401, 403]);
    await ask('readTable', () => client.useKey(project, OLD_KEY), [401, 403]);
  });

  test('a wrong access token is refused for good', async () => {
    const { client } = setUp({ accessToken: 'sbp_another-token' });
    const failure = await failureOf(client.keys(project));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('SUPABASE_ACCESS_TOKEN');
  });

  test('a created key whose value is masked is refused by the contract', async () => {
    const fake = await fakeVendorAnswering({
      status: 201,
      body: { id: 'id', name: 'some_key', type: 'secret', api_key: 'sb_secret_abcde···············' },
    });
    const failure = await failureOf(setUp({ baseUrl: fake.url }).client.createKey(project, 'some_key'));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('a slow answer ends at the time-out and is tried again, of the API and of the project', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const { client } = setUp({ baseUrl: fake.url, timeoutMs: 50 });
    const late = { type: 'VendorUnavailable', nonRetryable: false };
    expect(await failureOf(client.keys(project))).toMatchObject(late);
    expect(await failureOf(client.useKey(project, OLD_KEY))).toMatchObject(late);
  });
});

describe('supabase.createKey', () => {
  const input = { secret: SECRET, project };

  test('the new key is stored in the vault, works, and the old one stays valid', async () => {
    const { steps, vault } = setUp();
    const created = await runVerb(steps.createKey, input);
    const value = await vault.reveal(created.ref);
    expect(supabaseKeys(vendor.world, project).map((key) => key.digest)).toEqual([
      digest(OLD_KEY),
      digest(value),
    ]);
    expect(await runVerb(steps.verifyKey, { project, ref: created.ref })).toEqual({ accepted: true });
    expect(Object.keys(created).toSorted()).toEqual(['fingerprint', 'keyId', 'ref', 'version']);
    assertLeaksNothing(created, [value]);
  });

  test('a key whose answer was lost is found by its name and its value stored, not created again', async () => {
    vendor.world.fail({ operation: 'supabase.createKey', point: 'after' });
    const { steps } = setUp();
    const { keyId } = await runWithRetries(steps.createKey, input);
    expect(vendor.world.injected('supabase.createKey')).toBe(1);
    expect(effects('API key created')).toHaveLength(1);
    expect(supabaseKeys(vendor.world, project).map(({ id }) => id)).toContain(keyId);
  });

  test('a step that is executed again returns the key that is stored', async () => {
    const { steps } = setUp();
    const first = await runVerb(steps.createKey, input);
    expect(await runVerb(steps.createKey, input)).toEqual(first);
    expect(effects('API key created')).toHaveLength(1);
  });

  test('a key of our name whose value is not revealed is deleted and created again', async () => {
    const step = stepContext();
    const name = keyName(step.key);
    seedSupabase(vendor.world, { project, keys: [{ name, value: 'sb_secret_value-that-nobody-knows' }] });
    const { steps, vault } = setUp();
    const { ref, keyId } = await runVerb(steps.createKey, input, step);
    expect(effects('API key deleted')).toHaveLength(1);
    expect(supabaseKeys(vendor.world, project)).toEqual([
      expect.objectContaining({ id: keyId, name, digest: digest(await vault.reveal(ref)) }),
    ]);
  });

  test('the vault being away after the key was created leads to one key, not two', async () => {
    const vault = memoryVault();
    let away = 1;
    const flaky: Vault = {
      ...vault,
      put: async (...args) => {
        if (away-- > 0) throw new Error('the vault is away');
        return await vault.put(...args);
      },
    };
    await runWithRetries(setUp({}, flaky).steps.createKey, input);
    expect(effects('API key created')).toHaveLength(1);
  });

  test('the name is one that Supabase takes', () => {
    expect(keyName(stepContext().key)).toMatch(/^[a-z_][a-z0-9_]{3,63}$/);
  });

  test.each(['https://app.supabase.com/project/x', 'abc', ''])(
    'a project "%s" is refused before anything is asked',
    async (ref) => {
      const failure = await failureOf(runVerb(setUp().steps.createKey, { secret: SECRET, project: ref }));
      expect(failure.type).toBe('InvalidInput');
      expect(vendor.world.requests).toHaveLength(0);
    },
  );
});

describe('supabase.discardKey', () => {
  const discard = { secret: SECRET, project, step: 'supabase.createKey#1' };
  const creating = (stepId = discard.step) => stepContext({ stepId });
  const undoing = stepContext({ stepId: 'undo/supabase.createKey#1' });

  test('the key that a step created is deleted and marked as revoked, the old one stays', async () => {
    const { steps, vault } = setUp();
    const { ref } = await runVerb(steps.createKey, { secret: SECRET, project }, creating());
    vendor.world.fail({ operation: 'supabase.deleteKey', point: 'after' });
    await runWithRetries(steps.discardKey, discard, undoing);
    expect(vendor.world.injected()).toBe(1);
    expect(supabaseKeys(vendor.world, project).map((key) => key.digest)).toEqual([digest(OLD_KEY)]);
    expect((await vault.describe(ref)).state).toBe('revoked');
    const again = await failureOf(runVerb(steps.createKey, { secret: SECRET, project }, creating()));
    expect(again).toMatchObject({ type: 'KeyRevoked', nonRetryable: true });
  });

  test('a key whose answer was lost, and one of a retry with changed input, are deleted as well', async () => {
    const { steps } = setUp();
    vendor.world.fail({ operation: 'supabase.createKey', point: 'after' });
    await failureOf(runVerb(steps.createKey, { secret: SECRET, project }, creating()));
    await runVerb(steps.createKey, { secret: SECRET, project }, creating('supabase.createKey#1~r2'));
    expect(supabaseKeys(vendor.world, project)).toHaveLength(3);
    await runVerb(steps.discardKey, discard, undoing);
    expect(supabaseKeys(vendor.world, project)).toHaveLength(1);
  });

  test('nothing was created: nothing is deleted', async () => {
    await runVerb(setUp().steps.discardKey, discard, undoing);
    expect(effects('API key deleted')).toEqual([]);
  });
});

test('a key that a person deletes in the dashboard is refused', async () => {
  const { steps, ref } = await setUpWithOldKey();
  revokeSupabaseKey(vendor.world, project, OLD_KEY);
  expect(await runVerb(steps.verifyKey, { project, ref })).toEqual({ accepted: false });
});

describe('supabase.verifyKey', () => {
  test('a key that works is accepted by auth, storage and data', async () => {
    const { steps, ref } = await setUpWithOldKey();
    expect(await runVerb(steps.verifyKey, { project, ref })).toEqual({ accepted: true });
    const used = vendor.world.requests.map(({ method, operation }) => `${method} ${operation}`);
    expect(used).toEqual(['GET supabase.listUsers', 'GET supabase.listBuckets', 'HEAD supabase.readTable']);
  });

  test('a key that was deleted is refused, and supabase-js writes nothing to the console', async () => {
    const error = vi.spyOn(console, 'error');
    const { steps, ref } = await setUpWithOldKey();
    const [key] = supabaseKeys(vendor.world, project);
    await runVerb(steps.deleteKey, { project, keyId: key?.id ?? '' });
    expect(await runVerb(steps.verifyKey, { project, ref })).toEqual({ accepted: false });
    expect(error).not.toHaveBeenCalled();
    error.mockRestore();
  });

  test.each(['listUsers', 'listBuckets', 'readTable'])(
    'one service that disagrees (%s) is neither yes nor no',
    async (service) => {
      const { steps, ref } = await setUpWithOldKey();
      vendor.world.fail({ operation: `supabase.${service}`, point: 'before', status: 401 });
      const failure = await failureOf(runVerb(steps.verifyKey, { project, ref }));
      expect(vendor.world.injected()).toBe(1);
      expect(failure).toMatchObject({ type: 'KeyHalfAccepted', nonRetryable: false });
      expect(await runVerb(steps.verifyKey, { project, ref })).toEqual({ accepted: true });
    },
  );

  test('without a configured table no data is read', async () => {
    const { steps, ref } = await setUpWithOldKey({});
    expect(await runVerb(steps.verifyKey, { project, ref })).toEqual({ accepted: true });
    expect(vendor.world.requests.some(({ operation }) => operation === 'supabase.readTable')).toBe(false);
  });

  test('a table that does not exist fails for good, because it says nothing about the key', async () => {
    const { steps, ref } = await setUpWithOldKey({ table: 'no_such_table' });
    const failure = await failureOf(runVerb(steps.verifyKey, { project, ref }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(failure, [OLD_KEY]);
  });

  test('an answer that is no JSON is not taken for "accepted"', async () => {
    const fake = await fakeVendorAnswering({ body: '<html>maintenance</html>' });
    const failure = await failureOf(setUp({ baseUrl: fake.url }).client.useKey(project, OLD_KEY));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    assertLeaksNothing(failure, [OLD_KEY]);
  });
});

test('a key with a line break is not shown to supabase-js, which would print it', async () => {
  const error = vi.spyOn(console, 'error');
  const key = `${OLD_KEY}\nsecond-line`;
  const failure = await failureOf(setUp().client.useKey(project, key));
  expect(failure).toMatchObject({ type: 'BadSecretValue', nonRetryable: true });
  assertLeaksNothing(failure, [OLD_KEY]);
  expect(error).not.toHaveBeenCalled();
  error.mockRestore();
});

test('an answer of the project that is cut off is tried again', async () => {
  const body = { users: [], aud: 'authenticated' };
  const fake = await fakeVendorAnswering({ body, truncate: { bytes: 5, then: 'cut' } });
  const failure = await failureOf(setUp({ baseUrl: fake.url }).client.useKey(project, OLD_KEY));
  expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
});

describe('supabase.deleteKey', () => {
  test('a key is deleted once, and a key that is gone is fine', async () => {
    const { steps } = setUp();
    const keyId = supabaseKeys(vendor.world, project)[0]?.id ?? '';
    vendor.world.fail({ operation: 'supabase.deleteKey', point: 'after' });
    await runWithRetries(steps.deleteKey, { project, keyId });
    expect(vendor.world.injected()).toBe(1);
    expect(effects('API key deleted')).toHaveLength(1);
    expect(supabaseKeys(vendor.world, project)).toEqual([]);
  });

  test('a legacy key, which has no id, is refused with what to do instead', async () => {
    const failure = await failureOf(runVerb(setUp().steps.deleteKey, { project, keyId: 'service_role' }));
    expect(failure.message).toContain('disable them by hand');
  });
});

describe('supabase function secrets', () => {
  test('a secret is set from the vault, replaced, and removed; a lost answer changes nothing more', async () => {
    const { steps, vault, ref } = await setUpWithOldKey();
    const where = { project, variable: 'SERVICE_KEY' };
    vendor.world.fail({ operation: 'supabase.setSecrets', point: 'after' });
    await runWithRetries(steps.setSecret, { ...where, ref });
    expect(supabaseSecret(vendor.world, project, 'SERVICE_KEY')).toBe(digest(OLD_KEY));
    expect(effects('function secret set')).toHaveLength(1);

    const next = await vault.put(SECRET, 'sb_secret_next-value', { key: 'next' });
    await runVerb(steps.setSecret, { ...where, ref: next.ref });
    expect(supabaseSecret(vendor.world, project, 'SERVICE_KEY')).toBe(digest('sb_secret_next-value'));

    vendor.world.fail({ operation: 'supabase.removeSecrets', point: 'after' });
    await runWithRetries(steps.removeSecret, where);
    expect(supabaseSecret(vendor.world, project, 'SERVICE_KEY')).toBeUndefined();
    expect(effects('function secret removed')).toHaveLength(1);
    expect(vendor.world.injected()).toBe(2);
  });

  test('a name that Supabase keeps for itself is refused before the value is read', async () => {
    const { steps, ref } = await setUpWithOldKey();
    const input = { project, variable: 'SUPABASE_URL', ref };
    expect((await failureOf(runVerb(steps.setSecret, input))).type).toBe('InvalidInput');
    expect(vendor.world.requests).toHaveLength(0);
  });
});

describe('supabase.searchLogs', () => {
  const entry = (n: number, timestamp: string) => ({
    id: `log-${String(n).padStart(5, '0')}`,
    timestamp,
    event_message: `GET /${n}`,
  });
  const digestOf = (rows: readonly object[]) =>
    createHash('sha256')
      .update(canonicalize(rows) ?? '')
      .digest('hex');

  test('every event of three days is counted once, in ranges of at most 24 hours and pages of 1,000', async () => {
    const start = Date.parse('2026-03-01T10:00:30.000Z');
    const hours = (n: number) => new Date(start + n * 3_600_000).toISOString();
    const busy = Array.from({ length: 2_000 }, (_, n) => entry(n, hours(1)));
    const logs = [
      ...busy,
      entry(2_000, hours(0)),
      ...[24, 25, 48, 71].map((h) => entry(3_000 + h, hours(h))),
    ];
    const outside = [entry(9_000, hours(-0.001)), entry(9_001, hours(72))];
    seedSupabase(vendor.world, { project, logs: [...logs, ...outside] });
    const step = stepContext();
    const found = await runVerb(
      setUp().steps.searchLogs,
      { project, since: hours(0), until: hours(72) },
      step,
    );
    const inOrder = logs.toSorted((a, b) => (`${a.timestamp} ${a.id}` < `${b.timestamp} ${b.id}` ? -1 : 1));
    expect(found).toEqual({ events: logs.length, digest: digestOf(inOrder) });
    expect(step.heartbeats.length).toBeGreaterThan(3);
  });

  test('no events is an answer as well', async () => {
    const span = { since: '2026-03-01T00:00:00Z', until: '2026-03-01T01:00:00+01:00' };
    const wrong = await failureOf(runVerb(setUp().steps.searchLogs, { project, ...span }));
    expect(wrong.message).toContain('is not after');
    const found = await runVerb(setUp().steps.searchLogs, {
      project,
      ...span,
      until: '2026-03-01T01:00:00Z',
    });
    expect(found).toEqual({ events: 0, digest: digestOf([]) });
  });

  test('a query that Supabase refuses goes to a person, with the stretch to search by hand', async () => {
    const fake = await fakeVendorAnswering({ body: { error: { code: 400, message: 'quota' } } });
    const { steps } = setUp({ baseUrl: fake.url });
    const span = { since: '2026-03-01T00:00:00Z', until: '2026-03-01T01:00:00Z' };
    const failure = await failureOf(runVerb(steps.searchLogs, { project, ...span }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('2026-03-01T00:00:00.000Z');
  });
});
