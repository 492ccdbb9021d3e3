import { ApplicationFailure } from '@temporalio/common';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Systems } from '../../activities/index.js';
import type { Openai } from '../../activities/openai/contract.js';
import { openai } from '../../activities/openai/http.js';
import { openaiSteps } from '../../activities/openai/steps.js';
import type { Vault } from '../../activities/vault/contract.js';
import { memoryVault } from '../../activities/vault/memory.js';
import {
  keepAccepting,
  OPENAI_SIM_ADMIN_KEY,
  openaiSimulator,
  revokeOpenaiKey,
  seedOpenai,
  type OpenaiState,
} from '../../simulators/openai.js';
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

const vendors = useSimulators(openaiSimulator);
const project = 'proj_sim';
const secret = 'openai/api-key';
const OLD_KEY = 'sk-svcacct-old-key-0123456789';
const secrets = [OPENAI_SIM_ADMIN_KEY, OLD_KEY];

let vault: Vault;
let oldKeyId: string;
beforeEach(async () => {
  vault = memoryVault();
  const { keyIds } = seedOpenai(vendors.world, { project, keys: [{ name: 'production', value: OLD_KEY }] });
  oldKeyId = keyIds[0] ?? '';
  const { ref } = await vault.put(secret, OLD_KEY, { key: 'seed', vendorId: oldKeyId });
  await vault.promote(ref);
});

const client = (config: Partial<Parameters<typeof openai>[0]> = {}) =>
  openai({ baseUrl: vendors.url('openai'), adminKey: OPENAI_SIM_ADMIN_KEY, ...config });
// The verbs of a system use that system and the vault, nothing else.
const steps = (config?: Parameters<typeof client>[0]) =>
  openaiSteps({ openai: client(config), vault } as unknown as Systems);
const state = () => vendors.world.state<OpenaiState>('openai', openaiSimulator.initialState);
const effects = () => vendors.world.effects.map(({ what, subject }) => `${what}: ${subject}`);
const fill = (count: number) =>
  seedOpenai(vendors.world, {
    project,
    keys: Array.from({ length: count }, (_, i) => ({ name: `other-${i}`, value: `sk-other-${i}` })),
  });

describe('what is tried again', () => {
  test.each([
    ['listServiceAccounts', [], () => client().listServiceAccounts(project)],
    ['createServiceAccount', [], () => client().createServiceAccount(project, 'x')],
    ['deleteServiceAccount', [404], () => client().deleteServiceAccount(project, 'svc_acct_x')],
    ['listApiKeys', [], () => client().listApiKeys(project)],
    ['deleteApiKey', [404], () => client().deleteApiKey(project, 'key_x')],
    ['listModels', [401], () => client().acceptsKey(OLD_KEY)],
    ['listAuditLogs', [], () => client().auditLogs(project, new Date(0), new Date())],
  ] as const)('%s', async (operation, handles, call) => {
    await assertRetries({ world: vendors.world, operation: `openai.${operation}`, call, handles, secrets });
  });
});

describe('answers that OpenAI does not publish', () => {
  test('a created key without a value is refused, and the answer is not quoted', async () => {
    const body = {
      object: 'organization.project.service_account',
      id: 'svc_1',
      name: OLD_KEY,
      api_key: null,
    };
    const vendor = await fakeVendorAnswering({ body });
    const failure = await failureOf(client({ baseUrl: vendor.url }).createServiceAccount(project, 'x'));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    expect(failure.message).toContain('api_key');
    assertLeaksNothing(failure, secrets);
  });

  test('a list that leads in circles is refused', async () => {
    const body = { object: 'list', data: [], last_id: 'svc_1', has_more: true };
    const vendor = await fakeVendorAnswering({ body });
    const failure = await failureOf(client({ baseUrl: vendor.url }).listServiceAccounts(project));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    expect(vendor.requests).toHaveLength(2);
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const vendor = await fakeVendorAnswering({ delay: 'never' });
    const slow = client({ baseUrl: vendor.url, timeoutMs: 50 });
    const failure = await failureOf(slow.listServiceAccounts(project));
    expect(failure.nonRetryable ?? false).toBe(false);
    expect(failure.message).toContain('no answer within 0.05 s');
    expect(vendor.requests).toHaveLength(1);
  });

  test('a wrong admin key is refused for good and quoted nowhere, though OpenAI echoes it', async () => {
    const wrong = 'sk-admin-wrong-0123456789';
    const failure = await failureOf(client({ adminKey: wrong }).listServiceAccounts(project));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(failure, [wrong, wrong.slice(0, 8)]);
  });
});

