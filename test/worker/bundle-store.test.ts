import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../database/pool.js';
import { postgresBundleStore, type BundleStore } from '../../worker/bundle-store.js';
import { identify } from '../../worker/bundle.js';
import { freshDatabase, type TestDatabase } from '../helpers/stack.js';

let database: TestDatabase;
let pool: pg.Pool;
let store: BundleStore;

beforeAll(async () => {
  database = await freshDatabase();
  pool = createPool(database.appUrl, 'bundle-store-test');
  store = postgresBundleStore(pool, '1.24.0');
});
afterAll(() => pool.end());

async function asAdmin(text: string, values: unknown[]): Promise<void> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();
  try {
    await client.query(text, values);
  } finally {
    await client.end();
  }
}

test('a bundle comes out as it was put in, and the first one of a build id stays', async () => {
  const first = identify('first();\n//# sourceMappingURL=a');
  await store.put(first);
  await store.put(identify('first();\n//# sourceMappingURL=b'));
  expect(await store.get(first.buildId)).toEqual(first);
  const second = identify('second();');
  await store.put(second);
  expect(await store.list()).toEqual([first.buildId, second.buildId]);
  expect(await store.get('0123456789abcdef')).toBeUndefined();
});

test.each([
  ['code', 'code', gzipSync('evil();')],
  ['hash', 'file_hash', 'f'.repeat(64)],
])('a bundle whose %s was changed in the store is refused', async (_what, column, value) => {
  const bundle = identify(`harmless(${JSON.stringify(column)});`);
  await store.put(bundle);
  await asAdmin(`UPDATE engine.bundle SET ${column} = $2 WHERE build_id = $1`, [bundle.buildId, value]);
  await expect(store.get(bundle.buildId)).rejects.toThrow(
    `The stored workflow bundle ${bundle.buildId} was changed.`,
  );
});

test('the application itself can not change or remove a stored bundle', async () => {
  const bundle = identify('kept();');
  await store.put(bundle);
  await expect(pool.query('UPDATE engine.bundle SET code = $1', [gzipSync('evil();')])).rejects.toThrow(
    'permission denied',
  );
  await expect(pool.query('DELETE FROM engine.bundle')).rejects.toThrow('permission denied');
  expect(await store.get(bundle.buildId)).toEqual(bundle);
});
