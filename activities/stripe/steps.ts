import { z } from 'zod';
import type { Systems } from '../index.js';
import { createStoredKey, discardStoredKey, newKey, secretId, secretRef, vendorId } from '../new-key.js';
import { verb } from '../step.js';
import type { Stripe } from './contract.js';

const eventType = z
  .string()
  .regex(/^(\*|[a-z0-9_]+(\.[a-z0-9_]+)+)$/, 'is not an event type, for example "charge.failed"');

const endpointsOf = (stripe: Stripe, signal: AbortSignal) => ({
  madeBy: async (stepKeys: readonly string[]) =>
    (await stripe.findWebhookEndpoints(stepKeys, signal)).map(({ id }) => id),
  remove: (id: string) => stripe.deleteWebhookEndpoint(id, signal),
});

export const stripeSteps = ({ stripe, vault }: Systems) => ({
  verifyKey: verb({
    input: z.object({ ref: secretRef }),
    output: z.object({ accepted: z.boolean() }),
    repeatable: true,
    async run({ ref }, { signal }) {
      return { accepted: await stripe.isKeyAccepted(await vault.reveal(ref), signal) };
    },
  }),

  createWebhookEndpoint: verb({
    input: z.object({
      secret: secretId,
      url: z.url({ protocol: /^https?$/, error: 'is not a http(s) address' }),
      events: z.array(eventType).min(1),
    }),
    output: newKey,
    repeatable: true,
    async run({ secret, url, events }, step) {
      const { signal } = step;
      const endpoint = { url, events, description: `Created by runbook ${step.run}` };
      return await createStoredKey(vault, secret, step, {
        ...endpointsOf(stripe, signal),
        async create(key) {
          const { id, secret: value } = await stripe.createWebhookEndpoint(endpoint, { key, signal });
          return { handle: id, keyId: id, value };
        },
      });
    },
  }),

  discardWebhookEndpoint: verb({
    input: z.object({ secret: secretId, step: z.string().min(1) }),
    repeatable: true,
    run: ({ secret, step }, { run, signal }) =>
      discardStoredKey(vault, secret, { run, step }, endpointsOf(stripe, signal)),
  }),

  disableWebhookEndpoint: verb({
    input: z.object({ endpointId: vendorId }),
    repeatable: true,
    run: (input, { signal }) => stripe.switchWebhookEndpoint(input.endpointId, 'disabled', signal),
  }),

  enableWebhookEndpoint: verb({
    input: z.object({ endpointId: vendorId }),
    repeatable: true,
    run: (input, { signal }) => stripe.switchWebhookEndpoint(input.endpointId, 'enabled', signal),
  }),

  deleteWebhookEndpoint: verb({
    input: z.object({ endpointId: vendorId }),
    repeatable: true,
    run: (input, { signal }) => stripe.deleteWebhookEndpoint(input.endpointId, signal),
  }),

  testPayment: verb({
    input: z.object({ ref: secretRef }),
    output: z.object({ paymentIntent: z.string(), status: z.string() }),
    // Past Stripe's memory of idempotency keys a repetition pays again, which moves no money in test mode.
    repeatable: true,
    async run(input, { key, signal }) {
      const { id, status } = await stripe.payWithTestCard(await vault.reveal(input.ref), { key, signal });
      return { paymentIntent: id, status };
    },
  }),

  failedDeliveries: verb({
    input: z.object({ since: z.iso.datetime({ offset: true }) }),
    output: z.object({ events: z.number().int() }),
    repeatable: true,
    async run({ since }, { signal, heartbeat }) {
      const onPage = (): void => heartbeat();
      return { events: await stripe.countFailedDeliveries(new Date(since), { signal, onPage }) };
    },
  }),
});