describe('createKey', () => {
  const run = (step = stepContext()) => runWithRetries(steps().createKey, { secret, project }, step);

  test('the new key works, its value is in the vault, and the old key still works', async () => {
    const created = await run();
    expect(created).toMatchObject({ ref: 'secret://openai/api-key@v2', version: 2 });
    expect(Object.keys(created).toSorted()).toEqual(['fingerprint', 'keyId', 'ref', 'version']);
    expect(await vault.describe(created.ref)).toMatchObject({ vendorId: created.keyId, state: 'pending' });
    expect(await client().acceptsKey(await vault.reveal(created.ref))).toBe(true);
    expect(await client().acceptsKey(OLD_KEY)).toBe(true);
    expect(effects()).toEqual([`service account created: ${project}/openai-api-key`]);
  });

  test('repeated with its key, it creates one key', async () => {
    const step = stepContext();
    expect(await run(step)).toEqual(await run({ ...step, attempt: 2 }));
    expect(effects()).toHaveLength(1);
  });

  test('another step creates another key', async () => {
    const first = await run(stepContext({ stepId: 'openai.createKey#1' }));
    const second = await run(stepContext({ stepId: 'openai.createKey#2' }));
    expect(second.keyId).not.toBe(first.keyId);
    expect(state().serviceAccounts).toHaveLength(3);
  });

  test('a key whose value was never stored is revoked and created again', async () => {
    vendors.world.fail({ operation: 'openai.createServiceAccount', point: 'after' });
    const created = await run();
    expect(vendors.world.injected('openai.createServiceAccount')).toBe(1);
    expect(effects()).toEqual([
      `service account created: ${project}/openai-api-key`,
      `service account deleted: ${project}/openai-api-key`,
      `service account created: ${project}/openai-api-key`,
    ]);
    expect(state().keys.map(({ id }) => id)).toEqual([oldKeyId, created.keyId]);
    expect(await client().acceptsKey(await vault.reveal(created.ref))).toBe(true);
  });

  test('such a key is found on the last page of many', async () => {
    fill(250);
    vendors.world.fail({ operation: 'openai.createServiceAccount', point: 'after' });
    await run();
    expect(vendors.world.injected()).toBe(1);
    expect(state().serviceAccounts).toHaveLength(252);
    const lists = vendors.world.requests.filter(
      ({ operation }) => operation === 'openai.listServiceAccounts',
    );
    expect(lists).toHaveLength(6);
  });

  test('nothing is created when OpenAI is down', async () => {
    vendors.world.fail({ operation: 'openai.createServiceAccount', point: 'before', times: Infinity });
    await expect(run()).rejects.toMatchObject({ type: 'VendorUnavailable' });
    expect(vendors.world.injected()).toBe(5);
    expect(effects()).toEqual([]);
    expect(await vault.list(secret)).toHaveLength(1);
  });

  test('an attempt that was given up stores nothing', async () => {
    const step = stepContext();
    const barrier = vendors.world.barrier('openai.createServiceAccount', 'after');
    const attempt = runVerb(steps().createKey, { secret, project }, step);
    await barrier.reached;
    step.abort();
    barrier.release();
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' });
    expect(await vault.list(secret)).toHaveLength(1);
  });

  test('an attempt that was given up right after the answer stores nothing either', async () => {
    const step = stepContext();
    const real = client();
    const system: Openai = {
      ...real,
      async createServiceAccount(...call) {
        const created = await real.createServiceAccount(...call);
        step.abort();
        return created;
      },
    };
    const { createKey } = openaiSteps({ openai: system, vault } as unknown as Systems);
    await expect(runVerb(createKey, { secret, project }, step)).rejects.toMatchObject({ name: 'AbortError' });
    expect(effects()).toHaveLength(1);
    expect(await vault.list(secret)).toHaveLength(1);
  });

  test('when a late earlier attempt stores its key first, that key is kept and ours is revoked', async () => {
    const step = stepContext();
    const barrier = vendors.world.barrier('openai.createServiceAccount', 'after');
    const late = runVerb(steps().createKey, { secret, project }, step);
    await barrier.reached;
    const [first] = state().serviceAccounts.slice(-1);
    await vault.put(secret, 'sk-svcacct-stored-meanwhile', { key: step.key, vendorId: oldKeyId });
    barrier.release();
    expect(await late).toMatchObject({ ref: 'secret://openai/api-key@v2', keyId: oldKeyId });
    expect(state().serviceAccounts).not.toContainEqual(first);
  });

  test('when the stored key may be the one that was just revoked, a person is told', async () => {
    const step = stepContext();
    vendors.world.fail({ operation: 'openai.createServiceAccount', point: 'after' });
    await failureOf(runVerb(steps().createKey, { secret, project }, step));
    const barrier = vendors.world.barrier('openai.createServiceAccount', 'after');
    const second = runVerb(steps().createKey, { secret, project }, { ...step, attempt: 2 });
    const failure = failureOf(second);
    await barrier.reached;
    await vault.put(secret, 'sk-svcacct-of-first-attempt', { key: step.key, vendorId: 'key_first' });
    barrier.release();
    expect(await failure).toMatchObject({ type: 'KeyRevoked', nonRetryable: true });
    expect(await failureOf(run(step))).toMatchObject({ type: 'KeyRevoked' });
    expect(state().keys.map(({ id }) => id)).toEqual([oldKeyId]);
  });

  test('a misspelt or archived project is refused for good', async () => {
    const misspelt = runVerb(steps().createKey, { secret, project: 'proj_other' });
    expect(await failureOf(misspelt)).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    seedOpenai(vendors.world, { project: 'proj_archived', archived: true });
    const archived = runVerb(steps().createKey, { secret, project: 'proj_archived' });
    expect(await failureOf(archived)).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });

  test('a project that would change the path is refused before anything is sent', async () => {
    const failure = await failureOf(runVerb(steps().createKey, { secret, project: '../proj_sim' }));
    expect(failure.type).toBe('InvalidInput');
    expect(vendors.world.requests).toEqual([]);
  });
});

