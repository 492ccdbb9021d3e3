import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb } from '../step.js';
import { PROVIDER_TITLES, PROVIDERS, RECORD_TYPES, TTL_LIMITS, type RecordType } from './contract.js';
import { canonicalValues, hostName, isHostName, isSame, isValue } from './records.js';
import { resolved } from './resolve.js';

const provider = z.string().pipe(z.enum(PROVIDERS));
const zone = z.string().min(1, "is empty: it has to be the provider's id of the zone");
const name = z
  .string()
  .refine(isHostName, 'is not a full name such as app.example.com; write other alphabets as xn--...')
  .transform(hostName);
const type = z.string().pipe(z.enum(RECORD_TYPES));
const values = z
  .array(z.string())
  .min(1, 'is empty: a name without a record answers nobody')
  .max(100, 'holds more than 100 values');

const where = { provider, zone, name, type };

/** Values are what the type asks for; a name has one CNAME at most (RFC 1034 3.6.2). */
const fits = (
  list: 'values' | 'expect',
  input: { type: RecordType } & { [L in 'values' | 'expect']?: string[] },
  context: z.RefinementCtx,
): void => {
  const given = input[list] ?? [];
  given.forEach((value, place) => {
    if (!isValue(input.type, value)) {
      const message = `is not what a record of type ${input.type} holds`;
      context.addIssue({ code: 'custom', path: [list, place], message });
    }
  });
  if (input.type === 'CNAME' && given.length > 1) {
    context.addIssue({ code: 'custom', path: [list], message: 'has more than one name: a CNAME has one' });
  }
};

export const dnsSteps = ({ dns }: Pick<Systems, 'dns'>) => ({
  lookup: verb({
    input: z.object(where),
    output: z.object({ values: z.array(z.string()), ttl: z.int() }),
    repeatable: true,
    async run(input, step) {
      const found = await dns[input.provider].lookup(input, step);
      if (found !== undefined) return { values: [...found.values], ttl: found.ttl };
      throw ApplicationFailure.nonRetryable(
        `Zone ${input.zone} at ${PROVIDER_TITLES[input.provider]} has no ${input.type} record ${input.name}. ` +
          'Check zone, name and type in the step, then retry.',
        'RecordNotFound',
      );
    },
  }),

  /**
   * `changed` is false when the record set was already as wanted. A repeated attempt can't tell that from its own
   * earlier work, and says true.
   */
  setRecords: verb({
    input: z
      .object({ ...where, values, ttl: z.int('is not a whole number of seconds').min(0) })
      .superRefine((input, context) => {
        fits('values', input, context);
        const { from, to } = TTL_LIMITS[input.provider];
        if (input.ttl >= from && input.ttl <= to) return;
        const message = `has to be ${from} to ${to} seconds at ${PROVIDER_TITLES[input.provider]}`;
        context.addIssue({ code: 'custom', path: ['ttl'], message });
      }),
    output: z.object({ changed: z.boolean() }),
    repeatable: true,
    async run(input, step) {
      const at = dns[input.provider];
      const wanted = { values: canonicalValues(input.type, input.values), ttl: input.ttl };
      const existing = await at.lookup(input, step);
      if (step.attempt === 1 && existing !== undefined && isSame(existing, wanted)) return { changed: false };
      // Also when an earlier attempt has sent it already: this one still has to wait until the servers have it.
      await at.replace(input, wanted, step);
      return { changed: true };
    },
  }),

  resolve: verb({
    input: z
      .object({
        name: name.refine(
          (host) => !host.startsWith('*'),
          'names no host: ask for one that the * stands for',
        ),
        type,
        expect: values,
      })
      .superRefine((input, context) => fits('expect', input, context)),
    output: z.object({
      agree: z.boolean(),
      answers: z.array(z.object({ resolver: z.string(), values: z.array(z.string()) })),
    }),
    repeatable: true,
    run: (input, step) => resolved(dns, input, step),
  }),
});
