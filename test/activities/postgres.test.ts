import { beforeEach, describe, expect, test } from 'vitest';
import { s3Objects, s3Simulator, seedS3 } from '../../simulators/s3.js';
import { failureOf, runVerb, runWithRetries, stepContext, useSimulators } from '../helpers/vendor.js';
import { applicationDatabase, BUCKET, sampleDatabase, type DatabaseOptions } from './postgres-server.js';

const vendor = useSimulators(s3Simulator);
const database = 'app';
const application = () => applicationDatabase(vendor.url('s3'));
const filled = (options: DatabaseOptions = {}) => sampleDatabase(vendor.url('s3'), options);
const dumps = () => Object.keys(s3Objects(vendor.world, BUCKET)).filter((key) => key.endsWith('.dump'));
const stepOf = (stepId: string, attempt = 1) => stepContext({ stepId, attempt });

describe('postgres.backup and postgres.restoreInto', () => {
  test('a restored database holds what the backup held, although others wrote meanwhile', async () => {
    const app = await filled();
    const written = new AbortController();
    const writer = (async () => {
      for (let id = 1_000; !written.signal.aborted; id += 1)
        await app.sql(`insert into accounts values (${id}, null, 1)`);
    })();
    const backup = await runVerb(app.steps.backup, { database, label: 'nightly' });
    written.abort();
    await writer;
    expect(backup.backup).toMatch(/^app\/\d{8}T\d{9}Z--nightly--[0-9a-f]{8}$/);
    const restored = await runVerb(app.steps.restoreInto, {
      database,
      backup: backup.backup,
      scratch: 'drill',
    });
    const { at, tables, rows, digest } = backup;
    expect(restored).toEqual({ scratch: 'drill', at, tables, rows, digest });
    expect(await runVerb(app.steps.fingerprint, { database, scratch: 'drill' })).toEqual({
      tables,
      rows,
      digest,
    });
  });

  test('a backup whose answer was lost is found again, and not taken twice', async () => {
    const app = await filled();
    const first = await runVerb(
      app.steps.backup,
      { database, label: 'nightly' },
      stepOf('postgres.backup#1'),
    );
    const again = await runVerb(
      app.steps.backup,
      { database, label: 'nightly' },
      stepOf('postgres.backup#1', 2),
    );
    expect(again).toEqual(first);
    expect(dumps()).toHaveLength(1);
    await runVerb(app.steps.backup, { database, label: 'nightly' }, stepOf('postgres.backup#2', 2));
    expect(dumps()).toHaveLength(2);
  });

  test('an upload that was cut off counts for nothing, and the next attempt completes a backup', async () => {
    const app = await filled();
    const lost = {
      operation: 's3.putObject',
      point: 'before',
      status: 503,
      times: 4,
      containing: '.dump',
    } as const;
    vendor.world.fail(lost);
    const backup = await runWithRetries(app.steps.backup, { database, label: 'nightly' });
    expect(vendor.world.injected('s3.putObject')).toBe(4);
    expect(dumps()).toEqual([`database/${backup.backup}.dump`]);
    const { backups } = await runVerb(app.steps.listBackups, { database });
    expect(backups).toEqual([{ backup: backup.backup, at: backup.at, bytes: backup.bytes }]);
  });

  test('a half-made scratch database of an earlier attempt does not stand in the way', async () => {
    const app = await filled();
    const { backup, digest } = await runVerb(app.steps.backup, { database, label: 'nightly' });
    await app.sql(`create database "${app.name}__drill"`);
    await app.sql('create table accounts (half int)', 'drill');
    const restored = await runVerb(app.steps.restoreInto, { database, backup, scratch: 'drill' });
    expect(restored.digest).toBe(digest);
  });

  test('a restored database has the settings, privileges and owner of the one it replaces', async () => {
    const app = await filled({ asOwner: true });
    await app.sql(`
      alter database "${app.name}" set search_path = "$user", public, other;
      alter role "${app.name}" in database "${app.name}" set work_mem = '17MB';
      revoke connect on database "${app.name}" from public;
      grant connect on database "${app.name}" to pg_monitor with grant option;
      alter database "${app.name}" connection limit 77`);
    const { backup } = await runVerb(app.steps.backup, { database, label: 'nightly' });
    await runVerb(app.steps.restoreInto, { database, backup, scratch: 'drill' });
    const properties = (name: string) =>
      app.sql(`
        select array(select a::text from unnest(d.datacl) a order by 1) as acl, d.datdba as owner, d.datconnlimit as limit, d.encoding, d.datcollate,
          array(select (s.setrole, s.setconfig)::text from pg_db_role_setting s where s.setdatabase = d.oid
            order by s.setrole) as settings
        from pg_database d where datname = '${name}'`);
    expect(await properties(`${app.name}__drill`)).toEqual(await properties(app.name));
  });

  test('a backup is restored beside the database of the recovery site, wherever each keeps its backups', async () => {
    const app = await filled({ recoverySite: true });
    const { backup, at, tables, rows, digest } = await runVerb(app.steps.backup, {
      database,
      label: 'nightly',
    });
    const input = { database: 'app-dr', backup, scratch: 'recovery' };
    expect(await runVerb(app.steps.tryRestore, input)).toEqual({
      restored: { scratch: 'recovery', at, tables, rows, digest },
      problem: null,
    });
  });

  test('of a damaged backup a recovery hears, so that it can offer an older one', async () => {
    const app = await filled();
    const { backup } = await runVerb(app.steps.backup, { database, label: 'nightly' });
    seedS3(vendor.world, BUCKET, { [`database/${backup}.json`]: 'no manifest' });
    expect(await runVerb(app.steps.tryRestore, { database, backup, scratch: 'recovery' })).toEqual({
      restored: null,
      problem: expect.stringContaining(`Backup ${backup} is damaged`) as string,
    });
    const other = `app/20200101T000000000Z--nightly--${'0'.repeat(8)}`;
    const unknown = await failureOf(
      runVerb(app.steps.tryRestore, { database, backup: other, scratch: 'recovery' }),
    );
    expect(unknown.type).toBe('UnknownBackup');
  });

  test('data that came back otherwise than it went in is refused, and nothing is left of it', async () => {
    const app = await filled();
    const { backup, digest } = await runVerb(app.steps.backup, { database, label: 'nightly' });
    const key = `database/${backup}.json`;
    const manifest = s3Objects(vendor.world, BUCKET)[key]?.toString() ?? '';
    seedS3(vendor.world, BUCKET, { [key]: manifest.replace(digest, 'f'.repeat(64)) });
    const failure = await failureOf(runVerb(app.steps.restoreInto, { database, backup, scratch: 'drill' }));
    expect(failure).toMatchObject({ type: 'BackupDamaged', nonRetryable: true });
    expect(failure.message).toContain(backup);
    expect(await app.beside()).toEqual([]);
  });

  test('a backup without a readable manifest is damaged; one that was never there is unknown', async () => {
    const app = await filled();
    const { backup } = await runVerb(app.steps.backup, { database, label: 'nightly' });
    seedS3(vendor.world, BUCKET, { [`database/${backup}.json`]: '{}' });
    const input = { database, scratch: 'drill' };
    const damaged = await failureOf(runVerb(app.steps.restoreInto, { ...input, backup }));
    expect(damaged).toMatchObject({ type: 'BackupDamaged', nonRetryable: true });
    const other = backup.replace('nightly', 'weekly');
    const unknown = await failureOf(runVerb(app.steps.restoreInto, { ...input, backup: other }));
    expect(unknown).toMatchObject({ type: 'UnknownBackup', nonRetryable: true });
  });

  test('backups are listed newest first, and only those before a moment', async () => {
    const app = await application();
    const at = (hour: number): string =>
      `app/20260101T${String(hour).padStart(2, '0')}0000000Z--nightly--0123abcd`;
    const names = Array.from({ length: 24 }, (_, hour) => `database/${at(hour)}.dump`);
    seedS3(vendor.world, BUCKET, Object.fromEntries(names.map((key) => [key, 'dump'])));
    const { backups } = await runVerb(app.steps.listBackups, { database });
    expect(backups[0]).toEqual({ backup: at(23), at: '2026-01-01T23:00:00.000Z', bytes: 4 });
    expect(backups).toHaveLength(24);
    const before = await runVerb(app.steps.listBackups, { database, before: '2026-01-01T03:00:00Z' });
    expect(before.backups.map(({ backup }) => backup)).toEqual([at(2), at(1), at(0)]);
  });
});

