import { fileURLToPath } from 'node:url';
import { openConfiguration } from '../config/index.js';
import { catalogueOf } from '../triggers/catalogue.js';
import * as workflows from '../workflows/index.js';
import { buildPages, outdated, writePages } from './build.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The moments in examples follow from it: the pages do not change from day to day. */
const EXAMPLE_NOW = new Date('2027-01-01T12:00:00Z');

/** `npm run docs` writes the generated pages; with `--check` it only says which ones differ. */
function main(): number {
  const check = process.argv.includes('--check');
  const pages = buildPages(
    ROOT,
    catalogueOf(workflows, EXAMPLE_NOW),
    openConfiguration(fileURLToPath(new URL('../config', import.meta.url))),
  );
  const different = outdated(ROOT, pages);
  if (!check) {
    writePages(ROOT, pages);
    console.log(different.length === 0 ? 'The pages are up to date.' : `Written: ${different.join(', ')}.`);
    return 0;
  }
  if (different.length === 0) return 0;
  for (const path of different)
    console.error(`${path} is not what the runbooks say. Execute \`npm run docs\` and commit it.`);
  return 1;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
