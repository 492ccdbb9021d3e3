import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { Mode } from '../workflows/engine/mode.js';

/** What a verb knows about the step it is executed for. */
export interface StepContext {
  /** Idempotency key: the same on every attempt, after a worker crash, and when a person chooses "retry". */
  readonly key: string;
  /** `system.verb#n`, unique within the run. */
  readonly stepId: string;
  /** Workflow id of the run. */
  readonly run: string;
  readonly org: string;
  readonly mode: Mode;
  /** Attempt of the current scheduling, from 1. */
  readonly attempt: number;
  /** Tells Temporal that the step is alive. A no-op for verbs without a heartbeat timeout. */
  heartbeat(detail?: unknown): void;
  /** Fires when the step is cancelled or its worker shuts down. Pass it to fetch and child processes. */
  readonly signal: AbortSignal;
}

/**
 * What a look before a repeated attempt found out.
 * `done`: the earlier attempt took effect, and this is its result. `not done`: it did not, act.
 * `unknown`: nobody can tell; the step stops and a person decides.
 */
export type Found<O> = { done: O } | 'not done' | 'unknown';

interface VerbBase<I extends z.ZodType, O> {
  /** Parses the input: a person may have changed it. */
  readonly input: I;
  run(input: z.output<I>, step: StepContext): Promise<O>;
}

/** A verb that may simply be executed again, or one that looks first whether an earlier attempt took effect. */
type Repetition<I extends z.ZodType, O> =
  { readonly repeatable: true } | { check(input: z.output<I>, step: StepContext): Promise<Found<O>> };

export type ReturningVerb<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> = VerbBase<
  I,
  z.output<O>
> &
  Repetition<I, z.output<O>> & {
    /** What goes into the history; anything else the vendor answered is dropped. */
    readonly output: O;
  };

export type VoidVerb<I extends z.ZodType = z.ZodType> = VerbBase<I, void> &
  Repetition<I, void> & { readonly output?: undefined };

/* eslint-disable @typescript-eslint/no-explicit-any -- a verb of any shape; the shape is kept by inference */
export type AnyVerb = ReturningVerb<any, any> | VoidVerb<any>;
/* eslint-enable @typescript-eslint/no-explicit-any */

export type VerbInput<V extends AnyVerb> = z.input<V['input']>;
export type VerbOutput<V extends AnyVerb> = V extends { output: infer O extends z.ZodType }
  ? z.output<O>
  : void;

/** Declares a verb: one thing a step can do to a system. */
export function verb<I extends z.ZodType, O extends z.ZodType>(
  definition: ReturningVerb<I, O>,
): ReturningVerb<I, O>;
export function verb<I extends z.ZodType>(definition: VoidVerb<I>): VoidVerb<I>;
export function verb(definition: AnyVerb): AnyVerb {
  return definition;
}

/**
 * The idempotency key of a step: no run id and no attempt in it, so that a retry, a reset and a second worker
 * all present the same key. Workflow ids are never reused, so two runs never share one.
 */
export function stepKey(workflowId: string, stepId: string): string {
  return createHash('sha256').update(`${workflowId}/${stepId}`).digest('hex').slice(0, 40);
}
