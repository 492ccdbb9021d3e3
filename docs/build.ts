import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Configuration } from '../config/index.js';
import { dotted } from '../config/load.js';
import type { Catalogue, CatalogueEntry } from '../triggers/catalogue.js';
import type { Plan } from '../workflows/engine/types.js';
import { coveragePage, runbookPage, runbooksTable, type PlanVariant, type RunbookFacts } from './pages.js';
import { coveredProcedures } from './covered.js';
import { readProcedures } from './procedures.js';

const START = '<!-- runbooks:start -->';
const END = '<!-- runbooks:end -->';

/** Path below the root to its content; undefined: the file should not be there. */
export type Pages = ReadonlyMap<string, string | undefined>;

/**
 * Every generated page of a checkout.
 * @throws Error naming the runbook, or the file, that has to be corrected
 */
export function buildPages(root: string, catalogue: Catalogue, configuration: Configuration): Pages {
  const procedures = readProcedures();
  const all = [...catalogue.values()].map((entry) => factsOf(root, entry, configuration));
  const pages = new Map<string, string | undefined>();
  for (const name of existingPages(root)) pages.set(`docs/runbooks/${name}`, undefined);
  for (const facts of all)
    pages.set(`docs/runbooks/${facts.entry.command}.md`, runbookPage(facts, procedures));
  pages.set('docs/coverage.md', coveragePage(coveredProcedures(catalogue)));
  pages.set('README.md', withTable(readOr(join(root, 'README.md'), ''), runbooksTable(all)));
  return pages;
}

/** Paths whose file differs from what it should be. */
export function outdated(root: string, pages: Pages): string[] {
  return [...pages]
    .filter(([path, content]) => readOr(join(root, path), undefined) !== content)
    .map(([path]) => path);
}

export function writePages(root: string, pages: Pages): void {
  for (const [path, content] of pages) {
    const file = join(root, path);
    if (content === undefined) {
      rmSync(file);
    } else {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }
}

function factsOf(root: string, entry: CatalogueEntry, configuration: Configuration): RunbookFacts {
  const { spec, command } = entry;
  const variants = new Map<string, PlanVariant>();
  for (const { name, input, ends } of spec.rehearsals) {
    if (ends === 'refused') continue;
    const plan = planOf(entry, name, input, configuration);
    const key = JSON.stringify(plan);
    variants.set(key, { names: [...(variants.get(key)?.names ?? []), name], plan });
  }
  const example = spec.rehearsals.find(({ ends }) => ends !== 'refused')?.input;
  if (example === undefined)
    throw new Error(
      `${spec.name} has no rehearsal that is admitted. Add one: the plan is shown for its input.`,
    );
  return {
    entry,
    variants: [...variants.values()],
    example,
    source: sourceOf(root, command),
  };
}

/** The code of a runbook and of the parts that runbooks share. */
function sourceOf(root: string, command: string): string {
  const parts = join(root, 'workflows', 'parts');
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  return [join(root, 'workflows', `${command}.ts`), ...files].map((file) => readOr(file, '')).join('\n');
}

function planOf({ spec }: CatalogueEntry, name: string, input: unknown, configuration: Configuration): Plan {
  const result = spec.input.safeParse(input);
  if (!result.success) {
    const issues = result.error.issues.map(({ path, message }) => `${dotted(path) || 'input'}: ${message}`);
    throw new Error(`${spec.name}: the input of its rehearsal "${name}" is not valid. ${issues.join('; ')}`);
  }
  const parsed = result.data;
  const references: Readonly<Record<string, string>> = spec.config?.(parsed) ?? {};
  const config = Object.fromEntries(
    Object.entries(references).map(([name, reference]) => {
      const value = configuration.resolve(reference);
      if (value === undefined) {
        throw new Error(
          `${spec.name}: a rehearsal refers to ${reference}, which is not in the folder config/. Add it there.`,
        );
      }
      return [name, value];
    }),
  );
  return spec.plan(parsed, config);
}

function withTable(readme: string, table: string): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start < 0 || end < start) {
    throw new Error(
      `README.md lacks the lines ${START} and ${END}, in this order. Put them where the table belongs.`,
    );
  }
  return `${readme.slice(0, start + START.length)}\n\n${table}\n\n${readme.slice(end)}`;
}

function existingPages(root: string): string[] {
  const folder = join(root, 'docs', 'runbooks');
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.md')) : [];
}

function readOr<T>(file: string, otherwise: T): string | T {
  return existsSync(file) ? readFileSync(file, 'utf8') : otherwise;
}
