import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb } from '../step.js';
import { incidentStatus, severity } from './contract.js';

/** Longest `dedup_key`: https://developer.pagerduty.com/docs/send-alert-event */
const dedupKey = z
  .string()
  .regex(/^\S(.{0,253}\S)?$/, 'is not the key of a PagerDuty alert: 1 to 255 characters');
/** Longest `payload.summary`. Same source. */
const summary = z.string().min(1).max(1024, 'is longer than the 1024 characters that PagerDuty shows');
const schedule = z
  .string()
  .regex(/^[A-Z0-9]{1,30}$/, 'is not the id of a PagerDuty schedule, for example "PI7DH85"');

export const pagerdutySteps = ({ pagerduty }: Pick<Systems, 'pagerduty'>) => ({
  trigger: verb({
    input: z.object({ summary, severity: z.string().pipe(severity), dedupKey: dedupKey.optional() }),
    output: z.object({ dedupKey }),
    // Every attempt has the same key, and PagerDuty adds an event with the key of an open alert to that alert.
    repeatable: true,
    run: (input, step) =>
      pagerduty.trigger({ ...input, dedupKey: input.dedupKey ?? step.key, source: step.run }, step),
  }),

  acknowledge: verb({
    input: z.object({ dedupKey }),
    repeatable: true,
    run: (input, step) => pagerduty.acknowledge(input.dedupKey, step),
  }),

  resolve: verb({
    input: z.object({ dedupKey }),
    repeatable: true,
    run: (input, step) => pagerduty.resolve(input.dedupKey, step),
  }),

  incident: verb({
    input: z.object({ dedupKey }),
    /** `unknown`: PagerDuty has no incident with the key; for a moment that is so after every trigger. */
    output: z.object({
      status: z.enum([...incidentStatus.options, 'unknown']),
      incident: z.string().nullable(),
    }),
    repeatable: true,
    async run(input, step) {
      const found = await pagerduty.incident(input.dedupKey, step);
      return { status: found?.status ?? ('unknown' as const), incident: found?.id ?? null };
    },
  }),

  onCall: verb({
    input: z.object({ schedule: schedule.optional() }),
    /** `escalationPolicy`: its id, where all of them are on call for the same one. */
    output: z.object({ people: z.number().int(), escalationPolicy: z.string().nullable() }),
    repeatable: true,
    async run(input, step) {
      const found = await pagerduty.onCalls(input.schedule, step);
      const policies = [...new Set(found.map(({ escalation_policy: policy }) => policy.id))];
      return {
        people: new Set(found.map(({ user }) => user.id)).size,
        escalationPolicy: policies.length === 1 ? (policies[0] ?? null) : null,
      };
    },
  }),
});
