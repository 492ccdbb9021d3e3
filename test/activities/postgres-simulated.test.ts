import { beforeEach, describe, expect, test } from 'vitest';
import { postgresSteps } from '../../activities/postgres/steps.js';
import {
  losePostgresRows,
  POSTGRES_SIMULATED_TOKEN,
  postgresContent,
  postgresSimulator,
  seedPostgres,
} from '../../simulators/postgres.js';
import { simulatedPostgres } from '../../simulators/postgres-client.js';
import {
  assertRetries,
  failureOf,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendor = useSimulators(postgresSimulator);
const database = 'app';
const client = () => simulatedPostgres({ baseUrl: vendor.url('postgres') });
const steps = () => postgresSteps({ postgres: client() });
const effects = (what: string) => vendor.world.effects.filter((effect) => effect.what === what);
const hoursAgo = (hours: number): Date => new Date(Date.now() - hours * 3_600_000);
const seed = {
  databases: { app: { accounts: 3, orders: 20 }, 'app-dr': { accounts: 3, orders: 20 } },
  backups: [
    { database, label: 'nightly', at: hoursAgo(30) },
    { database, label: 'nightly', at: hoursAgo(6) },
  ],
};

describe('simulated databases', () => {
  beforeEach(() => seedPostgres(vendor.world, seed));

  test('which answers are retried', async () => {
    const step = stepContext();
    const ask = (operation: string, call: () => Promise<unknown>) =>
      assertRetries({
        world: vendor.world,
        operation: `postgres.${operation}`,
        call,
        secrets: [POSTGRES_SIMULATED_TOKEN],
        handles: [404, 422],
      });
    await ask('backup', () => client().backup({ database, label: 'x' }, step));
    await ask('findBackup', () => client().findBackup({ database, label: 'x' }, step));
    await ask('listBackups', () => client().listBackups({ database }, step));
    await ask('fingerprint', () => client().fingerprint({ database }, step));
    await ask('position', () => client().position({ database }, step));
  });

  test('lost rows come back by backup, restore and promote, and every step takes effect once', async () => {
    const before = await runVerb(steps().fingerprint, { database });
    for (const operation of ['backup', 'restoreInto', 'promote']) {
      vendor.world.fail({ operation: `postgres.${operation}`, point: 'after' });
    }
    const { backup } = await runWithRetries(steps().backup, { database, label: 'now' });
    losePostgresRows(vendor.world, database, 'orders');
    expect(await runVerb(steps().fingerprint, { database })).not.toEqual(before);
    const restored = await runWithRetries(steps().restoreInto, { database, backup, scratch: 'restored' });
    expect(restored).toMatchObject(before);
    const { previous } = await runWithRetries(steps().promote, { database, scratch: 'restored' });
    expect(await runVerb(steps().fingerprint, { database })).toEqual(before);
    expect(vendor.world.injected()).toBe(3);
    expect(effects('backup taken')).toHaveLength(1);
    expect(effects('database replaced')).toEqual([
      { system: 'postgres', what: 'database replaced', subject: 'app by restored' },
    ]);

    vendor.world.fail({ operation: 'postgres.putBack', point: 'after' });
    await runWithRetries(steps().putBack, { database, previous, scratch: 'restored' });
    expect(vendor.world.injected('postgres.putBack')).toBe(1);
    expect(postgresContent(vendor.world, database)?.['orders']?.rows).toBe(0);
    await runVerb(steps().dropScratch, { database, scratch: 'restored' });
    expect(postgresContent(vendor.world, database, 'restored')).toBeUndefined();
  });

  test('backups are listed newest first, and only those before a moment', async () => {
    const { backups } = await runVerb(steps().listBackups, { database });
    expect(backups.map(({ at }) => at)).toEqual(
      [seed.backups[1]?.at, seed.backups[0]?.at].map((at) => at?.toISOString()),
    );
    const before = await runVerb(steps().listBackups, { database, before: hoursAgo(10).toISOString() });
    expect(before.backups).toEqual([backups[1]]);
  });

  test('what was never restored can neither be promoted nor put back', async () => {
    const promoted = await failureOf(runVerb(steps().promote, { database, scratch: 'restored' }));
    expect(promoted).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    const input = { database, previous: 'before_01234567', scratch: 'restored' };
    expect(await failureOf(runVerb(steps().putBack, input))).toMatchObject({ type: 'VendorRefused' });
  });

  test('a database that is not there is refused for good', async () => {
    const failure = await failureOf(runVerb(steps().position, { database: 'other' }));
    expect(failure).toMatchObject({ type: 'UnknownDatabase', nonRetryable: true });
  });
});

describe('worlds in which not all is well', () => {
  test('the newest backup is damaged, the one before is not', async () => {
    seedPostgres(vendor.world, { ...seed, newestDamaged: true });
    const { backups } = await runVerb(steps().listBackups, { database });
    const [newest, older] = backups.map(({ backup }) => backup);
    const input = { database, scratch: 'restored' };
    const failure = await failureOf(runVerb(steps().restoreInto, { ...input, backup: newest ?? '' }));
    expect(failure).toMatchObject({ type: 'BackupDamaged', nonRetryable: true });
    expect(failure.message).toContain(newest);
    await runVerb(steps().restoreInto, { ...input, backup: older ?? '' });
    const taken = await runVerb(steps().backup, { database, label: 'now' });
    expect((await failureOf(runVerb(steps().restoreInto, { ...input, backup: taken.backup }))).type).toBe(
      'BackupDamaged',
    );
  });

  test('the integrity check finds what the world says', async () => {
    seedPostgres(vendor.world, { ...seed, integrityProblems: ['index public.orders_pkey is not valid'] });
    expect(await runVerb(steps().checkIntegrity, { database })).toMatchObject({
      passed: false,
      problems: ['index public.orders_pkey is not valid'],
    });
  });

  test('a replica is behind its primary', async () => {
    seedPostgres(vendor.world, { ...seed, behindSeconds: { 'app-dr': 900 } });
    const primary = await runVerb(steps().position, { database });
    const replica = await runVerb(steps().position, { database: 'app-dr' });
    expect(Date.parse(primary.at) - Date.parse(replica.at)).toBeGreaterThan(890_000);
  });
});