describe('postgres.fingerprint', () => {
  test('the order of the rows does not count; every value and every duplicate does', async () => {
    const app = await application();
    await app.sql('create table t (a int, b text)');
    const digest = async (insert: string): Promise<string> => {
      await app.sql(`truncate t; insert into t values ${insert}`);
      return (await runVerb(app.steps.fingerprint, { database })).digest;
    };
    const one = await digest("(1, 'x'), (2, null), (3, 'z')");
    expect(await digest("(3, 'z'), (1, 'x'), (2, null)")).toBe(one);
    expect(await digest("(1, 'x'), (2, ''), (3, 'z')")).not.toBe(one);
    expect(await digest("(1, 'x'), (1, 'x'), (3, 'z')")).not.toBe(
      await digest("(1, 'x'), (3, 'z'), (3, 'z')"),
    );
  });
});

describe('postgres.checkIntegrity', () => {
  test('a sound database passes', async () => {
    const app = await filled();
    expect(await runVerb(app.steps.checkIntegrity, { database })).toMatchObject({
      passed: true,
      problems: [],
    });
    expect(await app.sql("select 1 from pg_extension where extname = 'amcheck'")).toEqual([]);
  });

  test('rows without a parent, broken rules and unusable indexes are named, without their data', async () => {
    const app = await filled();
    await app.sql(`
      set session_replication_role = replica;
      insert into orders values (9999, 8888, now(), 1);
      set session_replication_role = origin;
      alter table accounts drop constraint accounts_balance_check;
      update accounts set balance = -5 where id = 1;
      alter table accounts add constraint accounts_balance_check check (balance >= 0) not valid;
      alter table accounts add constraint never_looked_at check (id > 0) not valid;
      update pg_index set indisvalid = false where indexrelid = 'accounts_email_key'::regclass`);
    const { passed, problems } = await runVerb(app.steps.checkIntegrity, { database });
    expect(passed).toBe(false);
    expect(problems.sort()).toEqual([
      'constraint accounts_balance_check of public.accounts is violated',
      'constraint never_looked_at of public.accounts was never validated',
      'constraint orders_account_fkey of public.orders is violated',
      'index public.accounts_email_key is not valid',
    ]);
  });
});

