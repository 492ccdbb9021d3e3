import { randomBytes } from 'node:crypto';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Systems } from '../../activities/index.js';
import { awsVault } from '../../activities/vault/aws.js';
import type { Vault } from '../../activities/vault/contract.js';
import { vaultKeys } from '../../activities/vault/crypto.js';
import { fingerprinter } from '../../activities/vault/fingerprint.js';
import { hashicorpVault } from '../../activities/vault/hashicorp.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { postgresVault } from '../../activities/vault/postgres.js';
import { vaultSteps } from '../../activities/vault/steps.js';
import { createPool } from '../../database/pool.js';
import { AWS_SIM_ACCESS_KEY_ID, awsSecretsManagerSimulator } from '../../simulators/aws-secrets-manager.js';
import { HASHICORP_SIM_TOKEN, hashicorpVaultSimulator } from '../../simulators/hashicorp-vault.js';
import { freshDatabase, type TestDatabase } from '../helpers/stack.js';
import {
  assertLeaksNothing,
  assertRetries,
  failureOf,
  runVerb,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendors = useSimulators(hashicorpVaultSimulator, awsSecretsManagerSimulator);
const key = randomBytes(32);
const fingerprint = fingerprinter(key);
let database: TestDatabase;
let pool: pg.Pool;
let orgs = 0;

beforeAll(async () => {
  database = await freshDatabase();
  pool = createPool(database.appUrl, 'vault-test');
});
afterAll(async () => {
  await pool.end();
});

const overHashicorp = (): Vault =>
  hashicorpVault({
    baseUrl: vendors.url('hashicorp-vault'),
    token: HASHICORP_SIM_TOKEN,
    org: 'default',
    fingerprint,
  });

const overAws = (accessKeyId = AWS_SIM_ACCESS_KEY_ID): Vault =>
  awsVault({
    client: new SecretsManagerClient({
      endpoint: vendors.url('aws-secrets-manager').href,
      region: 'eu-central-1',
      credentials: { accessKeyId, secretAccessKey: 'simulated' },
      maxAttempts: 1,
    }),
    org: 'default',
    fingerprint,
  });

const overPostgres = (): Vault =>
  postgresVault({ pool, org: `org-${(orgs += 1)}`, keys: vaultKeys([{ id: 'k1', key }]) });

const NAME = 'openai/api-key';
const OLD = 'the-old-value-of-the-key-0123456789';
const NEW = 'the-new-value-of-the-key-9876543210';

describe.each<[string, () => Vault]>([
  ['memory', () => memoryVault({ fingerprintKey: key })],
  ['Postgres', overPostgres],
  ['HashiCorp Vault', overHashicorp],
  ['AWS Secrets Manager', overAws],
])('the vault in %s', (_name, open) => {
  test('a stored value is a pending version, described without its value', async () => {
    const vault = open();
    const version = await vault.put(NAME, OLD, { key: 'step-1', vendorId: 'key_1' });
    expect(version).toMatchObject({
      ref: 'secret://openai/api-key@v1',
      name: NAME,
      version: 1,
      vendorId: 'key_1',
      state: 'pending',
      fingerprint: fingerprint(OLD),
    });
    expect(new Date(version.createdAt).toISOString()).toBe(version.createdAt);
    expect(JSON.stringify([version, await vault.list(NAME)])).not.toContain(OLD);
    expect(await vault.reveal(version.ref)).toBe(OLD);
    expect(await vault.describe(version.ref)).toEqual(version);
    expect(await vault.current(NAME)).toBeUndefined();
  });

  test('storing again with the same key changes nothing; another value with that key is refused', async () => {
    const vault = open();
    const first = await vault.put(NAME, OLD, { key: 'step-1' });
    expect(await vault.put(NAME, OLD, { key: 'step-1' })).toEqual(first);
    expect(await vault.findByKey(NAME, 'step-1')).toEqual(first);
    expect(await vault.findByKey(NAME, 'step-2')).toBeUndefined();
    const failure = await failureOf(vault.put(NAME, NEW, { key: 'step-1' }));
    expect(failure).toMatchObject({ type: 'SecretConflict', nonRetryable: true });
    assertLeaksNothing(failure, [OLD, NEW]);
    expect(await vault.list(NAME)).toHaveLength(1);
    expect(await vault.reveal(first.ref)).toBe(OLD);
  });

  test('versions stored at the same moment get numbers of their own', async () => {
    const vault = open();
    const stored = await Promise.all(
      Array.from({ length: 6 }, (_, i) => vault.put(NAME, `value-${i}-${OLD}`, { key: `step-${i}` })),
    );
    expect(stored.map((v) => v.version).sort()).toEqual([1, 2, 3, 4, 5, 6]);
    for (const [i, version] of stored.entries())
      expect(await vault.reveal(version.ref)).toBe(`value-${i}-${OLD}`);
    expect((await vault.list(NAME)).map((v) => v.version)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('a step that stores twice at the same moment stores once', async () => {
    const vault = open();
    const twice = await Promise.all([1, 2].map(() => vault.put(NAME, OLD, { key: 'step-1' })));
    expect(twice[0]).toEqual(twice[1]);
    expect(await vault.list(NAME)).toHaveLength(1);
  });

  test('a promoted version is current and the former one previous; the old one can be put back', async () => {
    const vault = open();
    const first = await vault.put(NAME, OLD, { key: 'step-1' });
    const second = await vault.put(NAME, NEW, { key: 'step-2' });
    await vault.promote(first.ref);
    await vault.promote(second.ref);
    await vault.promote(second.ref);
    expect((await vault.list(NAME)).map((v) => v.state)).toEqual(['previous', 'current']);
    expect((await vault.current(NAME))?.ref).toBe(second.ref);
    await vault.promote(first.ref);
    expect((await vault.list(NAME)).map((v) => v.state)).toEqual(['current', 'previous']);
  });

  test('two promotions at the same moment leave one current version', async () => {
    const vault = open();
    const a = await vault.put(NAME, OLD, { key: 'step-1' });
    const b = await vault.put(NAME, NEW, { key: 'step-2' });
    await Promise.all([vault.promote(a.ref), vault.promote(b.ref)]);
    expect((await vault.list(NAME)).map((v) => v.state).sort()).toEqual(['current', 'previous']);
  });

  test('a revoked version stays readable for the record, and never becomes current again', async () => {
    const vault = open();
    const { ref } = await vault.put(NAME, OLD, { key: 'step-1' });
    await vault.promote(ref);
    await vault.markRevoked(ref);
    await vault.markRevoked(ref);
    expect(await vault.current(NAME)).toBeUndefined();
    expect(await vault.reveal(ref)).toBe(OLD);
    expect(await failureOf(vault.promote(ref))).toMatchObject({ type: 'SecretRevoked', nonRetryable: true });
    expect((await vault.describe(ref)).state).toBe('revoked');
  });

  test('a backup copy is a second one, taken once, and readable', async () => {
    const vault = open();
    const { ref } = await vault.put(NAME, OLD, { key: 'step-1' });
    const copy = await vault.backup(ref, { key: 'step-2' });
    expect(copy).toEqual({ backupRef: 'backup://openai/api-key@v1', fingerprint: fingerprint(OLD) });
    expect(await vault.backup(ref, { key: 'step-2' })).toEqual(copy);
    await vault.markRevoked(ref);
    expect(await vault.reveal(copy.backupRef)).toBe(OLD);
  });

  test('what is not there is a clear failure', async () => {
    const vault = open();
    const missing = 'secret://openai/api-key@v9';
    for (const call of [
      () => vault.reveal(missing),
      () => vault.describe(missing),
      () => vault.promote(missing),
      () => vault.markRevoked(missing),
      () => vault.backup(missing, { key: 'k' }),
      () => vault.reveal('backup://openai/api-key@v9'),
    ]) {
      const failure = await failureOf(call());
      expect(failure).toMatchObject({ type: 'SecretNotFound', nonRetryable: true });
      expect(failure.message).toContain('runbook secret put openai/api-key');
    }
    expect(await vault.list('never/stored')).toEqual([]);
  });

  test('a value in the place of a name or a reference is refused without being quoted', async () => {
    const vault = open();
    const value = 'sk-PASTED-into-the-wrong-field';
    const failures = [
      await failureOf(vault.put(value, OLD, { key: 'k' })),
      await failureOf(vault.reveal(value)),
      await failureOf(vault.put(NAME, '', { key: 'k' })),
      await failureOf(vault.put(NAME, `a\0${OLD}`, { key: 'k' })),
    ];
    expect(failures.map((f) => f.type)).toEqual([
      'BadSecretName',
      'BadReference',
      'BadSecretValue',
      'BadSecretValue',
    ]);
    for (const failure of failures) assertLeaksNothing(failure, [value, OLD]);
  });

  test('names that contain each other are different secrets', async () => {
    const vault = open();
    await vault.put('openai', OLD, { key: 'k' });
    await vault.put('openai/v1', NEW, { key: 'k' });
    expect(await vault.reveal('secret://openai@v1')).toBe(OLD);
    expect(await vault.reveal('secret://openai/v1@v1')).toBe(NEW);
  });

  test('long values, line breaks and every alphabet come back as they were', async () => {
    const vault = open();
    const value = `-----BEGIN-----\n${'ключ🔑'.repeat(2000)}\r\n-----END-----\n`;
    const { ref } = await vault.put(NAME, value, { key: 'k' });
    expect(await vault.reveal(ref)).toBe(value);
  });

  describe('its verbs', () => {
    const over = (vault: Vault) => ({ vault, steps: vaultSteps({ vault } as Systems) });

    test('generate makes one value per step, however often it is attempted', async () => {
      const { vault, steps } = over(open());
      const step = stepContext();
      const both = await Promise.all(
        [1, 2].map(() => runVerb(steps.generate, { secret: NAME, bytes: 32 }, step)),
      );
      expect(both[0]).toEqual(both[1]);
      expect(await runVerb(steps.generate, { secret: NAME, bytes: 32 }, step)).toEqual(both[0]);
      expect(await vault.list(NAME)).toHaveLength(1);
      const value = await vault.reveal(String(both[0]?.ref));
      expect(Buffer.from(value, 'base64url')).toHaveLength(32);
      expect(JSON.stringify(both)).not.toContain(value);
    });

    test('describe names the current version, and says what to do when there is none', async () => {
      const { vault, steps } = over(open());
      const failure = await failureOf(runVerb(steps.describe, { secret: NAME }));
      expect(failure).toMatchObject({ type: 'SecretNotFound', nonRetryable: true });
      expect(failure.message).toContain('runbook secret put openai/api-key');
      const { ref, fingerprint: print } = await vault.put(NAME, OLD, { key: 'k', vendorId: 'key_1' });
      await vault.promote(ref);
      expect(await runVerb(steps.describe, { secret: NAME })).toEqual({
        ref,
        version: 1,
        fingerprint: print,
        keyId: 'key_1',
      });
    });

    test('newest finds what a person handed in since, and not what was revoked', async () => {
      const { vault, steps } = over(open());
      await vault.put(NAME, OLD, { key: 'k1' });
      expect(await runVerb(steps.newest, { secret: NAME, after: 1 })).toMatchObject({
        found: false,
        ref: null,
      });
      const second = await vault.put(NAME, NEW, { key: 'k2' });
      expect(await runVerb(steps.newest, { secret: NAME, after: 1 })).toEqual({
        found: true,
        ref: second.ref,
        version: 2,
        fingerprint: second.fingerprint,
      });
      await vault.markRevoked(second.ref);
      expect(await runVerb(steps.newest, { secret: NAME, after: 1 })).toMatchObject({ found: false });
    });

    test('promote, backup and revoke refuse a reference of another secret', async () => {
      const { vault, steps } = over(open());
      const { ref } = await vault.put('stripe/api-key', OLD, { key: 'k' });
      for (const verb of [steps.promote, steps.backup, steps.revoke]) {
        expect(await failureOf(runVerb(verb, { secret: NAME, ref }))).toMatchObject({ type: 'BadReference' });
        await runVerb(verb, { secret: 'stripe/api-key', ref });
        await runVerb(verb, { secret: 'stripe/api-key', ref });
      }
      expect((await vault.describe(ref)).state).toBe('revoked');
    });
  });
});

describe('the vault in Postgres', () => {
  test('rows hold no value, and a row that was moved or changed is not decrypted', async () => {
    const org = `org-${(orgs += 1)}`;
    const vault = postgresVault({ pool, org, keys: vaultKeys([{ id: 'k1', key }]) });
    const first = await vault.put(NAME, OLD, { key: 'step-1' });
    const second = await vault.put(NAME, NEW, { key: 'step-2' });
    await vault.backup(first.ref, { key: 'step-3' });
    const { rows } = await pool.query(
      'SELECT * FROM vault.version NATURAL FULL JOIN vault.backup WHERE org = $1',
      [org],
    );
    expect(rows.length).toBeGreaterThanOrEqual(3);
    for (const row of rows) assertLeaksNothing(row, [OLD, NEW]);

    const other = postgresVault({ pool, org: `${org}-b`, keys: vaultKeys([{ id: 'k1', key }]) });
    await other.put(NAME, 'another-organisation-value', { key: 'step-1' });
    await expect(pool.query(`UPDATE vault.version SET sealed = 'x' WHERE org = $1`, [org])).rejects.toThrow(
      /permission denied/,
    );
    await expect(pool.query('DELETE FROM vault.version')).rejects.toThrow(/permission denied/);
    const admin = createPool(database.adminUrl, 'vault-test-admin', { max: 1 });
    try {
      await admin.query(
        `UPDATE vault.version AS a SET sealed = b.sealed, nonce = b.nonce FROM vault.version AS b
         WHERE a.org = $1 AND b.org = $1 AND a.version = 1 AND b.version = 2`,
        [org],
      );
    } finally {
      await admin.end();
    }
    const failure = await failureOf(vault.reveal(first.ref));
    expect(failure).toMatchObject({ type: 'SecretUnreadable', nonRetryable: true });
    expect(await vault.reveal(second.ref)).toBe(NEW);
    expect(await vault.reveal('backup://openai/api-key@v1')).toBe(OLD);
  });

  test('one organisation does not see the secrets of another', async () => {
    const [a, b] = [overPostgres(), overPostgres()];
    const { ref } = await a.put(NAME, OLD, { key: 'step-1' });
    expect(await b.list(NAME)).toEqual([]);
    expect(await failureOf(b.reveal(ref))).toMatchObject({ type: 'SecretNotFound' });
  });

  test('after the vault key was rotated the old values are read and the fingerprints stay comparable', async () => {
    const org = `org-${(orgs += 1)}`;
    const old = { id: 'k1', key };
    const before = postgresVault({ pool, org, keys: vaultKeys([old]) });
    const first = await before.put(NAME, OLD, { key: 'step-1' });
    const fresh = { id: 'k2', key: randomBytes(32) };
    const after = postgresVault({ pool, org, keys: vaultKeys([fresh, old]) });
    const second = await after.put(NAME, OLD, { key: 'step-2' });
    expect(await after.reveal(first.ref)).toBe(OLD);
    expect(await after.reveal(second.ref)).toBe(OLD);
    expect(second.fingerprint).toBe(first.fingerprint);
    const failure = await failureOf(before.reveal(second.ref));
    expect(failure.type).toBe('SecretUnreadable');
    expect(failure.message).toContain('"k2" is not among the keys');
  });

  test('a database that does not answer is tried again', async () => {
    const dead = createPool('postgres://nobody:no-such-password@127.0.0.1:1/none', 'vault-test-dead', {
      max: 1,
    });
    const vault = postgresVault({ pool: dead, org: 'default', keys: vaultKeys([{ id: 'k1', key }]) });
    const failure = await failureOf(vault.put(NAME, OLD, { key: 'step-1' }));
    await dead.end();
    expect(failure.type).toBe('VaultUnavailable');
    expect(failure.nonRetryable ?? false).toBe(false);
    assertLeaksNothing(failure, [OLD, 'no-such-password']);
  });
});

describe('the vault in HashiCorp Vault', () => {
  test('statuses are retried or not as for every vendor, and no error holds token or value', async () => {
    await assertRetries({
      world: vendors.world,
      operation: 'hashicorp-vault.write',
      call: () => overHashicorp().put(NAME, OLD, { key: 'step-1' }),
      secrets: [HASHICORP_SIM_TOKEN, OLD],
      handles: [400],
    });
  });

  test('a put whose answer was lost stores once', async () => {
    vendors.world.fail({ operation: 'hashicorp-vault.write', point: 'after', times: 2 });
    const vault = overHashicorp();
    await failureOf(vault.put(NAME, OLD, { key: 'step-1' }));
    await failureOf(vault.put(NAME, OLD, { key: 'step-1' }));
    await vault.put(NAME, OLD, { key: 'step-1' });
    expect(vendors.world.injected('hashicorp-vault.write')).toBe(2);
    expect(await vault.list(NAME)).toHaveLength(1);
    expect(vendors.world.effects).toHaveLength(2);
  });

  test('a wrong token is refused with the next action', async () => {
    const vault = hashicorpVault({
      baseUrl: vendors.url('hashicorp-vault'),
      token: 'hvs.not-the-right-one',
      org: 'default',
      fingerprint,
    });
    const failure = await failureOf(vault.list(NAME));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('policy allows create, read and update');
    assertLeaksNothing(failure, ['hvs.not-the-right-one']);
  });
});

describe('the vault in AWS Secrets Manager', () => {
  test('the current version carries AWSCURRENT, the one before AWSPREVIOUS', async () => {
    const vault = overAws();
    const first = await vault.put(NAME, OLD, { key: 'step-1' });
    const second = await vault.put(NAME, NEW, { key: 'step-2' });
    await vault.promote(first.ref);
    await vault.promote(second.ref);
    const dump = vendors.world.dump()['aws-secrets-manager'] as {
      secrets: Record<string, Record<string, { text: string; stages: string[] }>>;
    };
    const versions = Object.values(dump.secrets['runbook/default/values/openai/api-key'] ?? {});
    expect(versions.map(({ text, stages }) => [text, [...stages].sort()])).toEqual([
      [OLD, ['AWSPREVIOUS']],
      [NEW, ['AWSCURRENT', 'AWSPENDING']],
    ]);
  });

  test('a put whose answers were lost stores once', async () => {
    const vault = overAws();
    const injected = () => vendors.world.injected('aws-secrets-manager.call');
    vendors.world.fail({ operation: 'aws-secrets-manager.call', point: 'after', times: 3 });
    let attempts = 0;
    while (injected() < 3) {
      attempts += 1;
      const failure = await failureOf(vault.put(NAME, OLD, { key: 'step-1' }));
      expect(failure.nonRetryable ?? false).toBe(false);
      assertLeaksNothing(failure, [OLD]);
    }
    expect(attempts).toBe(3);
    await vault.put(NAME, OLD, { key: 'step-1' });
    expect(await vault.list(NAME)).toHaveLength(1);
  });

  test('throttling is tried again, wrong credentials are not', async () => {
    vendors.world.fail({ operation: 'aws-secrets-manager.call', point: 'before', status: 503 });
    const busy = await failureOf(overAws().list(NAME));
    expect(vendors.world.injected()).toBe(1);
    expect([busy.type, busy.nonRetryable ?? false]).toEqual(['VendorUnavailable', false]);
    const refused = await failureOf(overAws('AKIANOTTHERIGHTONE00').list(NAME));
    expect(refused).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(refused, ['AKIANOTTHERIGHTONE00', 'simulated']);
  });
});
