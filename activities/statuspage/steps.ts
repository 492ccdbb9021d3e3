import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb, type Found, type StepContext } from '../step.js';
import {
  COMPONENT_STATUSES,
  IMPACTS,
  INCIDENT_STATUSES,
  INCIDENTS_PER_PAGE,
  MAINTENANCE_STATUSES,
} from './contract.js';
import { isMarked, marked } from './marker.js';

/** https://developer.statuspage.io/#operation/postPagesPageIdIncidents, `body` */
const LONGEST_BODY = 25_000;

/** Pages of incidents that are looked through for one that this step has published. */
const PAGES_SEARCHED = 5;
/** Nobody repeats a step a month after its first attempt; what is older was not published by it. */
const SEARCHED_MS = 30 * 24 * 3_600_000;

const name = z.string().trim().min(1, 'is empty: it is the headline that everybody reads');
const body = z
  .string()
  .trim()
  .min(1, 'is empty: it is the text that everybody reads')
  .max(LONGEST_BODY, `is longer than ${LONGEST_BODY} characters`);
const incident = z.string().min(1, 'names no incident; take the id at the end of its address on the page');
const components = z
  .array(
    z.string().min(1, 'names no component; take its id from Components > (component) > Component API ID'),
  )
  .max(100, 'holds more than 100 components');
const componentStatus = z.string().pipe(z.enum(COMPONENT_STATUSES));
const moment = z.iso.datetime({
  offset: true,
  error: 'is not a moment such as 2026-12-01T20:00:00Z, with the offset from UTC',
});

const published = z.object({ incident: z.string() });

export const statuspageSteps = ({ statuspage }: Pick<Systems, 'statuspage'>) => {
  /** Statuspage has no idempotency key: the step's mark in `metadata` tells that it was here. */
  const found = async (step: StepContext): Promise<Found<z.output<typeof published>>> => {
    for (let page = 1; page <= PAGES_SEARCHED; page += 1) {
      const incidents = await statuspage.incidents(page, step);
      const ours = incidents.find((candidate) => isMarked(candidate, step.key));
      if (ours !== undefined) return { done: { incident: ours.id } };
      const isOld = incidents.every(({ created_at: at }) => Date.parse(at) < Date.now() - SEARCHED_MS);
      if (isOld || incidents.length < INCIDENTS_PER_PAGE) return 'not done';
    }
    return 'unknown';
  };

  return {
    createIncident: verb({
      input: z
        .object({
          name,
          status: z.string().pipe(z.enum(INCIDENT_STATUSES)),
          body,
          impact: z.string().pipe(z.enum(IMPACTS)).optional(),
          components: components.optional(),
          componentStatus: componentStatus.optional(),
        })
        .refine(({ componentStatus: status, components: of = [] }) => status === undefined || of.length > 0, {
          path: ['componentStatus'],
          message: 'is given without components that could have it',
        }),
      output: published,
      check: (_input, step) => found(step),
      async run(input, step) {
        const affected = (input.components ?? []).map((id) => [id, input.componentStatus] as const);
        const { id } = await statuspage.create(
          {
            name: input.name,
            status: input.status,
            body: input.body,
            impact: input.impact,
            components: Object.fromEntries(affected),
            metadata: marked({}, step.key, 'created'),
          },
          step,
        );
        return { incident: id };
      },
    }),

    /** `componentStatus` is that of every component of the incident; without it they stay as they are. */
    updateIncident: verb({
      input: z.object({
        incident,
        status: z.string().pipe(z.enum([...INCIDENT_STATUSES, ...MAINTENANCE_STATUSES])),
        body,
        componentStatus: componentStatus.optional(),
      }),
      async check(input, step) {
        const existing = await statuspage.incident(input.incident, step);
        return isMarked(existing, step.key) ? { done: undefined } : 'not done';
      },
      async run(input, step) {
        const existing = await statuspage.incident(input.incident, step);
        const { componentStatus: status } = input;
        const affected = (existing.components ?? []).map(({ id }) => id);
        await statuspage.update(
          input.incident,
          {
            status: input.status,
            body: input.body,
            metadata: marked(existing, step.key, 'updated'),
            ...(status === undefined
              ? {}
              : { components: Object.fromEntries(affected.map((id) => [id, status])) }),
          },
          step,
        );
      },
    }),

    scheduleMaintenance: verb({
      input: z
        .object({ name, body, from: moment, until: moment })
        .refine(({ from, until }) => Date.parse(from) < Date.parse(until), {
          path: ['until'],
          message: 'is not after from: a maintenance ends after it has begun',
        }),
      output: published,
      check: (_input, step) => found(step),
      async run({ from, until, ...input }, step) {
        const { id } = await statuspage.create(
          {
            ...input,
            status: 'scheduled',
            scheduled: { from, until },
            metadata: marked({}, step.key, 'scheduled'),
          },
          step,
        );
        return { incident: id };
      },
    }),
  };
};