describe('discardKey', () => {
  const created = stepContext({ stepId: 'openai.createKey#1' });
  const undoing = stepContext({ stepId: 'undo/openai.createKey#1' });
  const create = (step = created) => runVerb(steps().createKey, { secret, project }, step);
  const discard = (step = 'openai.createKey#1') =>
    runWithRetries(steps().discardKey, { secret, project, step }, undoing);

  test('the key that a step created is deleted and its value marked as revoked, repeated or not', async () => {
    const { ref } = await create();
    await discard();
    await discard();
    expect(await client().acceptsKey(await vault.reveal(ref))).toBe(false);
    expect(await vault.describe(ref)).toMatchObject({ state: 'revoked' });
    expect(await client().acceptsKey(OLD_KEY)).toBe(true);
    expect(effects().filter((effect) => effect.startsWith('service account deleted'))).toHaveLength(1);
  });

  test('a key whose answer was lost is deleted as well, also one of a step with changed input', async () => {
    vendors.world.fail({ operation: 'openai.createServiceAccount', point: 'after', times: 2 });
    await failureOf(create());
    await failureOf(create(stepContext({ stepId: 'openai.createKey#1~r2' })));
    expect(vendors.world.injected()).toBe(2);
    await discard();
    expect(state().keys.map(({ id }) => id)).toEqual([oldKeyId]);
  });

  test("it is harmless when nothing was created, and leaves other steps' keys alone", async () => {
    const other = await create(stepContext({ stepId: 'openai.createKey#2' }));
    await discard();
    expect(await client().acceptsKey(await vault.reveal(other.ref))).toBe(true);
  });
});

describe('deleteKey', () => {
  const run = (keyId: string, inProject = project) =>
    runWithRetries(steps().deleteKey, { project: inProject, keyId });

  test('the key is refused afterwards', async () => {
    await run(oldKeyId);
    expect(await client().acceptsKey(OLD_KEY)).toBe(false);
    expect(effects()).toEqual([`service account deleted: ${project}/production`]);
  });

  test('repeated, or after a lost answer, it deletes once', async () => {
    vendors.world.fail({ operation: 'openai.deleteServiceAccount', point: 'after' });
    await run(oldKeyId);
    await run(oldKeyId);
    expect(vendors.world.injected('openai.deleteServiceAccount')).toBe(1);
    expect(effects()).toHaveLength(1);
  });

  test('what is gone already is fine: another attempt may delete it between our look and our request', async () => {
    await expect(client().deleteServiceAccount(project, 'svc_acct_gone')).resolves.toBeUndefined();
    await expect(client().deleteApiKey(project, 'key_gone')).resolves.toBeUndefined();
    expect(effects()).toEqual([]);
  });

  test("a person's key is deleted as well, on whatever page it is", async () => {
    fill(120);
    const value = 'sk-proj-of-a-person';
    const { keyIds } = seedOpenai(vendors.world, { project, keys: [{ name: 'mine', value, owner: 'user' }] });
    await run(keyIds[0] ?? '');
    expect(await client().acceptsKey(value)).toBe(false);
    expect(effects()).toEqual([`key deleted: ${project}/mine`]);
  });

  test('a service account with another key is left alone: both keys would die', async () => {
    const value = 'sk-svcacct-second-key';
    seedOpenai(vendors.world, { project, keys: [{ name: 'production', value }] });
    const failure = await failureOf(run(oldKeyId));
    expect(failure).toMatchObject({ type: 'SharedServiceAccount', nonRetryable: true });
    expect(await client().acceptsKey(OLD_KEY)).toBe(true);
    expect(await client().acceptsKey(value)).toBe(true);
  });

  test('a misspelt project never counts as "the key is gone"', async () => {
    expect(await failureOf(run(oldKeyId, 'proj_other'))).toMatchObject({ type: 'VendorRefused' });
  });
});

