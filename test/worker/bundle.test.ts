import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleWorkflows, identify, type WorkflowBundle } from '../../worker/bundle.js';

const folder = mkdtempSync(join(tmpdir(), 'runbook-bundle-'));
let bundle: WorkflowBundle;
beforeAll(async () => {
  bundle = await bundleWorkflows();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the same code has the same build id, whatever folder the process was started in', async () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const module = JSON.stringify(new URL('../../worker/bundle.ts', import.meta.url).href);
  const print = `console.log((await (await import(${module})).bundleWorkflows()).buildId)`;
  const args = ['--import', tsx, '--input-type=module', '--eval', print];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
  expect(stdout.trim()).toBe(bundle.buildId);
});

test('the build id follows from the code and not from its source map, which names folders', () => {
  const [code = '', map = ''] = bundle.code.split('//# sourceMappingURL=');
  expect(map.length).toBeGreaterThan(1_000);
  const elsewhere = identify(`${code}//# sourceMappingURL=data:application/json;base64,e30=`);
  expect(elsewhere).toMatchObject({ buildId: bundle.buildId, codeHash: bundle.codeHash });
  expect(elsewhere.fileHash).not.toBe(bundle.fileHash);
  expect(identify(`${code} `).buildId).not.toBe(bundle.buildId);
  expect(bundle.buildId).toMatch(/^[0-9a-f]{16}$/);
});

test('zod stays out of the bundle, and the replay recorder is in it', () => {
  const [code = ''] = bundle.code.split('//# sourceMappingURL=');
  expect(code).toContain('workflows/engine/zod-stub.ts');
  expect(code).not.toMatch(/node_modules\/zod\//);
  expect(code).not.toContain('ZodError');
  expect(code).toContain('workflows/engine/interceptors.ts');
  expect(code).toContain('replayRecorder');
  expect(code).toContain('concludeActivation');
});

test('no client and no code of a step is in the bundle', () => {
  const [code = ''] = bundle.code.split('//# sourceMappingURL=');
  expect(code).toContain('activities/openai/verbs.ts');
  expect(code).not.toMatch(/activities\/\w+\/(http|steps|postgres)\.ts/);
  expect(code).not.toMatch(/\/(worker|triggers|simulators|database|local)\/[\w-]+\.ts/);
});
