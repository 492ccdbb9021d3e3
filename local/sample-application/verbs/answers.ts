import type { z } from 'zod';
import type { applicationSchemas, ApplicationVerb } from '../../../activities/application/contract.js';
import type { Sample } from '../sample.js';
import type { State } from '../state.js';

/** What a verb works with. */
export interface Act {
  /** The step's idempotency key. */
  readonly key: string;
  readonly sample: Sample;
  /** A draft of the state: it counts when the verb returns, and is dropped when the verb throws. */
  readonly state: State;
}

type Answer<V extends ApplicationVerb> = z.input<(typeof applicationSchemas)[V]['output']>;

/** How the sample application does some verbs. */
export type Answers<V extends ApplicationVerb> = {
  readonly [K in V]: (
    input: z.output<(typeof applicationSchemas)[K]['input']>,
    act: Act,
  ) => Answer<K> | Promise<Answer<K>>;
};

/** Notes a deployment or a changed setting. */
export function noteChange(state: State, id: string): void {
  state.changes.push({ id, at: new Date().toISOString() });
}