describe('verifyKey', () => {
  const run = (ref: string) => runVerb(steps().verifyKey, { ref });

  test('an accepted key is accepted, a revoked one is not', async () => {
    const ref = 'secret://openai/api-key@v1';
    expect(await run(ref)).toEqual({ accepted: true });
    await runVerb(steps().deleteKey, { project, keyId: oldKeyId });
    expect(await run(ref)).toEqual({ accepted: false });
  });

  test('a key that was revoked by hand is refused; one whose revocation has no effect is not', async () => {
    const ref = 'secret://openai/api-key@v1';
    revokeOpenaiKey(vendors.world, OLD_KEY);
    expect(await run(ref)).toEqual({ accepted: false });
    keepAccepting(vendors.world, OLD_KEY);
    expect(await run(ref)).toEqual({ accepted: true });
  });

  test('a key that is only kept from listing models does not count as revoked', async () => {
    vendors.world.fail({ operation: 'openai.listModels', point: 'before', status: 403 });
    const failure = await failureOf(run('secret://openai/api-key@v1'));
    expect(vendors.world.injected('openai.listModels')).toBe(1);
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(failure, secrets);
  });

  test('a value that no header can carry is refused without being quoted', async () => {
    const value = 'sk-with-a-line-break\n0123456789';
    const { ref } = await vault.put(secret, value, { key: 'broken' });
    const failure = await failureOf(run(ref));
    expect(failure).toMatchObject({ type: 'BadSecretValue', nonRetryable: true });
    assertLeaksNothing(failure, [value, 'sk-with-a-line-break']);
  });

  test('a version that is not in the vault is named', async () => {
    expect(await failureOf(run('secret://openai/api-key@v9'))).toMatchObject({ type: 'SecretNotFound' });
  });
});

describe('searchAuditLogs', () => {
  const since = '2026-01-01T00:00:00Z';
  const until = '2026-01-02T00:00:00Z';
  const run = (step = stepContext()) => runVerb(steps().searchAuditLogs, { project, since, until }, step);
  const seedLogs = (count: number, inProject = project) =>
    seedOpenai(vendors.world, {
      project: inProject,
      auditLogs: Array.from({ length: count }, (_, i) => ({
        type: 'api_key.updated',
        at: new Date(Date.parse(since) + i * 1000).toISOString(),
        ...(i % 2 === 0 ? {} : { actorKey: `key_${i % 3}` }),
      })),
    });

  test('every page is counted, and only counts and a digest come out', async () => {
    seedLogs(230);
    seedLogs(3, 'proj_other');
    const step = stepContext();
    const found = await run(step);
    expect(found).toEqual({
      events: 230,
      actors: 4,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(step.heartbeats).toHaveLength(3);
    expect(await run()).toEqual(found);
  });

  test('the time range includes its start and not its end', async () => {
    const auditLogs = ['2025-12-31T23:59:59Z', since, '2026-01-01T23:59:59Z', until].map((at) => ({
      type: 'api_key.updated',
      at,
    }));
    seedOpenai(vendors.world, { project, auditLogs });
    expect(await run()).toMatchObject({ events: 2, actors: 1 });
  });

  test('another event changes the digest', async () => {
    const { digest } = await run();
    seedLogs(1);
    expect((await run()).digest).not.toBe(digest);
  });

  test('a range that ends before it starts is refused', async () => {
    const input = { project, since: until, until: since };
    await expect(runVerb(steps().searchAuditLogs, input)).rejects.toBeInstanceOf(ApplicationFailure);
    expect(vendors.world.requests).toEqual([]);
  });
});
