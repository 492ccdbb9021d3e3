import { beforeEach, describe, expect, test } from 'vitest';
import { supabase, type SupabaseConfig } from '../../activities/supabase/http.js';
import { supabaseSteps } from '../../activities/supabase/steps.js';
import { memoryVault } from '../../activities/vault/memory.js';
import {
  disabledSupabaseUsers,
  seedSupabase,
  setSupabaseBucket,
  SUPABASE_PROJECT as project,
  SUPABASE_TOKEN,
  SUPABASE_USERS as USERS,
  supabaseSessions,
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
const SECRET = 'supabase/service-role-key';
const KEY = 'sb_secret_the-service-key-0123456789';
const GONE = '00000000-0000-4000-8000-00000000dead';

async function setUp(config: Partial<SupabaseConfig> = {}) {
  const baseUrl = config.baseUrl ?? vendor.url('supabase');
  const client = supabase({
    accessToken: SUPABASE_TOKEN,
    projectUrl: (ref) => new URL(`${baseUrl.href}/project/${ref}`),
    timeoutMs: 5_000,
    ...config,
    baseUrl,
  });
  const vault = memoryVault();
  const { ref } = await vault.put(SECRET, KEY, { key: 'seed' });
  return { client, ref, vault, steps: supabaseSteps({ supabase: client, vault }) };
}

const effects = (what: string) => vendor.world.effects.filter((effect) => effect.what === what);
const disabled = () => disabledSupabaseUsers(vendor.world, project);

const object = (path: string, bytes = 10, etag = 'e') => ({ path, bytes, etag });

beforeEach(() => {
  seedSupabase(vendor.world, {
    project,
    keys: [{ name: 'default', value: KEY }],
    users: USERS,
    sessions: 7,
    buckets: { assets: [object('logo.svg', 100), object('a/b/deep.txt', 20), object('a/near.txt', 3)] },
  });
});

test('which answers are retried, and none of the errors holds a token or a key', async () => {
  const { client } = await setUp();
  const { world } = vendor;
  const secrets = [SUPABASE_TOKEN, KEY];
  const list = async () => {
    for await (const found of client.objects(project, KEY, 'assets')) expect(found.path).not.toBe('');
  };
  const ask = (operation: string, call: () => Promise<unknown>) =>
    assertRetries({ world, operation: `supabase.${operation}`, call, secrets });
  await ask('updateUser', () => client.setBan(project, KEY, USERS[0] ?? '', true));
  await ask('getBucket', list);
  await ask('listObjects', list);
  await ask('query', () => client.endSessions(project));
});

describe('supabase.disableUsers', () => {
  test('the named users can no longer sign in, the others can, and enabling them takes it back', async () => {
    const { steps, ref } = await setUp();
    const users = USERS.slice(0, 2);
    expect(await runVerb(steps.disableUsers, { project, ref, users })).toEqual({ disabled: 2 });
    expect(disabled()).toEqual(users);
    expect(await runVerb(steps.enableUsers, { project, ref, users })).toEqual({ enabled: 2 });
    expect(disabled()).toEqual([]);
  });

  test('a lost answer disables nobody twice and everybody once', async () => {
    const { steps, ref } = await setUp();
    vendor.world.fail({ operation: 'supabase.updateUser', point: 'after' });
    const result = await runWithRetries(steps.disableUsers, { project, ref, users: [...USERS] });
    expect(vendor.world.injected('supabase.updateUser')).toBe(1);
    expect(result).toEqual({ disabled: USERS.length });
    expect(effects('user disabled')).toHaveLength(USERS.length);
  });

  test('a user that is gone is not counted and does not keep the others from being disabled', async () => {
    const { steps, ref } = await setUp();
    const users = [GONE, ...USERS.slice(0, 1), ...USERS.slice(0, 1)];
    expect(await runVerb(steps.disableUsers, { project, ref, users })).toEqual({ disabled: 1 });
    expect(disabled()).toEqual(USERS.slice(0, 1));
  });

  test('every user is reported as a sign of life', async () => {
    const { steps, ref } = await setUp();
    const step = stepContext();
    await runVerb(steps.disableUsers, { project, ref, users: [...USERS] }, step);
    expect(step.heartbeats).toHaveLength(USERS.length);
  });

  test('an e-mail address is refused before anything is asked', async () => {
    const { steps, ref } = await setUp();
    const failure = await failureOf(
      runVerb(steps.disableUsers, { project, ref, users: ['someone@example.com'] }),
    );
    expect(failure.type).toBe('InvalidInput');
    expect(vendor.world.requests).toHaveLength(0);
  });

  test.each([
    ['nobody', []],
    ['more than a hundred', Array.from({ length: 101 }, () => GONE)],
  ])('%s is refused', async (_, users) => {
    const { steps, ref } = await setUp();
    const failure = await failureOf(runVerb(steps.disableUsers, { project, ref, users }));
    expect(failure.type).toBe('InvalidInput');
  });

  test('a key that no longer counts stops the step with what to do', async () => {
    const { steps, vault } = await setUp();
    const { ref } = await vault.put(SECRET, 'sb_secret_another-key-0123', { key: 'other' });
    const failure = await failureOf(runVerb(steps.disableUsers, { project, ref, users: [...USERS] }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('key in the vault');
    expect(disabled()).toEqual([]);
  });

  test('an answer that does not show the ban is not believed', async () => {
    const [user = ''] = USERS;
    const fake = await fakeVendorAnswering({ body: { id: user, aud: 'authenticated' } });
    const { steps, ref } = await setUp({ baseUrl: fake.url });
    const failure = await failureOf(runVerb(steps.disableUsers, { project, ref, users: [user] }));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    expect(await runVerb(steps.enableUsers, { project, ref, users: [user] })).toEqual({ enabled: 1 });
    assertLeaksNothing(failure, [KEY]);
  });

  test('a 404 that does not speak of the user is no "gone"', async () => {
    const fake = await fakeVendorAnswering({ status: 404, body: { message: 'no Route matched' } });
    const { steps, ref } = await setUp({ baseUrl: fake.url });
    const failure = await failureOf(runVerb(steps.disableUsers, { project, ref, users: [...USERS] }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });
});

describe('supabase.revokeSessions', () => {
  test('no session from before is left, also when the answer was lost', async () => {
    const { steps } = await setUp();
    vendor.world.fail({ operation: 'supabase.query', point: 'after' });
    expect(await runWithRetries(steps.revokeSessions, { project })).toEqual({ revoked: true });
    expect(vendor.world.injected('supabase.query')).toBe(1);
    expect(supabaseSessions(vendor.world, project)).toBe(0);
    expect(effects('sessions ended')).toHaveLength(1);
  });

  test('the keys of the application stay as they are', async () => {
    const { steps, ref } = await setUp();
    await runVerb(steps.revokeSessions, { project });
    expect(await runVerb(steps.verifyKey, { project, ref })).toEqual({ accepted: true });
    expect(vendor.world.effects.map(({ what }) => what)).toEqual(['sessions ended']);
  });

  test('sessions that are left are told, not taken for revoked', async () => {
    const fake = await fakeVendorAnswering({
      status: 201,
      body: [{ ended: 5, at: '2026-03-01 10:00:00+00', sessions: 2 }],
    });
    const { steps } = await setUp({ baseUrl: fake.url });
    expect(await runVerb(steps.revokeSessions, { project })).toEqual({ revoked: false });
    expect(JSON.parse(fake.requests[1]?.body ?? '')).toMatchObject({
      parameters: ['2026-03-01 10:00:00+00'],
    });
  });
});

describe('supabase.storageInventory', () => {
  const inventory = async (bucket = 'assets') => {
    const { steps, ref } = await setUp();
    return await runVerb(steps.storageInventory, { project, ref, bucket });
  };

  test('objects in all folders count, and the digest tells a changed one', async () => {
    const before = await inventory();
    expect(before).toMatchObject({ objects: 3, bytes: 123 });
    expect(await inventory()).toEqual(before);
    setSupabaseBucket(vendor.world, project, 'assets', [
      object('logo.svg', 100, 'another'),
      object('a/b/deep.txt', 20),
      object('a/near.txt', 3),
    ]);
    const after = await inventory();
    expect(after).toMatchObject({ objects: 3, bytes: 123 });
    expect(after.digest).not.toBe(before.digest);
  });

  test('every page counts, also when Storage gives shorter pages than were asked for', async () => {
    const many = Array.from({ length: 250 }, (_, n) => object(`many/${String(n).padStart(4, '0')}`, 1));
    setSupabaseBucket(vendor.world, project, 'assets', many);
    expect(await inventory()).toMatchObject({ objects: 250, bytes: 250 });
  });

  test('an empty bucket is empty, and an unknown one is refused instead of taken for empty', async () => {
    setSupabaseBucket(vendor.world, project, 'empty', []);
    expect(await inventory('empty')).toMatchObject({ objects: 0, bytes: 0 });
    const failure = await failureOf(inventory('misspelt'));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('no such bucket');
  });

  test('rows of another shape are refused', async () => {
    const fake = await fakeVendorAnswering({ body: { rows: 'none' } });
    const { steps, ref } = await setUp({ baseUrl: fake.url });
    const failure = await failureOf(runVerb(steps.storageInventory, { project, ref, bucket: 'assets' }));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });
});
