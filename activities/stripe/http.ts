import { ApplicationFailure } from '@temporalio/common';
import type { z } from 'zod';
import { answer, request, type RequestOptions } from '../http.js';
import {
  balance,
  createdWebhookEndpoint,
  deletedWebhookEndpoint,
  event,
  listOf,
  paymentIntent,
  webhookEndpoint,
  type Stripe,
} from './contract.js';
import { form, type FormValue } from './form.js';

export const STRIPE_BASE_URL = new URL('https://api.stripe.com');

/** The version that requests and answers here follow: https://docs.stripe.com/api/versioning */
export const STRIPE_VERSION = '2026-10-28.endive';

/** Metadata field of what a step created, holding the step's key: https://docs.stripe.com/api/metadata */
export const STEP_METADATA = 'runbook_step';

/**
 * Conflicts (another request with the same idempotency key is still being executed, an object is locked) pass:
 * https://docs.stripe.com/error-low-level
 */
const ALSO_RETRY = [409];

/** How often an idempotency key whose remembered answer is of no use is replaced within one call. */
const MAX_REPLACED_KEYS = 5;

/** One US dollar, above the minimum of 50 cents: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
const TEST_PAYMENT = { amount: 100, currency: 'usd' };

const NEXT = {
  rights:
    'Check in the Stripe Dashboard that the API key configured for runbooks is active and may write webhook endpoints and read events, then retry.',
  endpoint:
    'Look at the endpoint in the Stripe Dashboard (Workbench, Webhooks), correct the input, then retry.',
  balance:
    'The key is known to Stripe but may not read the balance: give it the permission "Balance: Read" in the Dashboard, then retry.',
  payment:
    'Look at the payment in the Stripe Dashboard (test mode); the key needs the permission "PaymentIntents: Write". Then retry.',
};

export interface StripeConfig {
  readonly baseUrl?: URL;
  /** Secret or restricted key with the rights to write webhook endpoints and to read events. */
  readonly apiKey: string;
  /** Milliseconds until a request without an answer is given up. Default: that of `request`. */
  readonly timeoutMs?: number;
}

interface StripeRequest extends Pick<RequestOptions, 'what' | 'method' | 'accept' | 'next'> {
  readonly path: string;
  readonly parameters?: Readonly<Record<string, FormValue>>;
  readonly apiKey?: string;
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal | undefined;
}

