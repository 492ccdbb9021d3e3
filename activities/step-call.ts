import { AsyncLocalStorage } from 'node:async_hooks';
import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { z } from 'zod';
import { modeOf } from '../workflows/engine/mode.js';
import type { Looked, StepHeader } from '../workflows/engine/step-header.js';
import type { Steps } from './index.js';
import { stepKey, type AnyVerb, type StepContext } from './step.js';
import { verbs } from './verbs.js';

/** The header of the step that is executed, put there by the ledger interceptor. */
export const currentStep = new AsyncLocalStorage<StepHeader>();

/** Run ids start with the organisation; admission refuses others. */
export function orgOf(run: string): string {
  return run.split('.', 1)[0] ?? 'default';
}

/** Every verb as a Temporal activity, `system.verb`. `stepsFor` gives the verbs over the systems of a run. */
export function stepActivities(
  stepsFor: (run: string) => Steps,
): Record<string, (input: unknown, looked?: Looked) => Promise<unknown>> {
  const activities: Record<string, (input: unknown, looked?: Looked) => Promise<unknown>> = {};
  for (const [system, infos] of Object.entries(verbs)) {
    for (const name of Object.keys(infos)) {
      activities[`${system}.${name}`] = (input, looked) => {
        const run = activityInfo().workflowExecution?.workflowId ?? '';
        const ofSystem = stepsFor(run)[system as keyof Steps] as Record<string, AnyVerb | undefined>;
        const verb = ofSystem[name];
        if (verb === undefined)
          throw ApplicationFailure.nonRetryable(`There is no ${system}.${name}.`, 'NoSuchVerb');
        return callVerb(verb, `${system}.${name}`, input, looked !== undefined);
      };
    }
  }
  return activities;
}

/**
 * Executes a verb once. Where an earlier attempt may have acted and the verb can't simply be repeated, it looks first.
 * @throws ApplicationFailure `InvalidStepInput`, `OutcomeUnknown` (both not retryable), or the verb's own
 */
async function callVerb(
  verb: AnyVerb,
  activity: string,
  rawInput: unknown,
  personLooked: boolean,
): Promise<unknown> {
  const info = activityInfo();
  const run = info.workflowExecution?.workflowId ?? '';
  const input = parse(verb.input as z.ZodType, rawInput, activity);
  const step: StepContext = {
    key: stepKey(run, info.activityId),
    stepId: info.activityId,
    run,
    org: orgOf(run),
    mode: modeOf(info.namespace),
    attempt: info.attempt,
    heartbeat: (detail) => {
      if (info.heartbeatTimeoutMs !== undefined) heartbeat(detail);
    },
    signal: cancellationSignal(),
  };
  const mayHaveActed = info.attempt > 1 || (currentStep.getStore()?.round ?? 1) > 1;
  if (mayHaveActed && 'check' in verb) {
    const found: unknown = await verb.check(input, step);
    // What the person saw holds for the first attempt after it.
    const isDecided = personLooked && info.attempt === 1;
    if (found === 'unknown' && !isDecided) {
      throw ApplicationFailure.nonRetryable(
        `${activity}: an earlier attempt may have taken effect, and nobody can tell from here. Look at the system, then retry or mark it done by hand.`,
        'OutcomeUnknown',
      );
    }
    if (found !== 'not done' && found !== 'unknown') return result(verb, (found as { done: unknown }).done);
  }
  return result(verb, await verb.run(input, step));
}

function result(verb: AnyVerb, value: unknown): unknown {
  const schema = verb.output as z.ZodType | undefined;
  return schema?.parse(value);
}

function parse(schema: z.ZodType, value: unknown, activity: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw ApplicationFailure.nonRetryable(
    `${activity} can't take this input (${problems}). Retry with a changed input, or mend the runbook.`,
    'InvalidStepInput',
  );
}
