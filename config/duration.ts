import { msToNumber } from '@temporalio/common/lib/time.js';
import type { Duration } from '@temporalio/common';
import { z } from 'zod';

/** A duration as Temporal writes it: `15 minutes`, `72 hours`, `0 seconds`. */
export const DurationText = z
  .string()
  .regex(
    /^\d+ (seconds?|minutes?|hours?|days?)$/,
    'Write a duration like "15 minutes", "4 hours" or "30 days".',
  )
  .transform((text) => text as Duration & string);

export const durationMs = (duration: Duration): number => msToNumber(duration);
