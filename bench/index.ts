import process from 'node:process';
import { report, type Result } from './report.js';
import { openStack, type BenchStack } from './stack.js';

interface Benchmark {
  readonly what: string;
  readonly run: (stack: BenchStack, progress: (line: string) => void) => Promise<Result>;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  steps: {
    what: 'How much longer 50 audited steps take than 50 bare activities of Temporal.',
    run: async (...args) => (await import('./steps.js')).steps(...args),
  },
  rehearsal: {
    what: 'How much longer a rehearsal that skips time takes than the same run with timers of 1 ms.',
    run: async (...args) => (await import('./rehearsal.js')).rehearsal(...args),
  },
  waiting: {
    what: 'How much more memory 1,000 runs that wait for an approval take than 1,000 bare workflows that wait.',
    run: async (...args) => (await import('./waiting.js')).waiting(...args),
  },
};

/** A missed target is a result, not a failure: only a benchmark that could not measure exits with 1. */
async function main(name: string | undefined): Promise<number> {
  const benchmark = name === undefined ? undefined : BENCHMARKS[name];
  if (benchmark === undefined) {
    console.error(name === undefined ? 'Which benchmark?' : `There is no benchmark "${name}".`);
    for (const [known, { what }] of Object.entries(BENCHMARKS))
      console.error(`  npm run bench -- ${known.padEnd(10)} ${what}`);
    return 2;
  }
  const startedAt = performance.now();
  const progress = (line: string): void =>
    console.log(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
  const stack = await openStack(progress);
  try {
    await report(stack, await benchmark.run(stack, progress));
  } finally {
    await stack.close();
  }
  return 0;
}

main(process.argv[2]).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  },
);
