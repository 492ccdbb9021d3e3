import { Connection } from '@temporalio/client';
import pg from 'pg';
import { expect, test } from 'vitest';
import { canSkipTime } from '../../local/namespaces.js';
import { freshDatabase, stack } from '../helpers/stack.js';

test('two databases of one test file are migrated and separate', async () => {
  const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
  expect(one.adminUrl).not.toBe(two.adminUrl);
  const admin = new pg.Client({ connectionString: one.adminUrl });
  await admin.connect();
  await admin.query('create table only_here (id int)');
  const other = new pg.Client({ connectionString: two.appUrl });
  await other.connect();
  const tables = await other.query(`select to_regclass('only_here') as found, current_user as me`);
  expect(tables.rows[0]).toMatchObject({ found: null, me: stack().appUser });
  await admin.end();
  await other.end();
});

test('time can be skipped in namespace rehearsal and nowhere else', async () => {
  const { temporalAddress, liveNamespace, rehearsalNamespace } = stack();
  expect(await canSkipTime(temporalAddress, rehearsalNamespace)).toBe(true);
  expect(await canSkipTime(temporalAddress, liveNamespace)).toBe(false);
});

test('both namespaces keep closed runs as long as the design says', async () => {
  const { temporalAddress, liveNamespace, rehearsalNamespace } = stack();
  const connection = await Connection.connect({ address: temporalAddress });
  const days = async (namespace: string): Promise<number> => {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    return Number(config?.workflowExecutionRetentionTtl?.seconds?.toString() ?? 0) / 86_400;
  };
  expect(await days(liveNamespace)).toBe(30);
  expect(await days(rehearsalNamespace)).toBe(3);
  await connection.close();
});
