import { z } from 'zod';

/**
 * Stripe's API as far as steps use it.
 *
 * Creating, rotating and expiring API keys is not part of it. Stripe documents the Dashboard for that
 * (https://docs.stripe.com/keys), and its released SDK has no resource for API keys (stripe-node 23.1.0). There is a
 * `/v2/iam/api_keys`, but only in preview versions of the API, which an account must be admitted to. A runbook
 * therefore has a person do it, and checks with `isKeyAccepted` and the fingerprint of the handed-in value that the
 * person did.
 */
export interface Stripe {
  /**
   * Creates a webhook endpoint and returns its signing secret, which no later answer contains. The endpoint carries
   * `key` in its metadata. Presenting the key again within Stripe's window (at least 24 hours) returns the same
   * endpoint, as long as that one still exists.
   * @throws ApplicationFailure `VendorUnavailable`, `VendorRefused`, `UnexpectedAnswer`
   */
  createWebhookEndpoint(
    endpoint: { url: string; events: readonly string[]; description: string },
    call: { key: string; signal?: AbortSignal | undefined },
  ): Promise<CreatedWebhookEndpoint>;
  /** The webhook endpoints that carry one of these step keys in their metadata. */
  findWebhookEndpoints(
    stepKeys: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly WebhookEndpoint[]>;
  /** @throws ApplicationFailure `VendorRefused` when there is no such endpoint. */
  switchWebhookEndpoint(id: string, status: WebhookEndpoint['status'], signal?: AbortSignal): Promise<void>;
  /** An endpoint that does not exist counts as deleted. */
  deleteWebhookEndpoint(id: string, signal?: AbortSignal): Promise<void>;
  /**
   * Whether Stripe accepts an API key, asked with that key.
   * @throws ApplicationFailure `VendorRefused` when the key is known but may not read the balance.
   */
  isKeyAccepted(apiKey: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Pays the smallest sensible amount with Stripe's test card, with the given test mode key.
   * @throws ApplicationFailure `LiveKeyRefused` (nothing is sent) for a key that is not of test mode.
   */
  payWithTestCard(
    apiKey: string,
    call: { key: string; signal?: AbortSignal | undefined },
  ): Promise<PaymentIntent>;
  /** How many events since then have failed, or still pending, webhook deliveries. Stripe keeps 30 days. */
  countFailedDeliveries(
    since: Date,
    options?: { signal?: AbortSignal | undefined; onPage?: () => void },
  ): Promise<number>;
}

/** https://docs.stripe.com/api/webhook_endpoints/object */
export const webhookEndpoint = z.object({
  id: z.string().startsWith('we_'),
  object: z.literal('webhook_endpoint'),
  metadata: z.record(z.string(), z.string()),
  status: z.enum(['enabled', 'disabled']),
});
export type WebhookEndpoint = z.output<typeof webhookEndpoint>;

/** The answer of a create, the only one with the signing secret. */
export const createdWebhookEndpoint = webhookEndpoint.extend({ secret: z.string().startsWith('whsec_') });
export type CreatedWebhookEndpoint = z.output<typeof createdWebhookEndpoint>;

/** https://docs.stripe.com/api/webhook_endpoints/delete */
export const deletedWebhookEndpoint = z.object({ id: z.string(), deleted: z.literal(true) });

/** https://docs.stripe.com/api/balance/balance_object */
export const balance = z.object({ object: z.literal('balance'), livemode: z.boolean() });

/** https://docs.stripe.com/api/payment_intents/object */
export const paymentIntent = z.object({
  id: z.string().startsWith('pi_'),
  object: z.literal('payment_intent'),
  livemode: z.literal(false),
  status: z.string(),
});
export type PaymentIntent = z.output<typeof paymentIntent>;

/** https://docs.stripe.com/api/events/object */
export const event = z.object({ id: z.string().startsWith('evt_'), object: z.literal('event') });

/** A page of a list: https://docs.stripe.com/api/pagination */
export const listOf = <S extends z.ZodType>(item: S) =>
  z.object({ object: z.literal('list'), data: z.array(item), has_more: z.boolean() });
