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
