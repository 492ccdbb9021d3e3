import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { expect, test } from 'vitest';
import { failedReplays } from './properties/history.js';

const folder = fileURLToPath(new URL('histories/', import.meta.url));
const names = readdirSync(folder).flatMap((file) =>
  file.endsWith('.history.json') ? [file.replace('.history.json', '')] : [],
);

test('there is at least one history that was recorded earlier', () => {
  expect(names.length).toBeGreaterThan(0);
});

test.each(names)('%s replays on the code that it was recorded with', async (name) => {
  const code = gunzipSync(readFileSync(`${folder}${name}.bundle.js.gz`)).toString('utf8');
  const { workflowId, history } = JSON.parse(readFileSync(`${folder}${name}.history.json`, 'utf8')) as {
    workflowId: string;
    history: unknown;
  };
  expect(await failedReplays(code, [{ workflowId, history: historyFromJSON(history) }])).toEqual([]);
});
