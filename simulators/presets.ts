import { createHash } from 'node:crypto';
import type { Vault } from '../activities/vault/contract.js';
import type { Secret, SecretInventory } from '../config/secrets.js';
import type { WorldPreset } from '../workflows/engine/types.js';
import { seedApplication } from './application.js';
import { seedNetlify, setNetlifyVariable } from './netlify.js';
import { keepAccepting, revokeOpenaiKey, seedOpenai } from './openai.js';
import { revokeResendKey, seedResend } from './resend.js';
import {
  createStripeKey,
  expireStripeKey,
  seedStripeEndpoint,
  seedStripeEvents,
  type StripePermission,
} from './stripe.js';
import { revokeSupabaseKey, seedSupabase, setSupabaseSecret } from './supabase.js';
import type { World } from './world.js';

/** What the restricted Stripe keys of a world may do: what a step asks of them. */
const LIVE_KEY_PERMISSIONS: readonly StripePermission[] = ['balance_read'];
const TEST_KEY_PERMISSIONS: readonly StripePermission[] = ['payment_intent_write'];
/** Deliveries fail after the rotation; far enough ahead for every virtual clock of a rehearsal. */
const FUTURE_MS = 3_600_000;

/** A world in which every secret of the inventory exists at its vendor, in the vault and in the places that use it. */
export async function seedWorld(
  world: World,
  vault: Vault,
  inventory: SecretInventory,
  preset: WorldPreset = {},
): Promise<void> {
  const secrets = [...inventory.values()];
  seedPlaces(world, secrets);
  for (const secret of secrets) {
    const { value, vendorId } = seedSecret(world, secret, secrets, preset);
    const known = vendorId !== undefined && preset.withoutKeyId?.includes(secret.id) !== true;
    const version = await vault.put(secret.id, value, { key: 'seed', ...(known ? { vendorId } : {}) });
    await vault.promote(version.ref);
    deploySeeded(world, secret, value);
    if (preset.neverRefused?.includes(secret.id) === true) keepAccepting(world, value);
  }
  seedApplication(world, {
    errorRates: [...(preset.errorRates ?? [0.001])],
    failingChecks: (preset.failingChecks ?? [[]]).map((checks) => [...checks]),
    unreadableFields: preset.unreadableFields ?? 0,
    logMatches: { '*': preset.logMatches ?? 0 },
  });
  const failed = Array.from({ length: preset.failedDeliveries ?? 0 }, () => ({
    type: 'invoice.paid',
    createdAt: new Date(Date.now() + FUTURE_MS),
    delivered: false,
  }));
  seedStripeEvents(world, failed);
}

/** A person makes a new value at the vendor and hands it in with `runbook secret put`. */
export async function handIn(world: World, vault: Vault, secret: Secret): Promise<void> {
  const count = (await vault.list(secret.id)).length;
  const value = madeByHand(world, secret, count);
  await vault.put(secret.id, value, { key: `handed-in/${count}` });
}

/** A person revokes, at the vendor, the value that is being replaced. */
export async function revokeByHand(world: World, vault: Vault, secret: Secret): Promise<void> {
  const versions = await vault.list(secret.id);
  const old =
    versions.findLast(({ state }) => state === 'previous') ??
    versions.find(({ state }) => state === 'current');
  if (old === undefined) return;
  const value = await vault.reveal(old.ref);
  const { provider } = secret;
  switch (provider.kind) {
    case 'openai':
      return revokeOpenaiKey(world, value);
    case 'resend':
      return revokeResendKey(world, value);
    case 'supabase':
      return revokeSupabaseKey(world, provider.project, value);
    case 'stripe-key':
      return expireStripeKey(world, value);
    case 'stripe-webhook':
    case 'generated':
    case 'manual':
      return;
    default:
      provider satisfies never;
  }
}

