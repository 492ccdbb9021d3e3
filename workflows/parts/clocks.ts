import type { Duration } from '@temporalio/common';
import type { Deadline } from '../engine/deadlines.js';
import type { Run } from '../engine/runbook.js';

/** A clock of a procedure: what must be done how long after the moment of awareness, and whose it is. */
export interface ClockSpec {
  readonly what: string;
  readonly within: Duration;
  readonly group: string;
}

/** Starts every clock at the same moment. Those that are over already are missed at once. */
export function startClocks<Id extends string>(
  run: Run,
  clocks: Readonly<Record<Id, ClockSpec>>,
  from: Date,
): Readonly<Record<Id, Deadline>> {
  const started = Object.entries<ClockSpec>(clocks).map(([id, clock]) => [
    id,
    run.deadline(id, { ...clock, from }),
  ]);
  return Object.fromEntries(started) as Record<Id, Deadline>;
}
