import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { memoryVault } from '../activities/vault/memory.js';
import type { Vault } from '../activities/vault/contract.js';
import { catalogueOf } from '../triggers/catalogue.js';
import { bundleWorkflows } from '../worker/bundle.js';
import { worldSystems } from '../worker/systems.js';
import { bareWorker } from './bare-worker.js';
import { engineWorker, startRun, WORLD } from './engine-worker.js';
import { noOpSteps } from './fixtures/no-op-steps.js';
import { metric, type Result } from './report.js';
import type { BenchStack } from './stack.js';
import { inTurn, median } from './statistics.js';

const STEPS = 50;
const PAIRS = 20;
const SECRET = 'openai/api-key';

interface Measured {
  /** From scheduling the first step to the end of the last one, by the server's clock, in milliseconds. */
  readonly bodyMs: number;
  /** From asking for the start to having the result. */
  readonly wholeMs: number;
  /** Events of the body. */
  readonly events: number;
}

/** P3: what the engine and the ledger add to a step. */
export async function steps(stack: BenchStack, progress: (line: string) => void): Promise<Result> {
  const vault = memoryVault();
  const { ref } = await vault.put(SECRET, 'no secret', { key: 'seed' });
  await vault.promote(ref);
  const ours = await ledgeredSide(stack, vault);
  const peer = await bareSide(stack, vault);
  try {
    const pairs = await inTurn(PAIRS, ours.measure, peer.measure, (pair, a, b) =>
      progress(
        `pair ${pair}: body ${a.bodyMs.toFixed(0)} / ${b.bodyMs.toFixed(0)} ms = ${(a.bodyMs / b.bodyMs).toFixed(3)}, ` +
          `whole ${a.wholeMs.toFixed(0)} / ${b.wholeMs.toFixed(0)} ms${pair < 1 ? ' (dropped)' : ''}`,
      ),
    );
    const extra = pairs.map((pair) => (pair.ours.events - pair.peer.events) / STEPS);
    return {
      name: 'steps',
      metrics: [
        metric(
          `${STEPS} ledgered steps / ${STEPS} bare activities, first step to last`,
          'x',
          pairs.map((pair) => pair.ours.bodyMs / pair.peer.bodyMs),
          { atMost: 1.2 },
        ),
        metric(
          'the same, whole run with admission and close',
          'x',
          pairs.map((pair) => pair.ours.wholeMs / pair.peer.wholeMs),
        ),
        metric(
          'a ledgered step',
          'ms',
          pairs.map((pair) => pair.ours.bodyMs / STEPS),
        ),
        metric(
          'a bare activity',
          'ms',
          pairs.map((pair) => pair.peer.bodyMs / STEPS),
        ),
      ],
      assertions: [
        {
          name: 'no extra history events per step',
          holds: extra.every((events) => events === 0),
          detail: `median ${median(extra)} per step, at most ${Math.max(...extra)}`,
        },
      ],
      notes: [
        'The metric is the body of the run: from scheduling the first step to the end of the last, by the server.',
        'Each ledgered step makes two commits of its own (intent before, outcome after) inside its activity.',
      ],
    };
  } finally {
    await ours.stop();
    await peer.stop();
  }
}

async function ledgeredSide(stack: BenchStack, vault: Vault) {
  const { native, live, pool, ledger, configuration, simulators } = stack;
  const services = { client: live, pool, ledger, configuration, catalogue: catalogueOf({ noOpSteps }) };
  const { taskQueue, stop } = await engineWorker({
    ...services,
    connection: native,
    systems: worldSystems((system) => simulators.url(WORLD, system), vault),
    bundle: await bundleWorkflows(fileURLToPath(new URL('fixtures/no-op-steps.ts', import.meta.url))),
  });
  return {
    stop,
    measure: async (): Promise<Measured> => {
      const from = performance.now();
      const input = { secret: SECRET, steps: STEPS };
      const handle = live.workflow.getHandle(
        await startRun(services, { taskQueue, runbook: 'noOpSteps', input }),
      );
      await handle.result();
      return { wholeMs: performance.now() - from, ...(await bodyOf(handle, 'vault.describe')) };
    },
  };
}

async function bareSide({ native, live }: BenchStack, vault: Vault) {
  const worker = await bareWorker(
    native,
    {
      read: async ({ secret }: { secret: string }) => {
        const current = await vault.current(secret);
        if (current === undefined) throw new Error(`The bench's vault has no ${secret}.`);
        const { ref, version, fingerprint, vendorId: keyId } = current;
        return { ref, version, fingerprint, keyId };
      },
    },
    500,
  );
  return {
    stop: worker.stop,
    measure: async (): Promise<Measured> => {
      const workflowId = `bare.${randomBytes(6).toString('hex')}`;
      const from = performance.now();
      const handle = await live.workflow.start('bareSteps', {
        workflowId,
        taskQueue: worker.taskQueue,
        args: [{ secret: SECRET, steps: STEPS }],
      });
      await handle.result();
      return { wholeMs: performance.now() - from, ...(await bodyOf(handle, 'read')) };
    },
  };
}

/** Duration and events of a run between its first and its last activity of one type. */
async function bodyOf(
  handle: WorkflowHandle,
  activityType: string,
): Promise<Pick<Measured, 'bodyMs' | 'events'>> {
  const events = (await handle.fetchHistory()).events ?? [];
  const scheduled = events.filter(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activityType,
  );
  const [first] = scheduled;
  const last = scheduled.at(-1)?.eventId;
  const end = events.find((event) =>
    last == null ? false : event.activityTaskCompletedEventAttributes?.scheduledEventId?.equals(last),
  );
  if (first === undefined || end === undefined || scheduled.length !== STEPS) {
    throw new Error(`The run ${handle.workflowId} has ${scheduled.length} steps that ended, not ${STEPS}.`);
  }
  return {
    bodyMs: msOf(end.eventTime) - msOf(first.eventTime),
    events: Number(end.eventId) - Number(first.eventId) + 1,
  };
}

function msOf(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number {
  return Number(time?.seconds ?? 0) * 1_000 + (time?.nanos ?? 0) / 1_000_000;
}
