import { describe, expect, it } from 'vitest';
import type { Systems } from '../../activities/index.js';
import { stripe } from '../../activities/stripe/http.js';
import { stripeSteps } from '../../activities/stripe/steps.js';
import type { Vault } from '../../activities/vault/contract.js';
import { memoryVault } from '../../activities/vault/memory.js';
import {
  createStripeKey,
  expireStripeKey,
  pruneStripeIdempotencyKeys,
  seedStripeEndpoint,
  seedStripeEvents,
  STRIPE_SIMULATED_KEY,
  stripeSimulator,
  type StripeState,
} from '../../simulators/stripe.js';
import {
  assertLeaksNothing,
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendors = useSimulators(stripeSimulator);

const URL_OF_APP = 'https://app.example.com/stripe';
const NEW_ENDPOINT = {
  secret: 'stripe/webhook-secret',
  url: URL_OF_APP,
  events: ['charge.failed', 'charge.refunded'],
};

const client = (more: { apiKey?: string; timeoutMs?: number; baseUrl?: URL } = {}) =>
  stripe({ baseUrl: vendors.url('stripe'), apiKey: STRIPE_SIMULATED_KEY, ...more });

const steps = (vault: Vault = memoryVault()) => stripeSteps({ stripe: client(), vault } as Systems);

const endpoints = () =>
  vendors.world.state<StripeState>('stripe', () => stripeSimulator.initialState()).endpoints;
const effects = (what: string) => vendors.world.effects.filter((effect) => effect.what === what);

/** Puts a value into a fresh vault: what `runbook secret put` does. */
async function vaultWith(value: string): Promise<{ vault: Vault; ref: string }> {
  const vault = memoryVault();
  const { ref } = await vault.put('stripe/api-key', value, { key: 'handed in' });
  return { vault, ref };
}

describe('the client', () => {
  it('retries what can pass, conflicts too, and gives up on the rest, without showing the key', async () => {
    const { world } = vendors;
    const rest = { world, secrets: [STRIPE_SIMULATED_KEY], alsoRetries: [409] };
    const { id } = seedStripeEndpoint(world, { url: URL_OF_APP });
    const endpoint = { url: URL_OF_APP, events: ['*'], description: 'test' };
    await assertRetries({
      ...rest,
      operation: 'stripe.createWebhookEndpoint',
      call: () => client().createWebhookEndpoint(endpoint, { key: 'k'.repeat(40) }),
    });
    await assertRetries({
      ...rest,
      operation: 'stripe.updateWebhookEndpoint',
      call: () => client().switchWebhookEndpoint(id, 'disabled'),
    });
    await assertRetries({
      ...rest,
      operation: 'stripe.deleteWebhookEndpoint',
      handles: [404],
      call: () => client().deleteWebhookEndpoint(id),
    });
    await assertRetries({
      ...rest,
      operation: 'stripe.retrieveBalance',
      handles: [401],
      call: () => client().isKeyAccepted(STRIPE_SIMULATED_KEY),
    });
    await assertRetries({
      ...rest,
      operation: 'stripe.listEvents',
      call: () => client().countFailedDeliveries(new Date(0)),
    });
    await assertRetries({
      ...rest,
      operation: 'stripe.createPaymentIntent',
      call: () => client().payWithTestCard(STRIPE_SIMULATED_KEY, { key: 'p'.repeat(40) }),
    });
  });

  it.each([
    ['not JSON', 'whsec_0123456789'],
    [
      'without the signing secret',
      { id: 'we_1', object: 'webhook_endpoint', metadata: {}, status: 'enabled' },
    ],
    [
      'with another kind of secret',
      {
        id: 'we_1',
        object: 'webhook_endpoint',
        metadata: {},
        status: 'enabled',
        secret: 'sk_live_0123456789',
      },
    ],
  ])('refuses an answer %s, without quoting it', async (_, body) => {
    const { url: baseUrl } = await fakeVendorAnswering({ body });
    const failure = await failureOf(
      client({ baseUrl }).createWebhookEndpoint(
        { url: URL_OF_APP, events: ['*'], description: '' },
        { key: 'k' },
      ),
    );
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    assertLeaksNothing(failure, ['whsec_0123456789', 'sk_live_0123456789']);
  });

  it('gives up on an answer that does not come', async () => {
    const { url: baseUrl } = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(client({ baseUrl, timeoutMs: 50 }).isKeyAccepted(STRIPE_SIMULATED_KEY));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
    expect(failure.message).toContain('no answer within 0.05 s');
  });

  it('follows every page of a list', async () => {
    const events = Array.from({ length: 230 }, () => ({
      type: 'charge.failed',
      createdAt: new Date('2026-01-02T00:00:00Z'),
      delivered: false,
    }));
    seedStripeEvents(vendors.world, events);
    expect(await client().countFailedDeliveries(new Date('2026-01-01T00:00:00Z'))).toBe(230);
    expect(vendors.world.requests).toHaveLength(3);
  });

  it('does not take a list that leads nowhere for the whole list', async () => {
    const { url: baseUrl } = await fakeVendorAnswering({
      body: { object: 'list', data: [], has_more: true },
    });
    const failure = await failureOf(client({ baseUrl }).countFailedDeliveries(new Date(0)));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  it('does not take the remembered answer of a deleted endpoint for a new endpoint', async () => {
    const endpoint = { url: URL_OF_APP, events: ['*'], description: 'test' };
    const first = await client().createWebhookEndpoint(endpoint, { key: 'step' });
    expect(await client().createWebhookEndpoint(endpoint, { key: 'step' })).toEqual(first);
    await client().deleteWebhookEndpoint(first.id);
    const second = await client().createWebhookEndpoint(endpoint, { key: 'step' });
    expect(second.id).not.toBe(first.id);
    expect(endpoints().map(({ id }) => id)).toEqual([second.id]);
  });

  it('gets past the remembered server error of an earlier attempt', async () => {
    const endpoint = { url: URL_OF_APP, events: ['*'], description: 'test' };
    const { id } = await client().createWebhookEndpoint(endpoint, { key: 'step' });
    await client().deleteWebhookEndpoint(id);
    const state = vendors.world.state<StripeState>('stripe', () => stripeSimulator.initialState());
    const memory = state.idempotency['test/step'];
    expect(memory?.status).toBe(200);
    if (memory !== undefined)
      state.idempotency['test/step'] = { ...memory, status: 500, body: { error: {} } };
    await client().createWebhookEndpoint(endpoint, { key: 'step' });
    expect(endpoints()).toHaveLength(1);
  });
});

describe('createWebhookEndpoint', () => {
  it('stores the signing secret and returns a reference to it, never the value', async () => {
    const vault = memoryVault();
    const created = await runVerb(steps(vault).createWebhookEndpoint, NEW_ENDPOINT);
    const [endpoint] = endpoints();
    expect(endpoint).toMatchObject({
      url: URL_OF_APP,
      enabled_events: NEW_ENDPOINT.events,
      status: 'enabled',
    });
    expect(created).toMatchObject({
      ref: 'secret://stripe/webhook-secret@v1',
      version: 1,
      keyId: endpoint?.id,
    });
    expect(await vault.reveal(created.ref)).toBe(endpoint?.secret);
    expect(JSON.stringify(created)).not.toContain(endpoint?.secret);
  });

  it.each([
    ['within the day that Stripe remembers', () => undefined],
    ['after Stripe has forgotten', () => pruneStripeIdempotencyKeys(vendors.world)],
  ])(
    'an endpoint whose signing secret was never stored is deleted and created again, %s',
    async (_, pass) => {
      const vault = memoryVault();
      const step = stepContext();
      vendors.world.fail({ operation: 'stripe.createWebhookEndpoint', point: 'after' });
      await failureOf(runVerb(steps(vault).createWebhookEndpoint, NEW_ENDPOINT, step));
      expect(vendors.world.injected('stripe.createWebhookEndpoint')).toBe(1);
      const [lost] = endpoints();
      pass();

      const created = await runVerb(steps(vault).createWebhookEndpoint, NEW_ENDPOINT, {
        ...step,
        attempt: 2,
      });
      expect(endpoints()).toHaveLength(1);
      expect(endpoints()[0]?.id).toBe(created.keyId);
      expect(created.keyId).not.toBe(lost?.id);
      expect(await vault.reveal(created.ref)).toBe(endpoints()[0]?.secret);
    },
  );

  it('acts once, however often it is repeated', async () => {
    const vault = memoryVault();
    const step = stepContext();
    const first = await runVerb(steps(vault).createWebhookEndpoint, NEW_ENDPOINT, step);
    pruneStripeIdempotencyKeys(vendors.world);
    for (const attempt of [1, 2, 3]) {
      expect(await runVerb(steps(vault).createWebhookEndpoint, NEW_ENDPOINT, { ...step, attempt })).toEqual(
        first,
      );
    }
    expect(effects('webhook endpoint created')).toHaveLength(1);
  });

  it('leaves the endpoints of others alone', async () => {
    const old = seedStripeEndpoint(vendors.world, { url: URL_OF_APP });
    const other = seedStripeEndpoint(vendors.world, {
      url: URL_OF_APP,
      metadata: { runbook_step: 'another step' },
    });
    await runVerb(steps().createWebhookEndpoint, NEW_ENDPOINT);
    expect(endpoints().map(({ id }) => id)).toEqual(expect.arrayContaining([old.id, other.id]));
    expect(endpoints()).toHaveLength(3);
  });

  it('is refused for good when the event type does not exist', async () => {
    const call = runVerb(steps().createWebhookEndpoint, { ...NEW_ENDPOINT, events: ['charge.fialed'] });
    expect(await failureOf(call)).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(endpoints()).toEqual([]);
  });

  it.each([
    ['an empty list of events', { events: [] }],
    ['something that is not an address', { url: 'app.example.com' }],
    ['a value in place of a name', { secret: 'whsec_0123456789' }],
  ])('is not tried with %s', async (_, wrong) => {
    const call = runVerb(steps().createWebhookEndpoint, { ...NEW_ENDPOINT, ...wrong });
    expect((await failureOf(call)).type).toBe('InvalidInput');
    expect(vendors.world.requests).toEqual([]);
  });
});

describe('discardWebhookEndpoint', () => {
  const creating = stepContext({ stepId: 'stripe.createWebhookEndpoint#1' });
  const discard = (vault: Vault) =>
    runWithRetries(
      steps(vault).discardWebhookEndpoint,
      { secret: NEW_ENDPOINT.secret, step: creating.stepId },
      stepContext({ stepId: `undo/${creating.stepId}` }),
    );

  it('deletes what the step created and marks its secret as revoked, repeated or not', async () => {
    const vault = memoryVault();
    const old = seedStripeEndpoint(vendors.world, { url: URL_OF_APP });
    const { ref } = await runVerb(steps(vault).createWebhookEndpoint, NEW_ENDPOINT, creating);
    await discard(vault);
    await discard(vault);
    expect(endpoints().map(({ id }) => id)).toEqual([old.id]);
    expect(await vault.describe(ref)).toMatchObject({ state: 'revoked' });
    expect(effects('webhook endpoint deleted')).toHaveLength(1);
  });

  it('deletes an endpoint whose creation was never answered', async () => {
    const vault = memoryVault();
    vendors.world.fail({ operation: 'stripe.createWebhookEndpoint', point: 'after' });
    await failureOf(runVerb(steps(vault).createWebhookEndpoint, NEW_ENDPOINT, creating));
    expect(vendors.world.injected('stripe.createWebhookEndpoint')).toBe(1);
    expect(endpoints()).toHaveLength(1);
    await discard(vault);
    expect(endpoints()).toEqual([]);
  });
});

describe('switching and deleting webhook endpoints', () => {
  it('disables and enables an endpoint, also when somebody switched it back in between', async () => {
    const { id } = seedStripeEndpoint(vendors.world, { url: URL_OF_APP });
    const disable = () => runVerb(steps().disableWebhookEndpoint, { endpointId: id });
    await disable();
    expect(endpoints()[0]?.status).toBe('disabled');
    await runVerb(steps().enableWebhookEndpoint, { endpointId: id });
    expect(endpoints()[0]?.status).toBe('enabled');
    await disable();
    expect(endpoints()[0]?.status).toBe('disabled');
  });

  it('switches once when the answer was lost', async () => {
    const { id } = seedStripeEndpoint(vendors.world, { url: URL_OF_APP });
    vendors.world.fail({ operation: 'stripe.updateWebhookEndpoint', point: 'after' });
    await runWithRetries(steps().disableWebhookEndpoint, { endpointId: id });
    expect(vendors.world.injected()).toBe(1);
    expect(effects('webhook endpoint disabled')).toHaveLength(1);
  });

  it('says so when the endpoint to disable does not exist', async () => {
    const failure = await failureOf(runVerb(steps().disableWebhookEndpoint, { endpointId: 'we_gone' }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('we_gone');
  });

  it('deletes once when the answer was lost, and takes a missing endpoint for deleted', async () => {
    const { id } = seedStripeEndpoint(vendors.world, { url: URL_OF_APP });
    vendors.world.fail({ operation: 'stripe.deleteWebhookEndpoint', point: 'after' });
    await runWithRetries(steps().deleteWebhookEndpoint, { endpointId: id });
    expect(vendors.world.injected()).toBe(1);
    expect(endpoints()).toEqual([]);
    await runVerb(steps().deleteWebhookEndpoint, { endpointId: id });
    expect(effects('webhook endpoint deleted')).toHaveLength(1);
  });
});

describe('verifyKey', () => {
  it('tells an accepted key from an expired and from an unknown one', async () => {
    const value = createStripeKey(vendors.world);
    const { vault, ref } = await vaultWith(value);
    expect(await runVerb(steps(vault).verifyKey, { ref })).toEqual({ accepted: true });
    expireStripeKey(vendors.world, value);
    expect(await runVerb(steps(vault).verifyKey, { ref })).toEqual({ accepted: false });
    const unknown = await vaultWith('sk_live_somebodyelses');
    expect(await runVerb(steps(unknown.vault).verifyKey, { ref: unknown.ref })).toEqual({ accepted: false });
  });

  it('does not take a restricted key without the permission for a revoked one', async () => {
    const value = createStripeKey(vendors.world, { permissions: ['event_read'] });
    const { vault, ref } = await vaultWith(value);
    const failure = await failureOf(runVerb(steps(vault).verifyKey, { ref }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('Balance: Read');
    assertLeaksNothing(failure, [value]);
  });
});

describe('testPayment', () => {
  it('pays with the test card, once although the answer was lost', async () => {
    const { vault, ref } = await vaultWith(
      createStripeKey(vendors.world, { permissions: ['payment_intent_write'] }),
    );
    vendors.world.fail({ operation: 'stripe.createPaymentIntent', point: 'after' });
    const paid = await runWithRetries(steps(vault).testPayment, { ref });
    expect(vendors.world.injected('stripe.createPaymentIntent')).toBe(1);
    expect(paid.status).toBe('succeeded');
    expect(paid.paymentIntent).toMatch(/^pi_/);
    expect(effects('payment intent created')).toHaveLength(1);
  });

  it('never uses a live key', async () => {
    const value = createStripeKey(vendors.world, { mode: 'live' });
    const { vault, ref } = await vaultWith(value);
    const failure = await failureOf(runVerb(steps(vault).testPayment, { ref }));
    expect(failure).toMatchObject({ type: 'LiveKeyRefused', nonRetryable: true });
    assertLeaksNothing(failure, [value]);
    expect(vendors.world.requests).toEqual([]);
  });

  it('fails when the payment did not go through', async () => {
    const intent = { id: 'pi_1', object: 'payment_intent', livemode: false, status: 'requires_action' };
    const { url: baseUrl } = await fakeVendorAnswering({ body: intent });
    const failure = await failureOf(client({ baseUrl }).payWithTestCard(STRIPE_SIMULATED_KEY, { key: 'k' }));
    expect(failure).toMatchObject({ type: 'TestPaymentFailed', nonRetryable: true });
    expect(failure.message).toContain('requires_action');
  });
});

describe('failedDeliveries', () => {
  it('counts what was not delivered since the given moment', async () => {
    const event = (createdAt: string, delivered: boolean) => ({
      type: 'charge.failed',
      createdAt: new Date(createdAt),
      delivered,
    });
    seedStripeEvents(vendors.world, [
      event('2026-01-01T11:59:59Z', false),
      event('2026-01-01T12:00:00Z', false),
      event('2026-01-01T12:30:00Z', true),
      event('2026-01-01T13:00:00Z', false),
    ]);
    const found = await runVerb(steps().failedDeliveries, { since: '2026-01-01T12:00:00.000Z' });
    expect(found).toEqual({ events: 2 });
  });
});

describe('the simulated account', () => {
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${vendors.url('stripe').href}${path}`, {
      method: 'POST',
      body,
      headers: {
        authorization: `Bearer ${STRIPE_SIMULATED_KEY}`,
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
    });
  const VALID = `url=${encodeURIComponent(URL_OF_APP)}&enabled_events[]=charge.failed`;

  it.each([
    ['JSON', '{}', { 'content-type': 'application/json' }, 400, {}],
    ['an unknown parameter', `${VALID}&colour=red`, {}, 400, { code: 'parameter_unknown', param: 'colour' }],
    ['no address', 'enabled_events[]=*', {}, 400, { code: 'parameter_missing', param: 'url' }],
    ['no key', VALID, { authorization: '' }, 401, { type: 'invalid_request_error' }],
    ['a wrong key', VALID, { authorization: 'Bearer sk_test_wrong' }, 401, { type: 'invalid_request_error' }],
    ['a malformed version', VALID, { 'stripe-version': 'latest' }, 400, {}],
  ])('refuses %s as Stripe does', async (_, body, headers, status, error) => {
    const response = await post('/v1/webhook_endpoints', body, headers);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error });
    expect(vendors.world.effects).toEqual([]);
  });

  it('replays the answer of a repeated idempotency key, and refuses other parameters under it', async () => {
    const headers = { 'idempotency-key': 'one' };
    const first = await post('/v1/webhook_endpoints', VALID, headers);
    const again = await post('/v1/webhook_endpoints', VALID, headers);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(await again.json()).toEqual(await first.json());
    const other = await post('/v1/webhook_endpoints', `${VALID}&description=x`, headers);
    expect(other.status).toBe(400);
    expect(await other.json()).toMatchObject({ error: { type: 'idempotency_error' } });
    expect(endpoints()).toHaveLength(1);
  });

  it('keeps test and live mode apart', async () => {
    const { id } = seedStripeEndpoint(vendors.world, { url: URL_OF_APP, mode: 'live' });
    const live = createStripeKey(vendors.world, { mode: 'live' });
    const failure = await failureOf(client().switchWebhookEndpoint(id, 'disabled'));
    expect(failure.type).toBe('VendorRefused');
    await client({ apiKey: live }).switchWebhookEndpoint(id, 'disabled');
    expect(endpoints()[0]?.status).toBe('disabled');
  });
});
