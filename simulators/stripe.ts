import type { Reply, Simulator } from './simulator.js';
import { STRIPE_EVENT_TYPES } from './stripe/event-types.js';
import {
  authenticate,
  failure,
  group,
  invalid,
  missing,
  noSuch,
  operation,
  text,
  type StripeCall,
} from './stripe/gateway.js';
import { initialState, newEndpoint, type Endpoint, type StripeState } from './stripe/state.js';

export {
  createStripeKey,
  expireStripeKey,
  pruneStripeIdempotencyKeys,
  seedStripeEndpoint,
  seedStripeEvents,
  STRIPE_SIMULATED_KEY,
  type StripeMode,
  type StripePermission,
  type StripeState,
} from './stripe/state.js';

/** https://docs.stripe.com/webhooks#register-webhook */
const MAX_ENDPOINTS = 16;
/** https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
const MIN_AMOUNT = 50;

/** https://docs.stripe.com/api/webhook_endpoints/object: without the secret, which only a create answers. */
const shownEndpoint = ({ mode, secret: _secret, ...endpoint }: Endpoint) => ({
  ...endpoint,
  object: 'webhook_endpoint',
  application: null,
  livemode: mode === 'live',
});

function createEndpoint({ state, key, parameters, effect }: StripeCall): Reply {
  const url = text(parameters['url']);
  const events = Object.values(group(parameters['enabled_events']));
  if (url === undefined) return missing('url');
  if (events.length === 0) return missing('enabled_events');
  if (!URL.canParse(url) || !/^https?:\/\//.test(url))
    return invalid('url', 'Not a valid URL', 'url_invalid');
  if (key.mode === 'live' && !url.startsWith('https://')) {
    return invalid('url', 'Invalid URL: live mode webhook endpoints must use HTTPS.', 'url_invalid');
  }
  const index = events.findIndex((type) => type !== '*' && !STRIPE_EVENT_TYPES.has(type));
  if (index >= 0) {
    return invalid(
      `enabled_events[${index}]`,
      `Invalid enabled_events[${index}]: must be one of the known event types`,
    );
  }
  const metadata = group(parameters['metadata']);
  if (Object.entries(metadata).some(([name, value]) => name.length > 40 || value.length > 500)) {
    return invalid('metadata', 'Metadata keys may have up to 40 characters, values up to 500.');
  }
  if (state.endpoints.filter(({ mode }) => mode === key.mode).length >= MAX_ENDPOINTS) {
    return failure(400, `You have reached the maximum of ${MAX_ENDPOINTS} ${key.mode} webhook endpoints.`);
  }
  const description = text(parameters['description']) ?? null;
  const endpoint = newEndpoint(state, key.mode, { url, events, description, metadata });
  effect('webhook endpoint created', url);
  return { body: { ...shownEndpoint(endpoint), secret: endpoint.secret } };
}

/** Runs the work on the endpoint of the path, of the mode of the key. */
const onEndpoint =
  (work: (endpoint: Endpoint, call: StripeCall) => Reply) =>
  (call: StripeCall): Reply => {
    const id = call.params['id'] ?? '';
    const endpoint = call.state.endpoints.find((one) => one.id === id && one.mode === call.key.mode);
    return endpoint === undefined ? noSuch('webhook endpoint', id) : work(endpoint, call);
  };

function updateEndpoint(endpoint: Endpoint, { parameters, effect }: StripeCall): Reply {
  const disabled = text(parameters['disabled']);
  if (disabled !== undefined && disabled !== 'true' && disabled !== 'false') {
    return invalid('disabled', `Invalid boolean: ${disabled}`);
  }
  const status = disabled === undefined ? endpoint.status : disabled === 'true' ? 'disabled' : 'enabled';
  if (status !== endpoint.status) {
    endpoint.status = status;
    effect(`webhook endpoint ${status}`, endpoint.url);
  }
  return { body: shownEndpoint(endpoint) };
}

/** https://docs.stripe.com/api/pagination */
function page<T extends { id: string }>({ parameters }: StripeCall, url: string, all: readonly T[]): Reply {
  const limit = Number(text(parameters['limit']) ?? 10);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
    return invalid('limit', `Invalid integer: ${limit}`, 'parameter_invalid_integer');
  }
  const after = text(parameters['starting_after']);
  const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0)
    return invalid('starting_after', `No such object: '${after}'`, 'resource_missing');
  const data = all.slice(start, start + limit);
  return { body: { object: 'list', url, data, has_more: start + limit < all.length } };
}

function listEvents(call: StripeCall): Reply {
  const wanted = text(call.parameters['delivery_success']);
  if (wanted !== undefined && wanted !== 'true' && wanted !== 'false') {
    return invalid('delivery_success', `Invalid boolean: ${wanted}`);
  }
  const since = Number(group(call.parameters['created'])['gte'] ?? 0);
  if (!Number.isInteger(since))
    return invalid('created[gte]', 'Invalid integer', 'parameter_invalid_integer');
  const events = call.state.events
    .filter(({ mode, created }) => mode === call.key.mode && created >= since)
    .filter(({ delivered }) => wanted === undefined || delivered === (wanted === 'true'))
    .toSorted((a, b) => b.created - a.created)
    .map(({ mode, delivered, ...event }) => ({
      ...event,
      object: 'event',
      livemode: mode === 'live',
      pending_webhooks: delivered ? 0 : 1,
      data: { object: {} },
    }));
  return page(call, '/v1/events', events);
}

