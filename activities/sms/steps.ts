import { z } from 'zod';
import { audienceId } from '../audience.js';
import type { Systems } from '../index.js';
import { verb } from '../step.js';

/** What fits into one message of the GSM alphabet: 3GPP TS 23.038, 6.1.2.1. */
const LONGEST_TEXT = 160;

export const smsSteps = ({ sms }: Pick<Systems, 'sms'>) => ({
  send: verb({
    input: z.object({
      audience: audienceId,
      text: z
        .string()
        .min(1)
        .max(LONGEST_TEXT, `is longer than the ${LONGEST_TEXT} characters of one message`),
    }),
    output: z.object({ messages: z.number().int() }),
    repeatable: true,
    async run({ audience, text }, step) {
      const numbers = await sms.recipients(audience);
      for (const [index, to] of numbers.entries()) {
        await sms.send({ to, text }, step);
        step.heartbeat({ messages: index + 1 });
      }
      return { messages: numbers.length };
    },
  }),
});
