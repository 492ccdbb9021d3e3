import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { damageS3Object, s3Objects, s3Simulator } from '../../simulators/s3.js';
import { failureOf, runVerb, stepContext, useSimulators } from '../helpers/vendor.js';
import { applicationDatabase, BUCKET } from './postgres-server.js';

const vendor = useSimulators(s3Simulator);
const MIB = 1024 * 1024;
const database = 'app';

/** Random text does not compress away: the backup is large as well. */
const FILL = `
  create table accounts (id int primary key, name text not null, balance numeric(12, 2) not null check (balance >= 0));
  insert into accounts select i, 'account ' || i, i from generate_series(1, 1000) i;
  create table documents (
    id int primary key,
    account int not null references accounts,
    body text not null,
    written timestamptz not null default clock_timestamp()
  );
  insert into documents (id, account, body)
    select i, 1 + i % 1000, (select string_agg(encode(sha512(decode(md5(random()::text || i || j), 'hex')), 'base64'), '')
      from generate_series(1, 21) j)
    from generate_series(1, 52000) i;
  create index on documents (account, written)`;

const DAMAGE = `
  delete from documents where id % 3 = 0;
  update documents set body = reverse(body) where id % 5 = 0;
  update accounts set balance = 0, name = 'overwritten'`;

test('a database of over 100 MB is brought back from its backup after real damage, and no damaged backup gets in', async () => {
  const app = await applicationDatabase(vendor.url('s3'));
  const { steps } = app;
  const documents = async (scratch?: string) =>
    (await app.sql<{ count: number }>('select count(*)::int from documents', scratch))[0]?.count;
  await app.sql(FILL);
  const [size] = await app.sql<{ mib: number }>(
    `select (pg_database_size('${app.name}') / ${MIB})::int as mib`,
  );
  expect(size?.mib).toBeGreaterThan(100);
  const before = await runVerb(steps.fingerprint, { database });

  const backup = await runVerb(steps.backup, { database, label: 'nightly' });
  expect(backup).toMatchObject({ ...before, tables: 2, rows: 53_000 });
  expect(backup.bytes).toBeGreaterThan(40 * MIB);

  await app.sql(DAMAGE);
  const damaged = await runVerb(steps.fingerprint, { database });
  expect(damaged.digest).not.toBe(before.digest);
  expect(damaged.rows).toBeLessThan(before.rows);

  const restored = await runVerb(steps.restoreInto, { database, backup: backup.backup, scratch: 'restored' });
  expect(restored).toEqual({ scratch: 'restored', at: backup.at, ...before });
  expect(await documents()).toBe(damaged.rows - 1_000);
  expect(await runVerb(steps.checkIntegrity, { database, scratch: 'restored' })).toMatchObject({
    passed: true,
  });

  const user = new pg.Client({ connectionString: app.url });
  onTestFinished(() => user.end().catch(() => undefined));
  let cutOff = false;
  user.on('error', () => (cutOff = true));
  await user.connect();
  const promote = stepContext({ stepId: 'postgres.promote#1' });
  const { previous } = await runVerb(steps.promote, { database, scratch: 'restored' }, promote);
  await expect.poll(() => cutOff, { message: 'a connection to the damaged database was ended' }).toBe(true);
  expect(await runVerb(steps.fingerprint, { database })).toEqual(before);
  expect(await documents(previous)).toBe(damaged.rows - 1_000);

  const key = `database/${backup.backup}.dump`;
  const whole = s3Objects(vendor.world, BUCKET)[key] ?? Buffer.alloc(0);
  expect(whole.length).toBe(backup.bytes);
  const attempts: [string, (content: Buffer) => Buffer][] = [
    ['a truncated backup', () => whole.subarray(0, whole.length - 4096)],
    ['a backup with one flipped bit', () => flipped(whole)],
  ];
  for (const [about, change] of attempts) {
    damageS3Object(vendor.world, BUCKET, key, change);
    const input = { database, backup: backup.backup, scratch: 'second' };
    const failure = await failureOf(runVerb(steps.restoreInto, input));
    expect(failure, about).toMatchObject({ type: 'BackupDamaged', nonRetryable: true });
    expect(failure.message, about).toContain(backup.backup);
    expect(await app.beside(), about).toEqual([previous]);
  }
  expect(await documents()).toBe(before.rows - 1_000);
}, 120_000);

function flipped(content: Buffer): Buffer {
  const copy = Buffer.from(content);
  const middle = Math.floor(copy.length / 2);
  copy.writeUInt8(copy.readUInt8(middle) ^ 1, middle);
  return copy;
}
