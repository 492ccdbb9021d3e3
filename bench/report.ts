import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { BenchStack } from './stack.js';
import { estimate, type Estimate } from './statistics.js';

const RESULTS = fileURLToPath(new URL('results/', import.meta.url));
const SDK_VERSION = (createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string })
  .version;

export type Target = { readonly atMost: number } | { readonly atLeast: number };

export interface Metric extends Estimate {
  readonly name: string;
  /** `x` for a ratio. */
  readonly unit: string;
  /** Without one it is only reported. */
  readonly target: Target | null;
  /** Whether the far end of the interval meets the target; null without a target. */
  readonly met: boolean | null;
  /** One per pair that counts. */
  readonly samples: readonly number[];
}

/** Something that holds or does not, such as "no extra history events". */
export interface Assertion {
  readonly name: string;
  readonly holds: boolean;
  readonly detail: string;
}

export interface Result {
  readonly name: string;
  readonly metrics: readonly Metric[];
  readonly assertions: readonly Assertion[];
  /** What a reader must know to judge the numbers. */
  readonly notes: readonly string[];
}

export function metric(
  name: string,
  unit: string,
  samples: readonly number[],
  target: Target | null = null,
): Metric {
  const { median, low, high } = estimate(samples);
  const met = target === null ? null : 'atMost' in target ? high <= target.atMost : low >= target.atLeast;
  return { name, unit, target, met, median, low, high, samples };
}

/** Prints a result, and writes it to bench/results/<name>.json. */
export async function report(stack: BenchStack, result: Result): Promise<void> {
  const environment = await environmentOf(stack);
  console.log();
  for (const { name, unit, target, met, median, low, high, samples } of result.metrics) {
    const wanted =
      target === null
        ? ''
        : 'atMost' in target
          ? `target <= ${number(target.atMost)}`
          : `target >= ${number(target.atLeast)}`;
    const verdict = met === null ? '' : met ? `: met (${wanted})` : `: NOT MET (${wanted})`;
    console.log(
      `${name}: ${number(median)} ${unit}, 95 % CI ${number(low)} to ${number(high)}, ${samples.length} pairs${verdict}`,
    );
  }
  for (const { name, holds, detail } of result.assertions) {
    console.log(`${name}: ${holds ? 'holds' : 'DOES NOT HOLD'} (${detail})`);
  }
  for (const note of result.notes) console.log(`Note: ${note}`);
  console.log(
    Object.entries(environment)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  );
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${result.name}.json`);
  const { name, ...rest } = result;
  writeFileSync(
    file,
    `${JSON.stringify({ name, at: new Date().toISOString(), environment, ...rest }, null, 2)}\n`,
  );
  console.log(`Written to bench/results/${result.name}.json`);
}

async function environmentOf(stack: BenchStack): Promise<Record<string, string>> {
  const database = new pg.Client({ connectionString: stack.adminUrl });
  await database.connect();
  const settings: Record<string, string> = {};
  try {
    for (const name of ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes']) {
      const { rows } = await database.query<{ value: string }>('SELECT current_setting($1) AS value', [name]);
      settings[name === 'server_version' ? 'postgres' : name] = rows[0]?.value ?? 'unknown';
    }
  } finally {
    await database.end();
  }
  const { serverVersion } = await stack.connection.workflowService.getSystemInfo({});
  const [processor] = cpus();
  return {
    node: process.version,
    'temporal server': `${serverVersion ?? 'unknown'} on Postgres`,
    'temporal sdk': SDK_VERSION,
    ...settings,
    machine: `${cpus().length} x ${processor?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}`,
  };
}

function number(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toFixed(3);
}
