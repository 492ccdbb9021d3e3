import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { applicationOver } from '../../activities/application/index.js';
import { applicationSteps } from '../../activities/application/steps.js';
import type { Systems } from '../../activities/index.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { CUSTOMERS, ORDERS } from '../../local/sample-application/database.js';
import {
  createSampleDatabases,
  databaseUrls,
  type SampleDatabases,
} from '../../local/sample-application/databases.js';
import { startSampleApplication, type SampleApplication } from '../../local/sample-application/server.js';
import { load } from '../../local/sample-application/store.js';
import { stack } from '../helpers/stack.js';
import { failureOf, runVerb, stepContext } from '../helpers/vendor.js';
import { inputs } from './application-inputs.js';

let name: string;
let urls: SampleDatabases;
let folder: string;
let sample: SampleApplication;
let app: ReturnType<typeof applicationSteps>;
let count = 0;
const next = () => stepContext({ stepId: `application.verb#${(count += 1)}` });

async function query<R extends pg.QueryResultRow>(url: string, text: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(text)).rows;
  } finally {
    await client.end();
  }
}
const rows = async (url: string, table: string): Promise<number | undefined> =>
  (await query<{ count: number }>(url, `select count(*)::int as count from ${table}`))[0]?.count;
const digest = async (): Promise<string | undefined> =>
  (
    await query<{ digest: string }>(
      urls.APPLICATION_DATABASE_URL,
      `select md5(string_agg(o::text || c::text, ',' order by o.id)) as digest
       from orders o join customers c on c.id = o.customer_id`,
    )
  )[0]?.digest;
const ask = (path: string, body?: object) =>
  fetch(new URL(path, sample.url), body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) });

async function drop(): Promise<void> {
  for (const database of [name, `${name}_dr`])
    await query(stack().adminUrl, `drop database if exists ${database} with (force)`);
  await query(stack().adminUrl, `drop role if exists ${name}`);
}

async function start(): Promise<void> {
  sample = await startSampleApplication({ folder, databaseUrls: databaseUrls({ ...urls }) });
  app = applicationSteps({
    application: applicationOver({ baseUrl: sample.url, vault: memoryVault() }),
  } as Systems);
}

beforeAll(() => {
  name = `${stack().databasePrefix}${randomBytes(4).toString('hex')}`;
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sample-database-'));
  urls = await createSampleDatabases(stack().adminUrl, name);
  await start();
});
afterEach(async () => {
  await sample.close();
  await rm(folder, { recursive: true });
  await drop();
});
afterAll(drop);

