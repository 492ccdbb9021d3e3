/** Header that marks an activity as a step of a runbook. */
export const STEP_HEADER = 'runbook-step';

export interface StepHeader {
  /** How often this step id was scheduled in the run, from 1: a person's "retry" is a new round. */
  readonly round: number;
  /** The run's clock when it was scheduled, ISO 8601 UTC. */
  readonly virtual: string;
}

/** The step of an activity id: a changed input (`~r2`) is another request, but the same step. */
export function stepOf(activityId: string): string {
  return activityId.replace(/~r\d+$/, '');
}

/**
 * Second argument of a step whose earlier attempt nobody could judge: a person has looked at the system and says that
 * it did not take effect.
 */
export const LOOKED = { looked: true } as const;
export type Looked = typeof LOOKED;
