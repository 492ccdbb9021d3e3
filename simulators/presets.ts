import { createHash } from 'node:crypto';
import type { Vault } from '../activities/vault/contract.js';
import type { Secret, SecretInventory } from '../config/secrets.js';
import type { WorldPreset } from '../workflows/engine/types.js';
import { seedApplication } from './application.js';
import { seedDns } from './dns.js';
import { seedNetlify, setNetlifyVariable } from './netlify.js';
import { keepAccepting, revokeOpenaiKey, seedOpenai } from './openai.js';
import { seedPostgres } from './postgres.js';
import { revokeResendKey, seedResend } from './resend.js';
import { seedS3 } from './s3.js';
import {
  createStripeKey,
  expireStripeKey,
  seedStripeEndpoint,
  seedStripeEvents,
  type StripePermission,
} from './stripe.js';
import {
  revokeSupabaseKey,
  seedSupabase,
  setSupabaseSecret,
  SUPABASE_USERS,
  type SupabaseSeed,
} from './supabase.js';
import type { World } from './world.js';

/** What the restricted Stripe keys of a world may do: what a step asks of them. */
const LIVE_KEY_PERMISSIONS: readonly StripePermission[] = ['balance_read'];
const TEST_KEY_PERMISSIONS: readonly StripePermission[] = ['payment_intent_write'];
/** Deliveries fail after the rotation; far enough ahead for every virtual clock of a rehearsal. */
const FUTURE_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;
const WEEK_DAYS = 7;
/** The recovery site of config/services.yaml. */
const RECOVERY_ADDRESS = '198.51.100.10';

/** A world in which every secret of the inventory exists at its vendor, in the vault and in the places that use it. */
export async function seedWorld(
  world: World,
  vault: Vault,
  inventory: SecretInventory,
  preset: WorldPreset = {},
): Promise<void> {
  const secrets = [...inventory.values()];
  seedPlaces(world, secrets);
  seedDns(world, {
    slowResolvers: preset.slowResolvers ?? 0,
    ...(preset.failedOver === true ? { value: RECOVERY_ADDRESS } : {}),
  });
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
    failingChecksIn: Object.fromEntries(
      Object.entries(preset.failingChecksIn ?? {}).map(([environment, looks]) => [
        environment,
        looks.map((checks) => [...checks]),
      ]),
    ),
    environments: Object.fromEntries(
      [...(preset.environments ?? []), ...(preset.failedOver === true ? ['dr'] : [])].map((name) => [
        name,
        `${name}-0`,
      ]),
    ),
    unreadableFields: preset.unreadableFields ?? 0,
    logMatches: { '*': preset.logMatches ?? 0 },
    breachSuspected: preset.breachSuspected ?? false,
    suspiciousAccounts: preset.suspiciousAccounts ?? 0,
    recentChanges: preset.recentChanges ?? 0,
    failingMigrations: preset.failingMigrations ?? false,
    stuckMaintenance: preset.stuckMaintenance ?? 0,
  });
  const failed = Array.from({ length: preset.failedDeliveries ?? 0 }, () => ({
    type: 'invoice.paid',
    createdAt: new Date(Date.now() + FUTURE_MS),
    delivered: false,
  }));
  seedStripeEvents(world, failed);
  seedStores(world, preset);
}

/** Two databases with the backups of the last nights, and a bucket with what users uploaded. */
function seedStores(world: World, preset: WorldPreset): void {
  const tables = { accounts: 400, orders: 1_800, invoices: 1_200 };
  const backups = [30, 6].map((hours) => ({
    database: 'app',
    label: 'nightly',
    at: new Date(Date.now() - hours * 3_600_000),
  }));
  seedPostgres(world, {
    databases: {
      app: tables,
      // Where a service runs, orders come in.
      'app-dr': preset.failedOver === true ? { ...tables, orders: 1_820 } : tables,
    },
    backups,
    newestDamaged: preset.damagedBackups ?? false,
    integrityProblems: [...(preset.integrityProblems ?? [])],
    behindSeconds: { 'app-dr': preset.staleReplica ?? 0 },
    writesAfterBackup: preset.writesAfterBackup ?? false,
  });
  seedS3(world, 'example-uploads', { 'avatars/1': 'first', 'avatars/2': 'second', 'documents/1': 'third' });
  seedSites(world, preset);
}

/** The files of a service, their backup, and what its recovery site has of them. */
function seedSites(world: World, { strayFiles = 0, failedOver = false }: WorldPreset): void {
  const files = { 'avatars/1': 'first', 'avatars/2': 'second', 'documents/1': 'third' };
  const below = (prefix: string, all: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(all).map(([key, text]) => [prefix + key, text]));
  const strays = (site: string) =>
    Object.fromEntries(Array.from({ length: strayFiles }, (_, n) => [`${site}/${n + 1}`, `only at ${site}`]));
  seedS3(world, 'shop-files', { ...files, ...strays('live') });
  seedS3(world, 'shop-backups', below('files/', files));
  const written = failedOver ? { ...files, 'documents/2': 'fourth' } : {};
  seedS3(world, 'shop-files-dr', { ...written, ...strays('recovery') });
}

/** A person makes a new value at the vendor and hands it in with `runbook secret put`. */
export async function handIn(world: World, vault: Vault, secret: Secret): Promise<void> {
  const count = (await vault.list(secret.id)).length;
  const value = madeByHand(world, secret, count);
  await vault.put(secret.id, value, { key: `handed-in/${count}` });
}

/**
 * A person revokes, at the vendor, the value that is not in use: the replaced one, or the new one of a rotation that
 * was given up. While nothing else is there it is the current one.
 */
export async function revokeByHand(world: World, vault: Vault, secret: Secret): Promise<void> {
  const versions = await vault.list(secret.id);
  const old =
    versions.findLast(({ state }) => state === 'previous' || state === 'pending') ??
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
    case 'manual':
      return void keysByHand(world).splice(keysByHand(world).indexOf(value), 1);
    case 'stripe-webhook':
    case 'generated':
      return;
    default:
      provider satisfies never;
  }
}

/** Valid keys of the vendors that have no simulator: people make and delete them in a console. */
function keysByHand(world: World): string[] {
  return world.state<{ keys: string[] }>('by-hand', () => ({ keys: [] })).keys;
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
    seedSupabase(world, { project, keys, ...inUse() });
  }
}

/** A Supabase project that people use: accounts, sessions, files, and backups of the last week. */
function inUse(): Pick<SupabaseSeed, 'users' | 'sessions' | 'buckets' | 'recovery'> {
  const now = Date.now();
  const daily = Array.from({ length: WEEK_DAYS }, (_, n) => ({
    at: new Date(now - (n + 1) * DAY_MS).toISOString(),
    status: 'COMPLETED',
  }));
  return {
    users: SUPABASE_USERS,
    sessions: SUPABASE_USERS.length,
    buckets: {
      assets: [
        { path: 'brand/logo.svg', bytes: 4_096, etag: '0e1f' },
        { path: 'readme.txt', bytes: 512, etag: '2a3b' },
      ],
    },
    recovery: {
      range: {
        earliest: new Date(now - WEEK_DAYS * DAY_MS).toISOString(),
        latest: new Date(now + FUTURE_MS).toISOString(),
      },
      daily,
    },
  };
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
      const value = valueOf(world, secret, '');
      keysByHand(world).push(value);
      return { value };
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
  const value = valueOf(world, secret, '', count);
  keysByHand(world).push(value);
  return value;
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
