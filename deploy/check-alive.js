// The container's health check: `node deploy/check-alive.js worker`. Plain JavaScript, because it is started often.
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Six missed signs of life. */
const TOO_OLD_MS = 60_000;

const name = process.argv[2];
const directory = process.env['RUNBOOK_DATA_DIR'] ?? '.data';
if (name === undefined) {
  console.error('Usage: node deploy/check-alive.js worker|triggers');
  process.exit(2);
}
try {
  const age = Date.now() - statSync(join(directory, 'alive', `${name}@${hostname()}`)).mtimeMs;
  if (age > TOO_OLD_MS) {
    console.error(`${name} gave its last sign of life ${Math.round(age / 1000)} s ago. Look at its log.`);
    process.exit(1);
  }
} catch {
  console.error(`${name} has given no sign of life yet. Look at its log.`);
  process.exit(1);
}
