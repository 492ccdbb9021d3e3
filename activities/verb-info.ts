import type { Duration } from '@temporalio/common';
import type { AnyVerb, VerbOutput } from './step.js';

/**
 * What the workflow and every surface need to know of a verb, without its code: this is the only part of a
 * system that the workflow bundle contains.
 */
export interface VerbInfo<Returns extends boolean = boolean> {
  /** The sentence a person reads; `{field}` stands for that field of the input. */
  readonly title: string;
  /** Whether later steps use its result. Such a step can't be skipped, only done by hand with a result. */
  readonly returns: Returns;
  /** Skipping it takes a second person. */
  readonly critical?: boolean;
  /** It only ever takes back what an earlier step did: where a run goes well it is not executed. */
  readonly undoes?: boolean;
  /** Start-to-close timeout of one attempt. Default: 1 minute. */
  readonly within?: Duration;
  /** Schedule-to-close timeout: all attempts together. Default: 10 minutes. */
  readonly giveUpAfter?: Duration;
  /** Heartbeat timeout, for verbs that run longer than half a minute. */
  readonly heartbeat?: Duration;
}

/** One entry per verb: leaving one out, or misspelling one, does not compile. */
export type VerbInfos<Verbs extends Record<string, AnyVerb>> = {
  readonly [V in keyof Verbs]: VerbInfo<VerbOutput<Verbs[V]> extends void ? false : true>;
};
