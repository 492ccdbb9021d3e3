import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { audienceId } from '../audience.js';
import type { Systems } from '../index.js';
import { verb } from '../step.js';

const subject = z
  .string()
  .min(1)
  // RFC 5322 2.1.1: a line has at most 998 characters.
  .max(900, 'is longer than the subject of an e-mail may be')
  .regex(/^[^\r\n]*$/, 'has more than one line');

export const emailSteps = ({ email }: Pick<Systems, 'email'>) => ({
  send: verb({
    input: z.object({ audience: audienceId, subject, body: z.string().min(1).max(100_000) }),
    output: z.object({ messages: z.number().int() }),
    check: (_input, step) => email.lost(step),
    async run({ audience, subject, body }, step) {
      const addresses = await email.recipients(audience);
      for (const [index, to] of addresses.entries()) {
        if (index > 0) await pause(email.pauseMs, undefined, { signal: step.signal });
        await email.send({ to, subject, body }, step);
        step.heartbeat({ messages: index + 1 });
      }
      return { messages: addresses.length };
    },
  }),
});