describe('postgres.promote and postgres.putBack', () => {
  let app: Awaited<ReturnType<typeof filled>>;
  beforeEach(async () => {
    app = await filled();
    const { backup } = await runVerb(app.steps.backup, { database, label: 'nightly' });
    await app.sql('delete from orders');
    await runVerb(app.steps.restoreInto, { database, backup, scratch: 'restored' });
  });
  const orders = async (scratch?: string) =>
    (await app.sql<{ count: number }>('select count(*)::int from orders', scratch))[0]?.count;

  test('the databases are swapped once, however often the step is repeated, and swapped back', async () => {
    const { previous } = await runVerb(app.steps.promote, { database, scratch: 'restored' }, stepOf('p#1'));
    expect(await orders()).toBe(200);
    expect(await orders(previous)).toBe(0);
    for (const attempt of [1, 2]) {
      expect(
        await runVerb(app.steps.promote, { database, scratch: 'restored' }, stepOf('p#1', attempt)),
      ).toEqual({
        previous,
      });
    }
    for (let times = 0; times < 2; times += 1) {
      await runVerb(app.steps.putBack, { database, previous, scratch: 'restored' });
      expect(await orders()).toBe(0);
      expect(await orders('restored')).toBe(200);
    }
    for (let times = 0; times < 2; times += 1) {
      await runVerb(app.steps.dropScratch, { database, scratch: 'restored' });
      expect(await app.beside()).toEqual([]);
    }
  });

  test('clients that stay, and come back at once, can not hold the swap up', async () => {
    const swapped = new AbortController();
    const others = `from pg_stat_activity where datname = '${app.name}' and query like 'select pg_sleep%'`;
    const clients = Array.from({ length: 4 }, async () => {
      while (!swapped.signal.aborted) await app.sql('select pg_sleep(60)').catch(() => undefined);
    });
    await expect.poll(() => app.sql(`select 1 ${others}`)).toHaveLength(4);
    await runVerb(app.steps.promote, { database, scratch: 'restored' });
    swapped.abort();
    expect(await orders()).toBe(200);
    await expect.poll(() => app.sql(`select pg_terminate_backend(pid) ${others}`)).toEqual([]);
    await Promise.all(clients);
  });

  test('the owner of a database needs no more than the right to create others', async () => {
    const owned = await filled({ asOwner: true });
    const { backup, digest } = await runVerb(owned.steps.backup, { database, label: 'nightly' });
    await owned.sql('delete from orders');
    await runVerb(owned.steps.restoreInto, { database, backup, scratch: 'restored' });
    const found = await runVerb(owned.steps.checkIntegrity, { database, scratch: 'restored' });
    expect(found).toEqual({ passed: true, problems: [], amcheck: false });
    const { previous } = await runVerb(owned.steps.promote, { database, scratch: 'restored' });
    expect((await runVerb(owned.steps.fingerprint, { database })).digest).toBe(digest);
    await runVerb(owned.steps.dropScratch, { database, scratch: previous });
    expect(await owned.beside()).toEqual([]);
  });

  test('without a restored database nothing is renamed', async () => {
    const failure = await failureOf(runVerb(app.steps.promote, { database, scratch: 'other' }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(await app.beside()).toEqual(['restored']);
  });
});

test('postgres.position goes on with every write', async () => {
  const app = await filled();
  const first = await runVerb(app.steps.position, { database });
  await app.sql('delete from orders');
  const second = await runVerb(app.steps.position, { database });
  expect(Date.parse(second.at)).toBeGreaterThan(Date.parse(first.at));
  expect(second.lsn).not.toBe(first.lsn);
});

test.each([
  ['label', { database, label: 'Two Words' }],
  ['label', { database, label: 'a--b' }],
])('a %s that would break the names of backups is refused', async (_field, input) => {
  const app = await application();
  expect((await failureOf(runVerb(app.steps.backup, input))).type).toBe('InvalidInput');
});
