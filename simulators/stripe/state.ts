import { createHash } from 'node:crypto';
import type { World } from '../world.js';

export type StripeMode = 'test' | 'live';
/** What a restricted key may be allowed: https://docs.stripe.com/keys/restricted-api-keys */
export type StripePermission =
  'webhook_write' | 'webhook_read' | 'balance_read' | 'event_read' | 'payment_intent_write';

export interface Key {
  readonly value: string;
  readonly mode: StripeMode;
  /** Null: a secret key, which may do everything. */
  readonly permissions: readonly StripePermission[] | null;
  expired: boolean;
}

export interface Endpoint {
  readonly id: string;
  readonly mode: StripeMode;
  readonly created: number;
  readonly secret: string;
  readonly api_version: string;
  url: string;
  enabled_events: string[];
  description: string | null;
  metadata: Record<string, string>;
  status: 'enabled' | 'disabled';
}

export interface StoredEvent {
  readonly id: string;
  readonly mode: StripeMode;
  readonly created: number;
  readonly type: string;
  readonly delivered: boolean;
}

export interface StripeState {
  /** Number of the object that is made next. */
  next: number;
  keys: Key[];
  endpoints: Endpoint[];
  events: StoredEvent[];
  /** By mode and idempotency key. */
  idempotency: Record<string, { readonly request: string; readonly status: number; readonly body: unknown }>;
}

/** The key that a new world accepts: a secret key of test mode. */
export const STRIPE_SIMULATED_KEY = 'sk_test_sim-admin';

export const initialState = (): StripeState => ({
  next: 1,
  keys: [{ value: STRIPE_SIMULATED_KEY, mode: 'test', permissions: null, expired: false }],
  endpoints: [],
  events: [],
  idempotency: {},
});

const stateOf = (world: World): StripeState => world.state('stripe', initialState);

const letters = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

/** What a person does in the Dashboard: creates an API key, or brings a given one. Returns its value. */
export function createStripeKey(
  world: World,
  options: { mode?: StripeMode; permissions?: readonly StripePermission[]; value?: string } = {},
): string {
  const { mode = 'test', permissions = null } = options;
  const state = stateOf(world);
  const prefix = `${permissions === null ? 'sk' : 'rk'}_${mode}_`;
  const value = options.value ?? `${prefix}${letters(`API key ${state.next++}`)}`;
  if (!value.startsWith(prefix))
    throw new Error(`A simulated Stripe key of this kind starts with ${prefix}.`);
  state.keys.push({ value, mode, permissions, expired: false });
  world.effects.push({ system: 'stripe', what: 'API key created', subject: prefix });
  return value;
}

/** What a person does in the Dashboard: expires an API key at once. */
export function expireStripeKey(world: World, value: string): void {
  const key = stateOf(world).keys.find((candidate) => candidate.value === value);
  if (key === undefined) throw new Error('The simulated Stripe account has no such API key.');
  key.expired = true;
  world.effects.push({ system: 'stripe', what: 'API key expired', subject: value.slice(0, 8) });
}

/** Adds a webhook endpoint that was made before, and returns its id and signing secret. */
export function seedStripeEndpoint(
  world: World,
  options: { url: string; events?: readonly string[]; mode?: StripeMode; metadata?: Record<string, string> },
): { id: string; secret: string } {
  const { url, events = ['*'], mode = 'test', metadata = {} } = options;
  const endpoint = newEndpoint(stateOf(world), mode, {
    url,
    events: [...events],
    description: null,
    metadata,
  });
  return { id: endpoint.id, secret: endpoint.secret };
}

/** Adds events whose deliveries succeeded, or failed or are still pending. */
export function seedStripeEvents(
  world: World,
  events: readonly { type: string; createdAt: Date; delivered: boolean; mode?: StripeMode }[],
): void {
  const state = stateOf(world);
  for (const { type, createdAt, delivered, mode = 'test' } of events) {
    const created = Math.floor(createdAt.getTime() / 1000);
    state.events.push({ id: `evt_sim${state.next++}`, mode, created, type, delivered });
  }
}

/** What happens at Stripe when a day has passed: remembered idempotency keys are pruned. */
export function pruneStripeIdempotencyKeys(world: World): void {
  stateOf(world).idempotency = {};
}

/** Makes a webhook endpoint, with an id and a signing secret that are the same in every run of a scenario. */
export function newEndpoint(
  state: StripeState,
  mode: StripeMode,
  given: { url: string; events: string[]; description: string | null; metadata: Record<string, string> },
): Endpoint {
  const number = state.next++;
  const endpoint: Endpoint = {
    id: `we_sim${number}`,
    mode,
    created: Math.floor(Date.now() / 1000),
    secret: `whsec_${letters(`signing secret ${number}`)}`,
    api_version: '2026-10-28.endive',
    url: given.url,
    enabled_events: given.events,
    description: given.description,
    metadata: given.metadata,
    status: 'enabled',
  };
  state.endpoints.unshift(endpoint);
  return endpoint;
}
