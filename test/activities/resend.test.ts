import { beforeEach, describe, expect, test } from 'vitest';
import type { Systems } from '../../activities/index.js';
import { resend } from '../../activities/resend/http.js';
import { resendSteps } from '../../activities/resend/steps.js';
import type { Vault } from '../../activities/vault/contract.js';
import { memoryVault } from '../../activities/vault/memory.js';
import {
  RESEND_SIM_ADMIN_KEY,
  resendSimulator,
  revokeResendKey,
  seedResend,
  type ResendState,
} from '../../simulators/resend.js';
import {
  assertLeaksNothing,
  assertRetries,
  fakeVendorAnswering,
  failureOf,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendors = useSimulators(resendSimulator);
const secret = 'resend/api-key';
const OLD_KEY = 're_old_key_0123456789';
const secrets = [RESEND_SIM_ADMIN_KEY, OLD_KEY];
const oldRef = 'secret://resend/api-key@v1';

let vault: Vault;
let oldKeyId: string;
beforeEach(async () => {
  vault = memoryVault();
  const keys = [{ name: 'production', value: OLD_KEY, permission: 'sending_access' as const }];
  oldKeyId = seedResend(vendors.world, { keys, domains: ['example.com'] }).keyIds[0] ?? '';
  await vault.put(secret, OLD_KEY, { key: 'seed', vendorId: oldKeyId });
  await vault.promote(oldRef);
});

const client = (config: Partial<Parameters<typeof resend>[0]> = {}) =>
  resend({ baseUrl: vendors.url('resend'), adminKey: RESEND_SIM_ADMIN_KEY, ...config });
// The verbs of a system use that system and the vault, nothing else.
const steps = () => resendSteps({ resend: client(), vault } as unknown as Systems);
const state = () => vendors.world.state<ResendState>('resend', resendSimulator.initialState);
const effects = () => vendors.world.effects.map(({ what, subject }) => `${what}: ${subject}`);

describe('what is tried again', () => {
  test.each([
    ['createApiKey', [], () => client().createApiKey('x', 'sending_access')],
    ['listApiKeys', [], () => client().listApiKeys()],
    ['deleteApiKey', [404], () => client().deleteApiKey('00000000-0000-4000-8000-000000009999')],
    ['listDomains', [400, 401, 403], () => client().accessOf(OLD_KEY)],
  ] as const)('%s', async (operation, handles, call) => {
    await assertRetries({ world: vendors.world, operation: `resend.${operation}`, call, handles, secrets });
  });
});

describe('answers that Resend does not publish', () => {
  test('a created key without a token is refused, and the answer is not quoted', async () => {
    const vendor = await fakeVendorAnswering({ status: 201, body: { id: OLD_KEY } });
    const failure = await failureOf(client({ baseUrl: vendor.url }).createApiKey('x', 'full_access'));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    assertLeaksNothing(failure, secrets);
  });

  test('a list that leads in circles is refused', async () => {
    const vendor = await fakeVendorAnswering({ body: { has_more: true, data: [{ id: 'a', name: 'x' }] } });
    const failure = await failureOf(client({ baseUrl: vendor.url }).listApiKeys());
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    expect(vendor.requests).toHaveLength(2);
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const vendor = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(client({ baseUrl: vendor.url, timeoutMs: 50 }).listApiKeys());
    expect(failure).toMatchObject({ type: 'VendorUnavailable' });
    expect(failure.nonRetryable ?? false).toBe(false);
  });

  test('every request says who sends it: Resend refuses those that do not', async () => {
    const vendor = await fakeVendorAnswering({ body: { has_more: false, data: [] } });
    await client({ baseUrl: vendor.url }).listApiKeys();
    expect(vendor.requests[0]?.headers['user-agent']).toBe('runbook');
  });
});

describe('createKey', () => {
  const run = (step = stepContext(), permission: 'full_access' | 'sending_access' = 'sending_access') =>
    runWithRetries(steps().createKey, { secret, permission }, step);

  test.each(['full_access', 'sending_access'] as const)(
    'the new key has %s, and its value is in the vault',
    async (permission) => {
      const created = await run(stepContext(), permission);
      expect(created).toMatchObject({ ref: 'secret://resend/api-key@v2', version: 2 });
      expect(await vault.describe(created.ref)).toMatchObject({ vendorId: created.keyId, state: 'pending' });
      expect(await client().accessOf(await vault.reveal(created.ref))).toBe(permission);
      expect(await client().accessOf(OLD_KEY)).toBe('sending_access');
      expect(effects()).toEqual(['key created: resend-api-key']);
    },
  );

  test('repeated with its key, it creates one key', async () => {
    const step = stepContext();
    expect(await run(step)).toEqual(await run(step));
    expect(effects()).toHaveLength(1);
  });

  test('a key whose value was never stored is revoked and created again, also from the last page of many', async () => {
    const others = Array.from({ length: 230 }, (_, i) => ({ name: `other-${i}`, value: `re_other_${i}` }));
    vendors.world.fail({ operation: 'resend.createApiKey', point: 'after' });
    const step = stepContext();
    await failureOf(runVerb(steps().createKey, { secret, permission: 'sending_access' }, step));
    seedResend(vendors.world, { keys: others.map((key) => ({ ...key, permission: 'full_access' })) });
    const created = await run(step);
    expect(vendors.world.injected('resend.createApiKey')).toBe(1);
    expect(effects()).toEqual([
      'key created: resend-api-key',
      'key deleted: resend-api-key',
      'key created: resend-api-key',
    ]);
    expect(state().keys).toHaveLength(232);
    expect(await client().accessOf(await vault.reveal(created.ref))).toBe('sending_access');
  });

  test("a long name of a secret fits into Resend's 50 characters and stays this step's own", async () => {
    const long = `resend/${'a'.repeat(80)}`;
    const create = (stepId: string) =>
      runVerb(steps().createKey, { secret: long, permission: 'sending_access' }, stepContext({ stepId }));
    await create('resend.createKey#1');
    await create('resend.createKey#2');
    const names = state().keys.map(({ name }) => name);
    expect(names.filter((name) => name.length === 50)).toHaveLength(2);
    expect(new Set(names).size).toBe(3);
  });

  test('an admin key that may only send is refused for good', async () => {
    const failure = await failureOf(client({ adminKey: OLD_KEY }).createApiKey('x', 'full_access'));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(failure, secrets);
  });
});

describe('discardKey', () => {
  const undoing = stepContext({ stepId: 'undo/resend.createKey#1' });
  const create = (stepId = 'resend.createKey#1') =>
    runVerb(steps().createKey, { secret, permission: 'full_access' }, stepContext({ stepId }));
  const discard = () => runWithRetries(steps().discardKey, { secret, step: 'resend.createKey#1' }, undoing);

  test('the key that a step created is deleted and its value marked as revoked, repeated or not', async () => {
    const { ref } = await create();
    await discard();
    await discard();
    expect(await client().accessOf(await vault.reveal(ref))).toBe('refused');
    expect(await vault.describe(ref)).toMatchObject({ state: 'revoked' });
    expect(effects()).toEqual(['key created: resend-api-key', 'key deleted: resend-api-key']);
  });

  test('a key whose answer was lost is deleted as well; those of other steps are left alone', async () => {
    const other = await create('resend.createKey#2');
    vendors.world.fail({ operation: 'resend.createApiKey', point: 'after' });
    await failureOf(create());
    expect(vendors.world.injected()).toBe(1);
    await discard();
    expect(state().keys.map(({ id }) => id)).toEqual([other.keyId, oldKeyId]);
  });
});

describe('deleteKey', () => {
  const run = (keyId: string) => runWithRetries(steps().deleteKey, { keyId });

  test('the key is refused afterwards', async () => {
    await run(oldKeyId);
    expect(await client().accessOf(OLD_KEY)).toBe('refused');
  });

  test('repeated, or after a lost answer, it deletes once', async () => {
    vendors.world.fail({ operation: 'resend.deleteApiKey', point: 'after' });
    await run(oldKeyId);
    await run(oldKeyId);
    expect(vendors.world.injected('resend.deleteApiKey')).toBe(1);
    expect(effects()).toEqual(['key deleted: production']);
  });

  test('an id that is none of Resend is refused for good', async () => {
    expect(await failureOf(run('not-a-uuid'))).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });
});

describe('verifyKey', () => {
  const run = (permission: 'full_access' | 'sending_access') =>
    runVerb(steps().verifyKey, { ref: oldRef, permission });

  test('a key that may send is accepted, a revoked one is not', async () => {
    expect(await run('sending_access')).toEqual({ accepted: true });
    await runVerb(steps().deleteKey, { keyId: oldKeyId });
    expect(await run('sending_access')).toEqual({ accepted: false });
  });

  test('a key that was revoked by hand is refused', async () => {
    revokeResendKey(vendors.world, OLD_KEY);
    expect(await run('sending_access')).toEqual({ accepted: false });
  });

  test('a key with another permission than asked for is neither accepted nor revoked', async () => {
    const failure = await failureOf(run('full_access'));
    expect(failure).toMatchObject({ type: 'WrongPermission', nonRetryable: true });
    assertLeaksNothing(failure, secrets);
  });

  test.each([
    [403, { statusCode: 403, name: 'invalid_api_key', message: 'API key is invalid' }, 'refused'],
    [401, { statusCode: 401, name: 'validation_error', message: 'API key is invalid' }, 'refused'],
    [400, { statusCode: 400, name: 'validation_error', message: 'API key is invalid' }, 'refused'],
    [401, { statusCode: 401, name: 'restricted_api_key', message: 'restricted' }, 'sending_access'],
  ] as const)('HTTP %i %o means %s', async (status, body, access) => {
    const vendor = await fakeVendorAnswering({ status, body });
    expect(await client({ baseUrl: vendor.url }).accessOf(OLD_KEY)).toBe(access);
  });

  test('a refusal for another reason does not count as revoked', async () => {
    const body = { statusCode: 403, name: 'suspended', message: `team of ${OLD_KEY} is suspended` };
    const vendor = await fakeVendorAnswering({ status: 403, body });
    const failure = await failureOf(client({ baseUrl: vendor.url }).accessOf(OLD_KEY));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(failure, secrets);
  });
});
