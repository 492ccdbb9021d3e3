import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import Long from 'long';

/** Skips per jump: a drill of 72 hours with half-hourly timers has 144, and reminders come on top. */
const MAX_SKIPS = 100_000;
const { FastForwardPollingResult } = proto.temporal.api.enums.v1;

/** A server that does not skip time for this namespace. */
export class CannotSkipTime extends Error {
  override readonly name = 'CannotSkipTime';
}

/**
 * Lets a run's clock jump ahead by `ms`, timer by timer, whenever nothing is in flight; replaces an earlier jump.
 * @throws CannotSkipTime
 */
export async function startJump(client: Client, workflowId: string, id: string, ms: number): Promise<void> {
  const seconds = Math.floor(ms / 1000);
  await configure(client, workflowId, {
    enabled: true,
    disablePropagation: true,
    maxSessionSkipCount: MAX_SKIPS,
    fastForwardConfig: {
      id,
      duration: { seconds: Long.fromNumber(seconds), nanos: Math.round(ms - seconds * 1000) * 1_000_000 },
    },
  });
}

type Config = NonNullable<
  NonNullable<
    Parameters<Client['workflowService']['updateWorkflowExecutionOptions']>[0]['workflowExecutionOptions']
  >['timeSkippingConfig']
>;

async function configure(client: Client, workflowId: string, timeSkippingConfig: Config): Promise<void> {
  try {
    await client.workflowService.updateWorkflowExecutionOptions({
      namespace: client.options.namespace,
      workflowExecution: { workflowId },
      updateMask: { paths: ['time_skipping_config'] },
      workflowExecutionOptions: { timeSkippingConfig },
    });
  } catch (error) {
    if (error instanceof Error && /not enabled for namespace|UNIMPLEMENTED/i.test(error.message)) {
      throw new CannotSkipTime(
        'This Temporal server does not skip time for the namespace of rehearsals. Use server 1.32 or later with ' +
          'frontend.WorkflowTimeSkippingEnabled for it, or unset TEMPORAL_ADDRESS so that the local stack brings one.',
        { cause: error },
      );
    }
    throw error;
  }
}

/** Waits for the end of a jump. `closed`: the run ended meanwhile. Ends with `abandoned` when the signal fires. */
export async function jumpEnded(
  client: Client,
  workflowId: string,
  fastForwardId: string,
  signal: AbortSignal,
): Promise<'arrived' | 'failed' | 'abandoned'> {
  while (!signal.aborted) {
    // The client never takes its listener off a signal again, and there are many polls.
    const poll = new AbortController();
    const abort = (): void => poll.abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const { fastForwardPollingResult } = await client.withAbortSignal(poll.signal, () =>
        client.workflowService.pollWorkflowExecutionTimeSkipping({
          namespace: client.options.namespace,
          workflowExecution: { workflowId },
          fastForwardId,
        }),
      );
      if (
        fastForwardPollingResult ===
        FastForwardPollingResult.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_COMPLETED
      )
        return 'arrived';
      if (
        fastForwardPollingResult === FastForwardPollingResult.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_FAILED
      )
        return 'failed';
    } catch (error) {
      if (signal.aborted) break;
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
  return 'abandoned';
}

/** The run's clock, in milliseconds since the epoch. */
export async function virtualNow(client: Client, workflowId: string): Promise<number> {
  const { workflowExtendedInfo } = await client.workflowService.describeWorkflowExecution({
    namespace: client.options.namespace,
    execution: { workflowId },
  });
  const current = workflowExtendedInfo?.timeSkippingInfo?.currentTime;
  if (current == null) return Date.now();
  return Number(current.seconds ?? 0) * 1000 + Math.floor((current.nanos ?? 0) / 1_000_000);
}
