import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Configuration } from '../../config/index.js';
import { buildPages, outdated, writePages } from '../../docs/build.js';
import { readProcedures } from '../../docs/procedures.js';
import { catalogueOf } from '../../triggers/catalogue.js';
import type { RunbookSpec } from '../../workflows/engine/types.js';

interface Stored {
  readonly secret: { readonly place: string };
}

const input = z.object({
  secret: z
    .string()
    .meta({ title: 'Secret', description: 'From the inventory', examples: ['openai/api-key'] }),
  kind: z.enum(['scheduled', 'emergency']).default('scheduled').meta({ title: 'Kind' }),
  dryRun: z.boolean().default(false).meta({ title: 'Dry run', description: 'a | b' }),
});

const spec: RunbookSpec<typeof input, Stored> = {
  name: 'sampleRotation',
  title: 'Rotate a sample',
  summary: 'Replaces a key.',
  covers: ['A-062', 'A-068'],
  corrections: ['The document backs up the key too late.'],
  input,
  start: 'operators',
  config: ({ secret }) => ({ secret: `secrets/${secret}` }),
  plan: ({ kind }, config) => [
    {
      heading: `Create a key at ${config.secret.place}`,
      source: '002_c9cf85ce92b0c6c9.txt 36-38',
      uses: ['openai.createKey'],
    },
    ...(kind === 'emergency' ? [] : [{ heading: 'Wait', uses: ['both-valid', 'overlap'] }]),
  ],
  rehearsals: [
    { name: 'on time', input: { secret: 'openai/api-key', dryRun: true }, answers: {} },
    { name: 'declined', input: { secret: 'openai/api-key' }, answers: {} },
    { name: 'stolen', input: { secret: 'openai/api-key', kind: 'emergency' }, answers: {} },
  ],
};

const catalogue = (overrides: Partial<typeof spec> = {}) =>
  catalogueOf({
    sampleRotation: Object.assign(() => Promise.resolve(), { spec: { ...spec, ...overrides } }),
  });

const configuration = {
  resolve: (reference: string) => (reference === 'secrets/openai/api-key' ? { place: 'OpenAI' } : undefined),
} as unknown as Configuration;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'docs-'));
  await writeFile(
    join(root, 'README.md'),
    'before\n<!-- runbooks:start -->\nold\n<!-- runbooks:end -->\nafter\n',
  );
});
afterEach(() => rm(root, { recursive: true }));

describe('the list of procedures', () => {
  const procedures = readProcedures();
  test('has every procedure from A-001 to A-113 once, in order', () => {
    const expected = Array.from({ length: 113 }, (_, index) => `A-${String(index + 1).padStart(3, '0')}`);
    expect(procedures.map(({ id }) => id)).toEqual(expected);
  });

  test('has a name of its own for each', () => {
    expect(new Set(procedures.map(({ slug }) => slug)).size).toBe(113);
  });

  test('cites lines in their order', () => {
    for (const { id, sources } of procedures) {
      for (const { lines } of sources) {
        const [from = 0, to = from] = lines.split('-').map(Number);
        expect(from, id).toBeGreaterThan(0);
        expect(to, id).toBeGreaterThanOrEqual(from);
      }
    }
  });
});

