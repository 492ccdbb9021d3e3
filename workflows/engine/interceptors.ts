import {
  defaultPayloadConverter,
  proxySinks,
  workflowInfo,
  type Sinks,
  type WorkflowInterceptors,
} from '@temporalio/workflow';
import type { coresdk } from '@temporalio/proto';
import { STEP_HEADER, stepOf, type StepHeader } from './step-header.js';

/** Receives every command of an activation, so that a replay can be compared command by command. */
export interface ReplayRecorderSinks extends Sinks {
  replayRecorder: { commands(json: string): void };
}

const { replayRecorder } = proxySinks<ReplayRecorderSinks>();

/**
 * In every bundle, live and at audit alike: a replay alone does not compare the inputs of activities nor results.
 * `concludeActivation` is synchronous, so it adds no yield point that could shift determinism.
 */
export const interceptors = (): WorkflowInterceptors => {
  const rounds = new Map<string, number>();
  return {
    outbound: [
      {
        scheduleActivity(input, next) {
          const activityId = input.options.activityId;
          if (activityId === undefined || input.activityType.startsWith('engine.')) return next(input);
          const step = stepOf(activityId);
          const round = (rounds.get(step) ?? 0) + 1;
          rounds.set(step, round);
          const header: StepHeader = { round, virtual: new Date(Date.now()).toISOString() };
          return next({
            ...input,
            headers: { ...input.headers, [STEP_HEADER]: defaultPayloadConverter.toPayload(header) },
          });
        },
      },
    ],
    internals: [
      {
        concludeActivation(input, next) {
          const out = next(input);
          // Only a replay compares; a worker that executes pays nothing.
          if (workflowInfo().unsafe.isReplaying)
            replayRecorder.commands(JSON.stringify(readable(out.commands)));
          return out;
        },
      },
    ],
  };
};

function readable(commands: readonly coresdk.workflow_commands.IWorkflowCommand[]): unknown {
  return JSON.parse(
    JSON.stringify(commands, (_key, value: unknown) => (value instanceof Uint8Array ? [...value] : value)),
  );
}
