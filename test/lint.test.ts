import { readFile } from 'node:fs/promises';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, expect, test } from 'vitest';

const ROOT = new URL('..', import.meta.url).pathname;

/** The whole configuration but the rules that need types: those need a file that the TypeScript project knows. */
const untyped = new ESLint({ cwd: ROOT, overrideConfig: [tseslint.configs.disableTypeChecked] });
const typed = new ESLint({ cwd: ROOT });

async function findings(filePath: string, code: string, eslint = untyped): Promise<string[]> {
  const results = await eslint.lintText(code, { filePath });
  return results.flatMap((result) => result.messages).map((found) => `${found.ruleId}: ${found.message}`);
}

const RUNBOOK = 'workflows/some-runbook.ts';
const ENGINE = 'workflows/engine/some.ts';
const VERBS = 'activities/openai/verbs.ts';

describe('what may not be in the workflow bundle', () => {
  test.each([
    [
      'a Node module',
      RUNBOOK,
      "import { readFileSync } from 'node:fs';\nexport const x = readFileSync;",
      'A Node module',
    ],
    ['a bare Node module', ENGINE, "import path from 'path';\nexport const x = path.sep;", 'A Node module'],
    ['a Node module re-exported', ENGINE, "export { join } from 'node:path';", 'A Node module'],
    ['a Node module of a verb table', VERBS, "import 'fs/promises';", 'A Node module'],
    [
      'a client',
      RUNBOOK,
      "import { openai } from '../activities/openai/http.js';\nexport const x = openai;",
      "A system's code",
    ],
    ['a client from the engine', ENGINE, "import '../../activities/ledger/postgres.js';", "A system's code"],
    [
      'all steps',
      ENGINE,
      "import { openaiSteps } from '../../activities/openai/steps.js';\nexport const x = openaiSteps;",
      "A system's code",
    ],
    ['a client beside its verbs', VERBS, "import './http.js';", "A system's code next to its verbs"],
    [
      'the steps of another system',
      VERBS,
      "import '../vault/steps.js';",
      "A system's code next to its verbs",
    ],
    ['the worker', RUNBOOK, "import '../worker/systems.js';", 'another layer'],
    ['the triggers', ENGINE, "import '../../triggers/start.js';", 'another layer'],
    ['the simulators', ENGINE, "import '../../simulators/index.js';", 'another layer'],
    ['the local stack', VERBS, "import '../../local/stack.js';", 'another layer'],
    [
      'zod in the engine',
      ENGINE,
      "import { z } from 'zod';\nexport const x = z.string();",
      'zod outside of a runbook',
    ],
    [
      'zod in a verb table',
      VERBS,
      "import { z } from 'zod';\nexport const x = z.string();",
      'zod outside of a runbook',
    ],
    ['a dynamic import', ENGINE, "export const x = () => import('./other.js');", 'A dynamic import'],
    ['Intl', RUNBOOK, 'export const x = new Intl.NumberFormat();', 'Intl in the workflow bundle'],
    ['toLocaleString', RUNBOOK, 'export const x = (n: number) => n.toLocaleString();', 'locale or time-zone'],
    ['local time', ENGINE, 'export const x = (d: Date) => d.getHours();', 'locale or time-zone'],
    [
      'a plain error thrown',
      RUNBOOK,
      "export const x = () => {\n  throw new Error('no');\n};",
      'A plain error thrown',
    ],
    [
      'a type error thrown',
      VERBS,
      "export const x = () => {\n  throw TypeError('no');\n};",
      'A plain error thrown',
    ],
  ])('%s is refused', async (_what, file, code, sentence) => {
    const found = await findings(file, code);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(sentence);
  });

  test.each([
    [
      'a type of a client',
      ENGINE,
      "import type { Openai } from '../../activities/openai/http.js';\nexport type X = Openai;",
    ],
    [
      'the engine’s own steps file',
      RUNBOOK,
      "import { steps } from './engine/steps.js';\nexport const x = steps;",
    ],
    ['zod in a runbook', RUNBOOK, "import { z } from 'zod';\nexport const x = z.string();"],
    ['a type of zod in the engine', ENGINE, "import type { z } from 'zod';\nexport type X = z.ZodType;"],
    ['UTC time', ENGINE, 'export const x = (d: Date) => d.getUTCHours();'],
    [
      'an ApplicationFailure',
      ENGINE,
      "import { ApplicationFailure } from '@temporalio/workflow';\nexport const x = () => {\n  throw ApplicationFailure.nonRetryable('no', 'No');\n};",
    ],
    [
      'a Node module in an activity',
      'activities/openai/http.ts',
      "import { hash } from 'node:crypto';\nexport const x = hash;",
    ],
  ])('%s is allowed', async (_what, file, code) => {
    expect(await findings(file, code)).toEqual([]);
  });
});