describe('the database of the sample application', () => {
  test('is filled with the same rows each time, once; that of disaster recovery stays empty', async () => {
    expect(await rows(urls.APPLICATION_DATABASE_URL, 'customers')).toBe(CUSTOMERS);
    expect(await rows(urls.APPLICATION_DATABASE_URL, 'orders')).toBe(ORDERS);
    const first = await digest();
    await sample.close();
    await start();
    expect(await digest()).toBe(first);
    await sample.close();
    await drop();
    urls = await createSampleDatabases(stack().adminUrl, name);
    await start();
    expect(await digest()).toBe(first);
    expect(await query(urls.APPLICATION_DR_DATABASE_URL, "select to_regclass('orders') as there")).toEqual([
      { there: null },
    ]);
  });

  test('keeps its data when the local stack starts again with a new password', async () => {
    await query(urls.APPLICATION_DATABASE_URL, 'delete from orders where id > 10');
    const earlier = urls.APPLICATION_DATABASE_URL;
    urls = await createSampleDatabases(stack().adminUrl, name);
    expect(await rows(urls.APPLICATION_DATABASE_URL, 'orders')).toBe(10);
    await expect(rows(earlier, 'orders')).rejects.toThrow('password authentication failed');
  });

  test('that is not there at the start is filled when it comes, and the service runs meanwhile', async () => {
    await sample.close();
    await drop();
    urls = await createSampleDatabases(stack().adminUrl, name);
    await query(stack().adminUrl, `alter database ${name} rename to ${name}_late`);
    await start();
    expect((await ask('/orders/1')).status).toBe(503);
    expect((await ask('/health/email')).status).toBe(200);
    await query(stack().adminUrl, `alter database ${name}_late rename to ${name}`);
    await vi.waitFor(async () => expect((await ask('/orders/1')).status).toBe(200), { timeout: 20_000 });
  });

  test('serves orders and takes new ones', async () => {
    const answer = await ask('/orders/1');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      id: 1,
      customerId: 1920,
      amountCents: 5229,
      status: 'shipped',
      createdAt: '2026-01-01T00:37:00Z',
    });
    const added = await ask('/orders', { customerId: 5, amountCents: 100 });
    expect([added.status, await added.json()]).toEqual([201, { id: ORDERS + 1 }]);
    const wrong = [
      await ask('/orders/0'),
      await ask("/orders/1'--"),
      await ask(`/orders/${ORDERS + 5}`),
      await ask('/orders', { customerId: CUSTOMERS + 1, amountCents: 100 }),
      await ask('/orders', { customerId: 1, amountCents: -1 }),
    ];
    expect(wrong.map(({ status }) => status)).toEqual([400, 400, 404, 422, 422]);
  });

  test('takes no order in read-only mode and none in maintenance', async () => {
    const order = { customerId: 5, amountCents: 100 };
    await runVerb(app.freezeWrites, { reason: 'failback' }, next());
    expect([(await ask('/orders', order)).status, (await ask('/orders/1')).status]).toEqual([409, 200]);
    await runVerb(app.unfreezeWrites, {}, next());
    const until = new Date(Date.now() + 60_000).toISOString();
    await runVerb(app.enableMaintenance, { message: 'Back soon.', until }, next());
    expect([(await ask('/orders', order)).status, (await ask('/orders/1')).status]).toEqual([503, 503]);
    expect(await rows(urls.APPLICATION_DATABASE_URL, 'orders')).toBe(ORDERS);
  });

  test('is what its health check looks at, in each environment', async () => {
    const health = async (environment: string) =>
      (await runVerb(app.health, { checks: ['database', 'orders', 'email'], environment }, next())).failed;
    expect(await health('production')).toEqual([]);
    await runVerb(app.deployEnvironment, { environment: 'dr' }, next());
    expect(await health('dr')).toEqual(['database', 'orders']);
    await query(
      urls.APPLICATION_DR_DATABASE_URL,
      'create table customers as select 1 as id; create table orders as select 1 as id, 1 as customer_id',
    );
    expect(await health('dr')).toEqual([]);
    await query(urls.APPLICATION_DATABASE_URL, 'truncate orders');
    expect(await health('production')).toEqual(['database', 'orders']);
  });

  test('may go away and come back under the running application', async () => {
    const rename = (from: string, to: string) =>
      query(stack().adminUrl, `alter database ${from} rename to ${to}`);
    expect((await ask('/orders/1')).status).toBe(200);
    await query(
      stack().adminUrl,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
    );
    await rename(name, `${name}_away`);
    try {
      expect((await ask('/orders/1')).status).toBe(503);
      expect((await runVerb(app.health, { checks: ['database'] }, next())).passed).toBe(false);
      expect((await failureOf(runVerb(app.runMigrations, {}, next()))).type).toBe('VendorUnavailable');
    } finally {
      await rename(`${name}_away`, name);
    }
    expect((await ask('/orders/1')).status).toBe(200);
    expect((await runVerb(app.health, { checks: ['database'] }, next())).passed).toBe(true);
  });

  test('counts the users who are notified', async () => {
    const message = { subject: 'Your data', message: 'Change your password.' };
    expect(await runVerb(app.notifyUsers, { audience: 'all', ...message }, next())).toEqual({
      recipients: CUSTOMERS,
    });
    const [open] = await query<{ count: number }>(
      urls.APPLICATION_DATABASE_URL,
      "select count(distinct customer_id)::int as count from orders where status = 'open'",
    );
    expect(await runVerb(app.notifyUsers, { audience: 'affected', ...message }, next())).toEqual({
      recipients: open?.count,
    });
  });
});

describe('migrations of the sample application', () => {
  const columns = async (): Promise<string[]> =>
    (
      await query<{ name: string }>(
        urls.APPLICATION_DATABASE_URL,
        "select column_name as name from information_schema.columns where table_name = 'orders'",
      )
    ).map((column) => column.name);

  test('change the tables and are taken back, once for each step, also when the service forgot', async () => {
    const [up, down] = [next(), next()];
    expect(await runVerb(app.runMigrations, {}, up)).toEqual({ applied: 3 });
    expect(await columns()).toEqual(expect.arrayContaining(['note', 'priority']));
    await runVerb(app.rollBackMigrations, { count: 1 }, down);
    await sample.close();
    await rm(join(folder, 'state.json'));
    await start();
    await runVerb(app.rollBackMigrations, { count: 1 }, down);
    expect(await runVerb(app.runMigrations, {}, up)).toEqual({ applied: 3 });
    expect(await columns()).toContain('note');
    expect(await columns()).not.toContain('priority');
    expect(await runVerb(app.runMigrations, {}, next())).toEqual({ applied: 1 });
  });

  test('and other changes that come at once are made one after the other: none is lost', async () => {
    const scaleUps = () =>
      Array.from({ length: 5 }, () => runVerb(app.scaleUp, { component: 'api' }, next()));
    const [migrated] = await Promise.all([runVerb(app.runMigrations, {}, next()), ...scaleUps()]);
    await Promise.all([runVerb(app.notifyUsers, inputs.notifyUsers, next()), ...scaleUps()]);
    expect(migrated).toEqual({ applied: 3 });
    const { scaled, answered } = load(folder, 'state');
    expect([scaled.length, answered.length]).toEqual([10, 12]);
  });

  test('are all taken back when one of them fails, and a person is told', async () => {
    await query(urls.APPLICATION_DATABASE_URL, 'alter table orders add column priority text');
    const failure = await failureOf(runVerb(app.runMigrations, {}, next()));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(await columns()).not.toContain('note');
  });
});
