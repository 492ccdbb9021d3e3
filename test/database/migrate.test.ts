import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { assertAppRole } from '../../database/app-role.js';
import { migrate } from '../../database/migrate.js';
import { createPool } from '../../database/pool.js';
import { scramVerifier } from '../../database/scram.js';
import { asSuperuser, asUser, emptyDatabase, PASSWORD, type EmptyDatabase } from './fresh.js';

const opened: EmptyDatabase[] = [];
const roles: string[] = [];

async function fresh(owner?: string): Promise<EmptyDatabase> {
  const database = await emptyDatabase(owner);
  opened.push(database);
  return database;
}

async function role(attributes: string): Promise<string> {
  const name = `t_${randomBytes(5).toString('hex')}`;
  await asSuperuser(`CREATE ROLE ${name} ${attributes} PASSWORD '${PASSWORD}'`);
  roles.push(name);
  return name;
}

afterEach(async () => {
  for (const database of opened.splice(0)) await database.drop();
  // The last first: a role cannot go while a membership that it granted exists.
  for (const name of roles.splice(0).reverse()) await asSuperuser(`DROP OWNED BY ${name}; DROP ROLE ${name}`);
});

/** An administrator as managed services have it: no superuser. */
async function limitedAdmin(): Promise<string> {
  const admin = await role('LOGIN CREATEROLE');
  // From 16 on CREATEROLE says nothing about roles that somebody else created, here: another test.
  await asSuperuser(`DO $$ DECLARE r text; BEGIN
    FOR r IN SELECT rolname FROM pg_roles
      WHERE rolname IN ('runbook_owner', 'runbook_app', 'runbook_audit') AND current_setting('server_version_num')::int >= 160000
    LOOP EXECUTE format('GRANT %I TO ${admin} WITH ADMIN TRUE, SET FALSE, INHERIT FALSE', r); END LOOP;
  END $$`);
  return admin;
}

describe('migrations', () => {
  test('a second execution changes nothing', async () => {
    const { adminUrl } = await fresh();
    expect((await migrate(adminUrl)).executed).toContain('0001_ledger');
    expect((await migrate(adminUrl)).executed).toEqual([]);
  });

  test('three starters of one database at once execute each migration once', async () => {
    const { adminUrl } = await fresh();
    const results = await Promise.all([migrate(adminUrl), migrate(adminUrl), migrate(adminUrl)]);
    expect(results.filter(({ executed }) => executed.includes('0001_ledger'))).toHaveLength(1);
  });

  test('several databases of one server are migrated at once, although they share their roles', async () => {
    const databases = await Promise.all(Array.from({ length: 4 }, () => fresh()));
    const app = `t_${randomBytes(5).toString('hex')}`;
    const results = await Promise.all(
      databases.map(({ adminUrl }) => migrate(adminUrl, { appUser: app, appPassword: 'one password' })),
    );
    roles.push(app);
    for (const { appUrl } of results) {
      const pool = createPool(appUrl, 'test');
      await assertAppRole(pool);
      await pool.end();
    }
  });

  test('everything belongs to the owner role, and nothing to the administrator', async () => {
    const { adminUrl } = await fresh();
    await migrate(adminUrl);
    const [owners] = await asSuperuser(
      `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
       WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
       UNION SELECT pg_get_userbyid(proowner) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
       WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`,
      adminUrl,
    );
    expect(owners?.rows).toEqual([{ owner: 'runbook_owner' }]);
  });

  test('no function is for everybody, and each that acts as its owner has a fixed search path', async () => {
    const { adminUrl } = await fresh();
    await migrate(adminUrl);
    const [wrong] = await asSuperuser(
      `SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
       WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
         AND (has_function_privilege('public', p.oid, 'EXECUTE')
           OR (prosecdef AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(proconfig, '{}'))))`,
      adminUrl,
    );
    expect(wrong?.rows).toEqual([]);
  });

  test('an administrator without superuser rights can migrate its own database', async () => {
    const admin = await limitedAdmin();
    const database = await fresh(admin);
    const app = `t_${randomBytes(5).toString('hex')}`;
    const { appUrl } = await migrate(asUser(database.adminUrl, admin), {
      appUser: app,
      appPassword: 'y',
    });
    roles.push(app);
    const pool = createPool(appUrl, 'test');
    await assertAppRole(pool);
    await pool.end();
    expect((await migrate(asUser(database.adminUrl, admin), { appUser: app })).executed).toEqual([]);
  });

  test('an administrator who does not own the database is told the statement that its owner executes', async () => {
    const admin = await limitedAdmin();
    const database = await fresh();
    await asSuperuser(`GRANT CREATE ON DATABASE ${database.name} TO ${admin}`);
    const attempt = migrate(asUser(database.adminUrl, admin));
    await expect(attempt).rejects.toThrow(`GRANT CREATE ON DATABASE "${database.name}" TO runbook_owner`);
    await asSuperuser(`GRANT CREATE ON DATABASE ${database.name} TO runbook_owner`);
    expect((await migrate(asUser(database.adminUrl, admin))).executed).toContain('0001_ledger');
  });

  test('the administrator is refused as the user of DATABASE_URL, and keeps its password', async () => {
    const admin = await role('LOGIN CREATEROLE');
    const database = await fresh(admin);
    const before = await asSuperuser(`SELECT rolpassword FROM pg_authid WHERE rolname = '${admin}'`);
    const attempt = migrate(asUser(database.adminUrl, admin), { appUser: admin, appPassword: 'other' });
    await expect(attempt).rejects.toThrow('DATABASE_URL names the user');
    const after = await asSuperuser(`SELECT rolpassword FROM pg_authid WHERE rolname = '${admin}'`);
    expect(after[0]?.rows).toEqual(before[0]?.rows);
  });

  test.each([
    ['a user without CREATEROLE', 'LOGIN', 'It needs CREATEROLE'],
    ['a user who may not log in', 'NOLOGIN', 'not permitted to log in'],
  ])('%s is refused with a sentence that holds no password', async (_, attributes, reason) => {
    const admin = await role(attributes);
    const database = await fresh(admin);
    const error = await migrate(asUser(database.adminUrl, admin)).catch((e: unknown) => e);
    expect(String(error)).toContain(reason);
    expect(String(error)).not.toContain(PASSWORD);
  });

  test('a password is stored as the verifier that PostgreSQL itself would make', async () => {
    const name = await role('LOGIN');
    const [stored] = await asSuperuser(`SELECT rolpassword FROM pg_authid WHERE rolname = '${name}'`);
    const verifier = String(stored?.rows[0]?.['rolpassword']);
    const salt = Buffer.from(/^SCRAM-SHA-256\$4096:([^$]+)\$/.exec(verifier)?.[1] ?? '', 'base64');
    expect(scramVerifier(PASSWORD, salt)).toBe(verifier);
  });
});