describe('the environment, the terminal and tests', () => {
  test.each([
    [
      'process.env in an activity',
      'activities/openai/http.ts',
      "export const x = process.env['KEY'];",
      'process.env',
    ],
    ['process.env taken apart', 'worker/systems.ts', 'export const { env } = process;', 'process.env'],
    [
      'env from node:process',
      'triggers/start.ts',
      "import { env } from 'node:process';\nexport const x = env;",
      'process.env',
    ],
    ['console in an activity', 'activities/http.ts', "console.log('x');", 'no-console'],
    ['a focused test', 'test/some.test.ts', "test.only.each([1])('x', () => undefined);", 'switched off'],
    [
      'a skipped suite',
      'test/some.test.ts',
      "describe.skip.each([1])('x', () => undefined);",
      'switched off',
    ],
    ['a skipped table', 'test/some.test.ts', "test.skip.each([1])('x', () => undefined);", 'switched off'],
    ['a mocked module', 'test/some.test.ts', "vi.doMock('../x.js');", 'A mock of our own code'],
    ['a loose comparison', 'activities/http.ts', 'export const x = (a: number) => a == 1;', 'eqeqeq'],
    ['any', 'activities/http.ts', 'export const x = (a: any): unknown => a;', 'no-explicit-any'],
    [
      'a type imported as a value',
      'activities/http.ts',
      "import { Duration } from '@temporalio/common';\nexport type X = Duration;",
      'consistent-type-imports',
    ],
    [
      'a rule switched off without a reason',
      'activities/http.ts',
      '// eslint-disable-next-line no-console\nconsole.log(1);',
      'without a reason',
    ],
  ])('%s is refused', async (_what, file, code, sentence) => {
    const found = await findings(file, code);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(sentence);
  });

  test.each([
    ['process.env where it is parsed', 'config/environment.ts', "export const x = process.env['KEY'];"],
    ['process.env in a test', 'test/some.test.ts', "export const x = process.env['KEY'];"],
    ['console in the CLI', 'triggers/cli/show.ts', "console.log('x');"],
    [
      'a conditional test',
      'test/some.test.ts',
      "test.skipIf(process.platform === 'win32')('x', () => undefined);",
    ],
    [
      'a rule switched off with a reason',
      'activities/http.ts',
      '// eslint-disable-next-line no-console -- shown before the logger exists\nconsole.log(1);',
    ],
  ])('%s is allowed', async (_what, file, code) => {
    expect(await findings(file, code)).toEqual([]);
  });
});

describe('rules that need types', () => {
  const file = 'activities/http.ts';
  test.each([
    [
      'a promise nobody awaits',
      'export function x(): void {\n  Promise.resolve(1);\n}',
      'no-floating-promises',
    ],
    [
      'a promise behind void',
      'export function x(): void {\n  void Promise.resolve(1);\n}',
      'no-floating-promises',
    ],
    [
      'an async validator',
      'declare const set: (o: { validator: (a: string) => void }) => void;\nset({ validator: async (a) => Promise.reject(new Error(a)) });',
      'no-misused-promises',
    ],
    [
      'a forgotten case',
      "export function x(a: 'b' | 'c'): number {\n  switch (a) {\n    case 'b':\n      return 1;\n  }\n  return 2;\n}",
      'switch-exhaustiveness-check',
    ],
  ])(
    '%s is refused',
    async (_what, code, rule) => {
      const found = await findings(file, code, typed);
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(rule);
    },
    60_000,
  );
});

test('every chapter that a message names exists', async () => {
  const config = await readFile(new URL('../eslint.config.js', import.meta.url), 'utf8');
  const rules = await readFile(new URL('../docs/house-rules.md', import.meta.url), 'utf8');
  const chapters = new Set(
    [...rules.matchAll(/^## (.+)$/gm)].map((heading) => heading[1]?.replaceAll(' ', '-')),
  );
  const named = [
    ...config.matchAll(/^\s+'([a-z]+(?:-[a-z]+)*)',\n\s+(?:IMPORTS|SYNTAX|'no-restricted-properties'),$/gm),
  ];
  expect(named.length).toBeGreaterThan(8);
  for (const [, chapter] of named) expect(chapters).toContain(chapter);
  expect(chapters).toContain('opting-out');
});