/** The real client: https://docs.stripe.com/api */
export const stripe = ({ baseUrl = STRIPE_BASE_URL, apiKey, timeoutMs }: StripeConfig): Stripe => {
  const base = baseUrl.href.replace(/\/$/, '');

  const send = ({ path, parameters = {}, idempotencyKey, ...options }: StripeRequest): Promise<Response> => {
    const { method = 'GET', what, next, accept = [], signal } = options;
    const encoded = form(parameters);
    const url = new URL(`${base}${path}`);
    if (method === 'GET') url.search = encoded.toString();
    return request(url, {
      what,
      method,
      next,
      accept,
      signal,
      alsoRetry: ALSO_RETRY,
      headers: {
        authorization: `Bearer ${options.apiKey ?? apiKey}`,
        'stripe-version': STRIPE_VERSION,
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(method === 'POST' ? { body: encoded } : {}),
      timeoutMs,
    });
  };

  /** All items of a list, newest first: https://docs.stripe.com/api/pagination/auto */
  async function* listed<S extends z.ZodType<{ id: string }>>(
    item: S,
    { parameters = {}, ...options }: StripeRequest,
    onPage?: () => void,
  ): AsyncGenerator<z.output<S>> {
    const seen = new Set<string>();
    for (let after: string | undefined; ;) {
      const page = { ...parameters, limit: 100, ...(after === undefined ? {} : { starting_after: after }) };
      const response = await send({ ...options, parameters: page });
      const { data, has_more } = await answer(listOf(item), response, options.what);
      onPage?.();
      yield* data;
      if (!has_more) return;
      after = data.at(-1)?.id;
      if (after === undefined || seen.has(after)) {
        throw ApplicationFailure.nonRetryable(
          `${options.what}: the list says that it has more pages but does not lead to them. Look at it in the Stripe Dashboard, then retry.`,
          'UnexpectedAnswer',
        );
      }
      seen.add(after);
    }
  }

  const endpointPath = (id: string): string => `/v1/webhook_endpoints/${encodeURIComponent(id)}`;

  /** https://docs.stripe.com/api/webhook_endpoints/retrieve */
  const exists = async (id: string, signal: AbortSignal | undefined): Promise<boolean> => {
    const what = `look at webhook endpoint ${id} at Stripe`;
    const response = await send({
      what,
      path: endpointPath(id),
      accept: [404],
      next: NEXT.rights,
      signal,
    });
    if (response.status !== 404) return (await answer(webhookEndpoint, response, what)).id === id;
    await response.body?.cancel();
    return false;
  };

  return {
    /** https://docs.stripe.com/api/webhook_endpoints/create */
    async createWebhookEndpoint({ url, events, description }, { key, signal }) {
      const what = `create a webhook endpoint for ${url} at Stripe`;
      const parameters = { url, enabled_events: events, description, metadata: { [STEP_METADATA]: key } };
      for (let replaced = 0; replaced <= MAX_REPLACED_KEYS; replaced += 1) {
        const response = await send({
          what,
          method: 'POST',
          path: '/v1/webhook_endpoints',
          parameters,
          idempotencyKey: replaced === 0 ? key : `${key}-${replaced}`,
          accept: [500],
          next: NEXT.endpoint,
          signal,
        });
        // Stripe replays stored answers, also a stored 500 and that of an endpoint which was deleted since:
        // https://docs.stripe.com/api/idempotent_requests
        const replayed = response.headers.get('idempotent-replayed') === 'true';
        if (response.status === 500) {
          await response.body?.cancel();
          if (replayed) continue;
          throw ApplicationFailure.retryable(
            `${what}: HTTP 500 from ${baseUrl.host}. It is tried again.`,
            'VendorUnavailable',
          );
        }
        const created = await answer(createdWebhookEndpoint, response, what);
        if (!replayed || (await exists(created.id, signal))) return created;
      }
      throw ApplicationFailure.nonRetryable(
        `${what}: Stripe answered ${MAX_REPLACED_KEYS + 1} times with the memory of an earlier attempt that failed or was undone. ` +
          'Look at the endpoints in the Stripe Dashboard and retry a day later, or create the endpoint by hand.',
        'VendorRefused',
      );
    },

    /** https://docs.stripe.com/api/webhook_endpoints/list */
    async findWebhookEndpoints(stepKeys, signal) {
      const what = 'look for a webhook endpoint of an earlier attempt at Stripe';
      const found = [];
      for await (const endpoint of listed(webhookEndpoint, {
        what,
        path: '/v1/webhook_endpoints',
        next: NEXT.rights,
        signal,
      })) {
        if (stepKeys.includes(endpoint.metadata[STEP_METADATA] ?? '')) found.push(endpoint);
      }
      return found;
    },

    /**
     * https://docs.stripe.com/api/webhook_endpoints/update
     * Without an idempotency key: setting a state repeats safely, and a replayed answer would claim a success
     * although somebody switched the endpoint back in between.
     */
    async switchWebhookEndpoint(id, status, signal) {
      const what = `set webhook endpoint ${id} to ${status} at Stripe`;
      const response = await send({
        what,
        method: 'POST',
        path: endpointPath(id),
        parameters: { disabled: status === 'disabled' },
        next: NEXT.endpoint,
        signal,
      });
      const updated = await answer(webhookEndpoint, response, what);
      if (updated.status === status) return;
      throw ApplicationFailure.nonRetryable(
        `${what}: Stripe says that it is still ${updated.status}. ${NEXT.endpoint}`,
        'VendorRefused',
      );
    },

    /** https://docs.stripe.com/api/webhook_endpoints/delete */
    async deleteWebhookEndpoint(id, signal) {
      const what = `delete webhook endpoint ${id} at Stripe`;
      const response = await send({
        what,
        method: 'DELETE',
        path: endpointPath(id),
        accept: [404],
        next: NEXT.endpoint,
        signal,
      });
      if (response.status === 404) await response.body?.cancel();
      else await answer(deletedWebhookEndpoint, response, what);
    },

    /** https://docs.stripe.com/api/balance/balance_retrieve */
    async isKeyAccepted(value, signal) {
      const what = 'ask Stripe whether it accepts a key';
      const response = await send({
        what,
        path: '/v1/balance',
        apiKey: value,
        accept: [401],
        next: NEXT.balance,
        signal,
      });
      if (response.status === 401) {
        await response.body?.cancel();
        return false;
      }
      await answer(balance, response, what);
      return true;
    },

    /** https://docs.stripe.com/api/payment_intents/create and https://docs.stripe.com/testing#cards */
    async payWithTestCard(value, { key, signal }) {
      const what = 'make a test payment at Stripe';
      if (!/^(sk|rk)_test_/.test(value)) {
        throw ApplicationFailure.nonRetryable(
          `${what}: the key is not a test mode key (sk_test_ or rk_test_), so nothing was sent. ` +
            'Retry with a reference to the key of the staging environment.',
          'LiveKeyRefused',
        );
      }
      const response = await send({
        what,
        method: 'POST',
        path: '/v1/payment_intents',
        apiKey: value,
        idempotencyKey: key,
        parameters: {
          ...TEST_PAYMENT,
          payment_method: 'pm_card_visa',
          payment_method_types: ['card'],
          confirm: true,
          description: 'Runbook test payment',
        },
        next: NEXT.payment,
        signal,
      });
      const intent = await answer(paymentIntent, response, what);
      if (intent.status === 'succeeded') return intent;
      throw ApplicationFailure.nonRetryable(
        `${what}: payment ${intent.id} is "${intent.status}", not "succeeded". ${NEXT.payment}`,
        'TestPaymentFailed',
      );
    },

    /** https://docs.stripe.com/api/events/list */
    async countFailedDeliveries(since, { signal, onPage } = {}) {
      const what = 'count failed webhook deliveries at Stripe';
      const parameters = {
        delivery_success: false,
        created: { gte: String(Math.floor(since.getTime() / 1000)) },
      };
      const ids = new Set<string>();
      const list = { what, path: '/v1/events', parameters, next: NEXT.rights, signal };
      for await (const { id } of listed(event, list, onPage)) ids.add(id);
      return ids.size;
    },
  };
};