function createPaymentIntent({ state, key, parameters, effect }: StripeCall): Reply {
  const amount = text(parameters['amount']);
  const currency = text(parameters['currency']);
  const method = text(parameters['payment_method']);
  if (amount === undefined) return missing('amount');
  if (currency === undefined) return missing('currency');
  if (!/^\d+$/.test(amount))
    return invalid('amount', `Invalid integer: ${amount}`, 'parameter_invalid_integer');
  if (!/^[a-z]{3}$/.test(currency)) return invalid('currency', `Invalid currency: ${currency}`);
  if (Number(amount) < MIN_AMOUNT) {
    return invalid('amount', 'Amount must be at least $0.50 usd', 'amount_too_small');
  }
  if (key.mode === 'live' || (method !== undefined && !TEST_CARDS.has(method))) {
    return invalid('payment_method', `No such PaymentMethod: '${method ?? ''}'`, 'resource_missing');
  }
  const confirmed = text(parameters['confirm']) === 'true';
  if (confirmed && method === undefined) return missing('payment_method');
  const intent = {
    id: `pi_sim${state.next++}`,
    object: 'payment_intent',
    amount: Number(amount),
    currency,
    livemode: false,
    payment_method: method ?? null,
  };
  if (confirmed && method === 'pm_card_chargeDeclined') {
    const status = 'requires_payment_method';
    return failure(402, 'Your card was declined.', {
      type: 'card_error',
      code: 'card_declined',
      payment_intent: { ...intent, status },
    });
  }
  const status = confirmed
    ? 'succeeded'
    : method === undefined
      ? 'requires_payment_method'
      : 'requires_confirmation';
  effect('payment intent created', `${amount} ${currency}, ${status}`);
  return { body: { ...intent, status } };
}

/** https://docs.stripe.com/testing#cards */
const TEST_CARDS: ReadonlySet<string> = new Set([
  'pm_card_visa',
  'pm_card_mastercard',
  'pm_card_chargeDeclined',
]);

const ENDPOINTS = '/v1/webhook_endpoints';
const DOCS = 'https://docs.stripe.com/api';

/** Stripe's API, version 2026-10-28.endive. */
export const stripeSimulator: Simulator<StripeState> = {
  system: 'stripe',
  initialState,
  authenticate,
  operations: {
    createWebhookEndpoint: operation('post', ENDPOINTS, `${DOCS}/webhook_endpoints/create`, {
      known: ['url', 'enabled_events', 'api_version', 'connect', 'description', 'expand', 'metadata'],
      permission: 'webhook_write',
      handle: createEndpoint,
    }),
    listWebhookEndpoints: operation('get', ENDPOINTS, `${DOCS}/webhook_endpoints/list`, {
      known: ['limit', 'starting_after', 'ending_before', 'expand'],
      permission: 'webhook_read',
      handle: (call) => {
        const ofMode = call.state.endpoints.filter(({ mode }) => mode === call.key.mode);
        return page(call, ENDPOINTS, ofMode.map(shownEndpoint));
      },
    }),
    retrieveWebhookEndpoint: operation('get', `${ENDPOINTS}/:id`, `${DOCS}/webhook_endpoints/retrieve`, {
      known: ['expand'],
      permission: 'webhook_read',
      handle: onEndpoint((endpoint) => ({ body: shownEndpoint(endpoint) })),
    }),
    updateWebhookEndpoint: operation('post', `${ENDPOINTS}/:id`, `${DOCS}/webhook_endpoints/update`, {
      known: ['disabled'],
      permission: 'webhook_write',
      handle: onEndpoint(updateEndpoint),
    }),
    deleteWebhookEndpoint: operation('delete', `${ENDPOINTS}/:id`, `${DOCS}/webhook_endpoints/delete`, {
      known: [],
      permission: 'webhook_write',
      handle: onEndpoint((endpoint, { state, effect }) => {
        state.endpoints = state.endpoints.filter(({ id }) => id !== endpoint.id);
        effect('webhook endpoint deleted', endpoint.url);
        return { body: { id: endpoint.id, object: 'webhook_endpoint', deleted: true } };
      }),
    }),
    retrieveBalance: operation('get', '/v1/balance', `${DOCS}/balance/balance_retrieve`, {
      known: ['expand'],
      permission: 'balance_read',
      handle: ({ key }) => {
        const funds = [{ amount: 0, currency: 'usd', source_types: { card: 0 } }];
        return {
          body: { object: 'balance', livemode: key.mode === 'live', available: funds, pending: funds },
        };
      },
    }),
    listEvents: operation('get', '/v1/events', `${DOCS}/events/list`, {
      known: ['limit', 'starting_after', 'created', 'delivery_success'],
      permission: 'event_read',
      handle: listEvents,
    }),
    createPaymentIntent: operation('post', '/v1/payment_intents', `${DOCS}/payment_intents/create`, {
      known: [
        'amount',
        'currency',
        'confirm',
        'description',
        'metadata',
        'payment_method',
        'payment_method_types',
      ],
      permission: 'payment_intent_write',
      handle: createPaymentIntent,
    }),
  },
};
