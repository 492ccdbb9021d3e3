import { fileURLToPath } from 'node:url';
import { catalogueOf, findRunbook, type Catalogue } from '../triggers/catalogue.js';
import { bundleWorkflows } from '../worker/bundle.js';
import { RehearsalHost } from '../worker/rehearsal/index.js';
import * as workflows from '../workflows/index.js';
import { seventyTwoHours } from './fixtures/seventy-two-hours.js';
import { unskippedHost, type UnskippedRun } from './rehearsal-peer.js';
import { metric, type Assertion, type Metric, type Result } from './report.js';
import type { BenchStack } from './stack.js';
import { inTurn } from './statistics.js';

const PAIRS = 12;
const HOUR_MS = 3_600_000;
const SHORT_TIMERS = fileURLToPath(new URL('fixtures/short-timers.ts', import.meta.url));

interface Case {
  readonly runbook: string;
  readonly rehearsal: string;
  /** Undefined: the product's own runbooks. */
  readonly fixture?: string;
  readonly catalogue: Catalogue;
  /** Times real time, when it has a target. */
  readonly speed?: number;
}

const CASES: readonly Case[] = [
  { runbook: 'secretRotation', rehearsal: 'OpenAI key, scheduled', catalogue: catalogueOf(workflows) },
  {
    runbook: 'seventyTwoHours',
    rehearsal: '72 hours',
    fixture: fileURLToPath(new URL('fixtures/seventy-two-hours.ts', import.meta.url)),
    catalogue: catalogueOf({ seventyTwoHours }),
    speed: 50_000,
  },
];

/** P9: what skipping time on the server adds to a rehearsal. */
export async function rehearsal(stack: BenchStack, progress: (line: string) => void): Promise<Result> {
  const metrics: Metric[] = [];
  const assertions: Assertion[] = [];
  for (const one of CASES) {
    const measured = await compare(stack, one, progress);
    metrics.push(...measured.metrics);
    assertions.push(measured.assertion);
  }
  return {
    name: 'rehearsal',
    metrics,
    assertions,
    notes: [
      'The peer is the same workflow, worker, ledger and simulators; its timers take 1 ms and its answers come at once.',
      'The 72 hours are a runbook of this benchmark: three gates and a look every hour.',
    ],
  };
}

async function compare(
  stack: BenchStack,
  { runbook, rehearsal: name, fixture, catalogue, speed }: Case,
  progress: (line: string) => void,
): Promise<{ readonly metrics: Metric[]; readonly assertion: Assertion }> {
  const { rehearsal: client, native: connection, pool, ledger, configuration, simulators } = stack;
  const entry = findRunbook(catalogue, runbook);
  const scripted = entry?.spec.rehearsals.find((candidate) => candidate.name === name);
  if (entry === undefined || scripted === undefined)
    throw new Error(`${runbook} has no rehearsal "${name}".`);
  const bundle = await bundleWorkflows(fixture);
  const ours = await RehearsalHost.open({
    ...{ client, connection, pool, ledger, configuration, catalogue, bundle, simulators },
    org: 'default',
  });
  const peer = await unskippedHost(stack, await bundleWorkflows(fixture, [SHORT_TIMERS]), catalogue);
  try {
    const skipped = async (): Promise<UnskippedRun> => {
      const { run, wallMs, virtualMs, entries } = await ours.rehearse(entry, scripted);
      simulators.drop(run);
      const steps = entries.filter(({ entry: e }) => e.kind === 'step.outcome' && e.outcome === 'ok').length;
      return { wallMs, virtualMs, steps };
    };
    const pairs = await inTurn(
      PAIRS,
      skipped,
      () => peer.execute(entry, scripted),
      (pair, a, b) =>
        progress(
          `${runbook} pair ${pair}: ${a.wallMs} / ${b.wallMs} ms = ${(a.wallMs / b.wallMs).toFixed(3)}, ` +
            `${(a.virtualMs / HOUR_MS).toFixed(2)} h, ${a.steps} / ${b.steps} steps${pair < 1 ? ' (dropped)' : ''}`,
        ),
    );
    const times = metric(
      `${runbook}: times real time`,
      'x',
      pairs.map((pair) => pair.ours.virtualMs / pair.ours.wallMs),
      speed === undefined ? null : { atLeast: speed },
    );
    return {
      metrics: [
        metric(
          `${runbook} "${name}": skipping time / timers of 1 ms`,
          'x',
          pairs.map((pair) => pair.ours.wallMs / pair.peer.wallMs),
          { atMost: 1.3 },
        ),
        times,
        metric(
          `${runbook}: a rehearsal`,
          'ms',
          pairs.map((pair) => pair.ours.wallMs),
        ),
        metric(
          `${runbook}: its peer`,
          'ms',
          pairs.map((pair) => pair.peer.wallMs),
        ),
      ],
      assertion: {
        name: `${runbook}: both sides execute the same steps`,
        holds: pairs.every((pair) => pair.ours.steps === pair.peer.steps),
        detail: `${pairs[0]?.ours.steps ?? 0} and ${pairs[0]?.peer.steps ?? 0} steps`,
      },
    };
  } finally {
    await ours.close();
    await peer.stop();
  }
}
