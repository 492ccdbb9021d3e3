import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertAppRole } from '../../database/app-role.js';
import { createPool } from '../../database/pool.js';
import { postgresLedger } from '../../activities/ledger/postgres.js';
import { asSuperuser } from '../database/fresh.js';
import { freshDatabase } from '../helpers/stack.js';
import { common, intent, keyed } from './ledger-sample.js';

let adminUrl: string;
let auditUrl: string;
let pool: pg.Pool;

beforeAll(async () => {
  const database = await freshDatabase();
  ({ adminUrl, auditUrl } = database);
  pool = createPool(database.appUrl, 'test');
  await assertAppRole(pool);
  await postgresLedger(pool).append([keyed(intent())]);
});
afterAll(() => pool.end());

async function rows(): Promise<unknown[]> {
  const [result] = await asSuperuser('SELECT * FROM ledger.leaf ORDER BY id', adminUrl);
  return result?.rows ?? [];
}

const VALUES = `('default', 'r', 'k', 'forged', '\\x7b7d', sha256('\\x007b7d'))`;
const COLUMNS = '(org, run, kind, event_key, leaf, leaf_hash)';

describe('the user of the processes cannot', () => {
  test.each([
    ['change an entry', `UPDATE ledger.leaf SET leaf = '\\x7b7d'`],
    ['delete an entry', 'DELETE FROM ledger.leaf'],
    ['empty the ledger', 'TRUNCATE ledger.leaf'],
    ['insert past ledger.append', `INSERT INTO ledger.leaf ${COLUMNS} VALUES ${VALUES}`],
    [
      'overwrite by a conflict',
      `INSERT INTO ledger.leaf ${COLUMNS} VALUES ${VALUES} ON CONFLICT (org, event_key) DO UPDATE SET leaf = '\\x7b7d'`,
    ],
    ['merge', 'MERGE INTO ledger.leaf l USING (SELECT 1) x ON true WHEN MATCHED THEN DELETE'],
    ['copy into the ledger', 'COPY ledger.leaf (org) FROM STDIN'],
    ['copy the ledger out', 'COPY ledger.leaf TO STDOUT'],
    ['read the table past ledger.read', 'SELECT * FROM ledger.leaf'],
    ['read what is erasable past ledger.disclosed', 'SELECT * FROM ledger.disclosure'],
    ['erase', 'DELETE FROM ledger.disclosure'],
    ['lock everybody out', 'DO $$ BEGIN LOCK TABLE ledger.leaf; END $$'],
    ['alter the table', 'ALTER TABLE ledger.leaf DROP CONSTRAINT leaf_org_event_key_key'],
    ['switch triggers off', 'ALTER TABLE ledger.leaf DISABLE TRIGGER ALL'],
    ['drop the table', 'DROP TABLE ledger.leaf'],
    ['drop the schema', 'DROP SCHEMA ledger CASCADE'],
    ['add a rule', 'CREATE RULE r AS ON INSERT TO ledger.leaf DO INSTEAD NOTHING'],
    [
      'add a trigger',
      'CREATE TRIGGER t BEFORE INSERT ON ledger.leaf FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    ],
    ['turn the ids back', "SELECT setval('ledger.leaf_id_seq', 1)"],
    ['take an id', "SELECT nextval('ledger.leaf_id_seq')"],
    ['replace the function', 'ALTER FUNCTION ledger.append(text[], bytea[]) SECURITY INVOKER'],
    ['add something to the schema', 'CREATE TABLE ledger.mine (id int)'],
    ['become the owner', 'SET ROLE runbook_owner'],
    ['take the ownership over', 'REASSIGN OWNED BY runbook_owner TO runbook_app'],
    ['give itself rights', 'GRANT runbook_owner TO runbook_app'],
    ['act as a replica', 'SET session_replication_role = replica'],
    ['see or change migrations', 'SELECT * FROM migrations.migration'],
  ])('%s', async (_, sql) => {
    const before = await rows();
    await expect(pool.query(sql)).rejects.toMatchObject({
      code: expect.stringMatching(/^(42501|0LP01)$/) as string,
    });
    expect(await rows()).toEqual(before);
  });

  test('put functions and types of its own under ledger.append', async () => {
    await asSuperuser('CREATE SCHEMA shadow; GRANT ALL ON SCHEMA shadow TO runbook_app', adminUrl);
    const client = await pool.connect();
    try {
      await client.query(
        `CREATE FUNCTION shadow.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(repeat('00', 32), 'hex') $$`,
      );
      await client.query('CREATE DOMAIN pg_temp.bytea AS pg_catalog.text');
      await client.query('SET search_path = pg_temp, shadow, pg_catalog');
      const { rows: shadowed } = await client.query<{ hash: Buffer; domain: string }>(
        `SELECT sha256('x') AS hash,
           (SELECT typtype FROM pg_type WHERE oid = 'bytea'::regtype) AS domain`,
      );
      // The shadows are really there.
      expect(shadowed).toEqual([{ hash: Buffer.alloc(32), domain: 'd' }]);
      const leaf = '{"kind":"k","org":"default","run":"shadow"}';
      await client.query('SELECT ledger.append($1, $2)', [['shadow'], [Buffer.from(leaf)]]);
    } finally {
      client.release(true);
    }
    const [stored] = await asSuperuser(
      `SELECT leaf_hash = sha256('\\x00'::bytea || leaf) AS intact FROM ledger.leaf WHERE event_key = 'shadow'`,
      adminUrl,
    );
    expect(stored?.rows).toEqual([{ intact: true }]);
  });
});

describe('the auditor', () => {
  test('reads the ledger', async () => {
    const audit = new pg.Pool({ connectionString: auditUrl });
    const { rowCount } = await audit.query('SELECT * FROM ledger.leaf WHERE run = $1', [common.run]);
    expect(rowCount).toBe(1);
    await audit.end();
  });

  test.each([
    ['append', `SELECT ledger.append('{}', '{}')`],
    ['insert', `INSERT INTO ledger.leaf ${COLUMNS} VALUES ${VALUES}`],
    ['change', `UPDATE ledger.leaf SET leaf = '\\x7b7d'`],
    ['delete', 'DELETE FROM ledger.leaf'],
    ['disclose', `SELECT ledger.disclose('o', '', '', '', NULL)`],
    ['become the owner', 'SET ROLE runbook_owner'],
  ])('cannot %s', async (_, sql) => {
    const audit = new pg.Pool({ connectionString: auditUrl });
    await expect(audit.query(sql)).rejects.toMatchObject({ code: '42501' });
    await audit.end();
  });
});

describe('ledger.append itself refuses', () => {
  const hexOf = (text: string) => Buffer.from(text);
  test.each([
    ['bytes that are no UTF-8', [Buffer.of(0xff)], '22021'],
    ['bytes that are no JSON', [hexOf('{')], '22P02'],
    ['a leaf that is no object', [hexOf('[1]')], 'RB002'],
    ['a leaf without an organisation', [hexOf('{"kind":"k","run":"r"}')], 'RB002'],
    ['an organisation that is no text', [hexOf('{"kind":"k","org":1,"run":"r"}')], 'RB002'],
    ['an empty run', [hexOf('{"kind":"k","org":"o","run":""}')], '23514'],
    [
      'a leaf of 65,536 bytes',
      [hexOf(`{"kind":"k","org":"o","run":"r","x":"${'x'.repeat(65_536 - 39)}"}`)],
      '23514',
    ],
    ['more leaves than keys', [hexOf('{}'), hexOf('{}')], 'RB002'],
    ['no leaf', [null], 'RB002'],
  ])('%s', async (_, leaves, code) => {
    const before = await rows();
    await expect(pool.query('SELECT ledger.append($1, $2)', [['bad'], leaves])).rejects.toMatchObject({
      code,
    });
    expect(await rows()).toEqual(before);
  });
});