describe('the generated pages', () => {
  test('are complete after writing them, and a change of the runbook is noticed by its file', () => {
    const pages = buildPages(root, catalogue(), configuration);
    const files = ['docs/runbooks/sample-rotation.md', 'docs/coverage.md', 'README.md'];
    expect(outdated(root, pages)).toEqual(files);
    writePages(root, pages);
    expect(outdated(root, buildPages(root, catalogue(), configuration))).toEqual([]);
    const changed = buildPages(root, catalogue({ start: 'security' }), configuration);
    expect(outdated(root, changed)).toEqual(['docs/runbooks/sample-rotation.md']);
  });

  test('of a runbook that is gone are noticed and removed', async () => {
    writePages(root, buildPages(root, catalogue(), configuration));
    const pages = buildPages(root, new Map(), configuration);
    expect(outdated(root, pages)).toContain('docs/runbooks/sample-rotation.md');
    writePages(root, pages);
    await expect(readFile(join(root, 'docs/runbooks/sample-rotation.md'))).rejects.toThrow('ENOENT');
  });

  test('show inputs, who may start it, the plan of each kind of input once, and where it departs from the documents', () => {
    const page = buildPages(root, catalogue(), configuration).get('docs/runbooks/sample-rotation.md') ?? '';
    expect(page).toContain('Members of **operators** may start it.');
    expect(page).toContain('| `secret` | Secret: From the inventory | string | `openai/api-key` |  |');
    expect(page).toContain('| `kind` (optional) | Kind | `scheduled`, `emergency` |  | `scheduled` |');
    expect(page).toContain('a \\| b');
    expect(page).toContain('npx runbook start sample-rotation --secret openai/api-key --dry-run\n');
    expect(page.match(/### As in/g)).toHaveLength(2);
    expect(page).toContain('### As in the rehearsals “on time”, “declined”');
    expect(page).toContain('1. **Create a key at OpenAI** (002_c9cf85ce92b0c6c9.txt 36-38)');
    expect(page).toContain('(`openai.createKey`)');
    expect(page).toContain('- The document backs up the key too late.');
    expect(page).toContain('| A-062 | OpenAI API Key rotation | 002_c9cf85ce92b0c6c9.txt 34-40 |');
  });

  test('tell gates, waits and manual steps apart by the runbook’s source', async () => {
    writePages(
      root,
      new Map([
        ['workflows/sample-rotation.ts', "await run.approve('both-valid', {});\nrun.wait(\n 'overlap')"],
      ]),
    );
    const page = buildPages(root, catalogue(), configuration).get('docs/runbooks/sample-rotation.md') ?? '';
    expect(page).toContain('- Approval: `both-valid`');
    expect(page).toContain('- Wait: `overlap`');
  });

  test('a step that only takes something back is marked as such', () => {
    const plan = () => [{ heading: 'Create', uses: ['openai.createKey', 'openai.discardKey'] }];
    const page = buildPages(root, catalogue({ plan }), configuration).get('docs/runbooks/sample-rotation.md');
    expect(page).toContain('- Only to take it back, when the run is stopped: Delete the OpenAI key');
    expect(page).toMatch(/- Create a new OpenAI key/);
  });

  test('say of every procedure which runbook covers it', () => {
    const coverage = buildPages(root, catalogue(), configuration).get('docs/coverage.md') ?? '';
    expect(coverage).toContain('2 of the 113 procedures');
    expect(coverage).toMatch(/\| A-068 \|.*\[sample-rotation\]\(runbooks\/sample-rotation\.md\) \|/);
    expect(coverage.match(/not yet/g)).toHaveLength(111);
  });

  test('replace the table of the README and nothing else', () => {
    const readme = buildPages(root, catalogue(), configuration).get('README.md') ?? '';
    expect(readme).toMatch(
      /^before\n<!-- runbooks:start -->\n\n\| Runbook [^]*\|\n\n<!-- runbooks:end -->\nafter\n$/,
    );
    expect(readme).not.toContain('old');
  });

  test.each([
    ['a procedure that does not exist', { covers: ['A-114'] }, 'A-114, which is not in docs/procedures.json'],
    [
      'a verb that does not exist',
      { plan: () => [{ heading: 'x', uses: ['openai.createKye'] }] },
      'openai.createKye, which is no verb',
    ],
    [
      'a secret that is not configured',
      { config: () => ({ secret: 'secrets/none' }) },
      'secrets/none, which is not in the folder config/',
    ],
    [
      'a rehearsal whose input is not valid',
      { rehearsals: [{ name: 'odd', input: { secret: 7 as never }, answers: {} }] },
      'rehearsal "odd" is not valid. secret: ',
    ],
    ['no rehearsal', { rehearsals: [] }, 'has no rehearsal'],
  ])('are refused for a runbook with %s', (_what, overrides, sentence) => {
    expect(() => buildPages(root, catalogue(overrides), configuration)).toThrow(sentence);
  });

  test('are refused when the README has no place for the table', async () => {
    await writeFile(join(root, 'README.md'), '# x\n');
    expect(() => buildPages(root, catalogue(), configuration)).toThrow('README.md lacks the lines');
  });
});