describe('npm run migrate', () => {
  const MAIN = fileURLToPath(new URL('../../database/main.ts', import.meta.url));
  const run = (env: Record<string, string>) =>
    new Promise<{ code: number; out: string }>((resolve) => {
      const child = execFile(
        process.execPath,
        ['--import', 'tsx', MAIN],
        { env: { PATH: process.env['PATH'] ?? '', ...env } },
        (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, out: stdout + stderr }),
      );
    });

  test('names each variable that is missing', async () => {
    const { code, out } = await run({});
    expect(code).toBe(1);
    for (const name of ['DATABASE_ADMIN_URL', 'DATABASE_URL', 'AUDIT_DATABASE_URL']) {
      expect(out).toContain(`${name} is not set`);
    }
  });

  test('takes the users and passwords from the URLs, and says what it did', async () => {
    const { adminUrl } = await fresh();
    const [app, audit] = ['a', 'b'].map((letter) => `t_${letter}${randomBytes(4).toString('hex')}`);
    const env = {
      DATABASE_ADMIN_URL: adminUrl,
      DATABASE_URL: asUser(adminUrl, String(app)),
      AUDIT_DATABASE_URL: asUser(adminUrl, String(audit)),
    };
    const first = await run(env);
    roles.push(String(app), String(audit));
    expect(first.out).toContain('0001_ledger');
    expect(first.code).toBe(0);
    expect(first.out).not.toContain(PASSWORD);
    expect((await run(env)).out).toContain('newest state');
    const [reads] = await asSuperuser('SELECT count(*) FROM ledger.leaf', env.AUDIT_DATABASE_URL);
    expect(reads?.rowCount).toBe(1);
  });

  test('a value that is no URL is named, not quoted', async () => {
    const { code, out } = await run({
      DATABASE_ADMIN_URL: PASSWORD,
      DATABASE_URL: PASSWORD,
      AUDIT_DATABASE_URL: PASSWORD,
    });
    expect(code).toBe(1);
    expect(out).toContain('DATABASE_URL is not a URL');
    expect(out).not.toContain(PASSWORD);
  });
});

describe('a process refuses to run as', () => {
  let database: EmptyDatabase;
  const bad: string[] = [];
  beforeAll(async () => {
    database = await emptyDatabase();
    await migrate(database.adminUrl);
  });
  afterAll(async () => {
    await database.drop();
    for (const name of bad) await asSuperuser(`DROP ROLE ${name}`);
  });

  test.each([
    ['a superuser', 'SUPERUSER', 'is a superuser'],
    ['a member of the owner', 'IN ROLE runbook_owner', 'owns the ledger'],
    ['a user with BYPASSRLS', 'BYPASSRLS IN ROLE runbook_app', 'BYPASSRLS'],
    ['a user with CREATEROLE', 'CREATEROLE IN ROLE runbook_app', 'CREATEROLE'],
    ['a user who may write everything', 'IN ROLE runbook_app, pg_write_all_data', 'write to the ledger'],
    ['a user without rights', '', 'may not append'],
  ])('%s', async (_, attributes, reason) => {
    const name = `t_${randomBytes(5).toString('hex')}`;
    await asSuperuser(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}' ${attributes}`);
    bad.push(name);
    const pool = new pg.Pool({ connectionString: asUser(database.adminUrl, name) });
    await expect(assertAppRole(pool)).rejects.toThrow(reason);
    await pool.end();
  });

  test('anybody, as long as the migrations were not executed', async () => {
    const empty = await fresh();
    const pool = createPool(empty.adminUrl, 'test');
    await expect(assertAppRole(pool)).rejects.toThrow('npm run migrate');
    await pool.end();
  });
});

test('an idle connection that breaks is reported and replaced; the process lives on', async () => {
  const { adminUrl } = await fresh();
  const errors: Error[] = [];
  const pool = createPool(adminUrl, 'runbook-idle-test', {
    max: 1,
    onIdleError: (error) => errors.push(error),
  });
  await pool.query('SELECT 1');
  const [ended] = await asSuperuser(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runbook-idle-test'",
  );
  expect(ended?.rowCount).toBe(1);
  await expect.poll(() => errors.length).toBeGreaterThan(0);
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await pool.end();
});