function seedPlaces(world: World, secrets: readonly Secret[]): void {
  const sites = new Map<string, string>();
  const projects = new Set<string>();
  for (const { deployedTo, provider } of secrets) {
    if (provider.kind === 'supabase') projects.add(provider.project);
    for (const place of deployedTo) {
      if (place.system === 'netlify') sites.set(place.site, place.account);
      else projects.add(place.project);
    }
  }
  for (const [site, account] of sites) seedNetlify(world, { account, site });
  for (const project of projects) {
    const keys = secrets
      .filter(({ provider }) => provider.kind === 'supabase' && provider.project === project)
      .map((secret) => ({ name: nameOf(secret), value: valueOf(world, secret, 'sb_secret_') }));
    seedSupabase(world, { project, keys });
  }
}

/** The places that use a secret hold its value from the start. */
function deploySeeded(world: World, { variable, deployedTo }: Secret, value: string): void {
  for (const place of deployedTo) {
    switch (place.system) {
      case 'netlify':
        setNetlifyVariable(world, { site: place.site, variable, context: place.context, value });
        break;
      case 'supabase':
        setSupabaseSecret(world, place.project, variable, value);
        break;
      default:
        place satisfies never;
    }
  }
}

function seedSecret(
  world: World,
  secret: Secret,
  all: readonly Secret[],
  preset: WorldPreset,
): { value: string; vendorId?: string } {
  const { provider } = secret;
  switch (provider.kind) {
    case 'openai': {
      const value = valueOf(world, secret, 'sk-svcacct-');
      const owner = preset.withoutKeyId?.includes(secret.id) === true ? 'user' : 'service_account';
      const [vendorId] = seedOpenai(world, {
        project: provider.project,
        keys: [{ name: nameOf(secret), value, owner }],
      }).keyIds;
      return { value, ...(vendorId === undefined ? {} : { vendorId }) };
    }
    case 'resend': {
      const value = valueOf(world, secret, 're_');
      const [vendorId] = seedResend(world, {
        keys: [{ name: nameOf(secret), value, permission: provider.permission }],
      }).keyIds;
      return { value, ...(vendorId === undefined ? {} : { vendorId }) };
    }
    case 'supabase':
      return seededSupabaseKey(world, secret, provider.project);
    case 'stripe-webhook': {
      const { id, secret: value } = seedStripeEndpoint(world, { url: provider.url, events: provider.events });
      return { value, vendorId: id };
    }
    case 'stripe-key':
      return { value: createStripeKey(world, { mode: 'live', permissions: LIVE_KEY_PERMISSIONS }) };
    case 'manual': {
      const isTestKey = all.some(
        (other) => other.provider.kind === 'stripe-key' && other.provider.testKey === secret.id,
      );
      if (isTestKey)
        return { value: createStripeKey(world, { mode: 'test', permissions: TEST_KEY_PERMISSIONS }) };
      return { value: valueOf(world, secret, '') };
    }
    case 'generated':
      return { value: valueOf(world, secret, '') };
    default:
      return provider satisfies never;
  }
}

function seededSupabaseKey(
  world: World,
  secret: Secret,
  project: string,
): { value: string; vendorId?: string } {
  const value = valueOf(world, secret, 'sb_secret_');
  const state = world.state<{
    projects: Record<string, { keys: readonly { id: string; name: string }[] } | undefined>;
  }>('supabase', () => ({ projects: {} }));
  const vendorId = state.projects[project]?.keys.find(({ name }) => name === nameOf(secret))?.id;
  return { value, ...(vendorId === undefined ? {} : { vendorId }) };
}

function madeByHand(world: World, secret: Secret, count: number): string {
  if (secret.provider.kind === 'stripe-key')
    return createStripeKey(world, { mode: 'live', permissions: LIVE_KEY_PERMISSIONS });
  return valueOf(world, secret, '', count);
}

/** The vendors' names for keys: letters, digits and underscores do everywhere. */
function nameOf({ id }: Secret): string {
  return id.replace(/[^a-z0-9]/g, '_');
}

/** Another value in every world, the same in every run of one. */
function valueOf(world: World, { id }: Secret, prefix: string, count = 0): string {
  const hash = createHash('sha256').update(`${world.name}/${id}/${count}`).digest('hex');
  return `${prefix}${hash.slice(0, 40)}`;
}
