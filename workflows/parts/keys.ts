import { ApplicationFailure } from '@temporalio/common';
import type { Secret } from '../../config/secrets.js';
import type { Run } from '../engine/runbook.js';

/** A revoked key may be accepted for a moment by caches of the vendor. */
const REVOCATION_SPREADS_WITHIN = '1 minute';
const REVOCATION_LOOKS = 5;
/** How far back uses of a leaked key are searched for; no document names a span. */
const LOOK_BACK_DAYS = 30;
const DAY_MS = 86_400_000;

export type Provider = Secret['provider'];
/** A run that is about one secret. */
export type SecretRun = Run<{ readonly secret: Secret }>;

/** A stored version of the secret that is rotated. */
export interface Key {
  readonly ref: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly keyId: string | null;
}

/** Whether the application takes the old and the new value side by side during the overlap. */
export function acceptsTwo({ kind }: Provider): boolean {
  return kind === 'stripe-webhook' || kind === 'generated';
}

/**
 * Makes the new key, under an undo that takes it back.
 * @param leaked the old one is not worth keeping: the application need not go on accepting it
 * @throws ApplicationFailure `FieldsUnreadable`, and `Aborted` when a person can't make the key
 */
export async function createKey(run: SecretRun, old: Key, leaked: boolean): Promise<Key> {
  const { openai, resend, supabase, stripe } = run.steps;
  const { id: secret, provider } = run.config.secret;
  const discard = 'delete the new key';
  switch (provider.kind) {
    case 'openai':
      run.undo('openai.discardKey', discard, () =>
        openai.discardKey({ secret, project: provider.project, step: 'openai.createKey#1' }),
      );
      return await openai.createKey({ secret, project: provider.project });
    case 'resend':
      run.undo('resend.discardKey', discard, () => resend.discardKey({ secret, step: 'resend.createKey#1' }));
      return await resend.createKey({ secret, permission: provider.permission });
    case 'supabase':
      run.undo('supabase.discardKey', discard, () =>
        supabase.discardKey({ secret, project: provider.project, step: 'supabase.createKey#1' }),
      );
      return await supabase.createKey({ secret, project: provider.project });
    case 'stripe-webhook': {
      if (!leaked) acceptOnlyOnUndo(run, old);
      run.undo('stripe.discardWebhookEndpoint', 'delete the new endpoint', () =>
        stripe.discardWebhookEndpoint({ secret, step: 'stripe.createWebhookEndpoint#1' }),
      );
      const { url, events } = provider;
      const created = await stripe.createWebhookEndpoint({ secret, url, events: [...events] });
      if (!leaked) await run.steps.application.acceptBoth({ secret, current: old.ref, next: created.ref });
      return created;
    }
    case 'generated':
      return await generateKey(run, old, provider.bytes);
    case 'stripe-key':
    case 'manual':
      return await createByHand(run, old, provider.create);
    default:
      return provider satisfies never;
  }
}

/** A key that data is encrypted with: everything is re-encrypted, and read back, before it is used anywhere. */
async function generateKey(run: SecretRun, old: Key, bytes: number): Promise<Key> {
  const { vault, application } = run.steps;
  const secret = run.config.secret.id;
  // The old key is backed up before it can be lost: without it nothing that it encrypted can ever be read.
  await vault.backup({ secret, ref: old.ref });
  const created = { ...(await vault.generate({ secret, bytes })), keyId: null };
  acceptOnlyOnUndo(run, old);
  await application.acceptBoth({ secret, current: old.ref, next: created.ref });
  run.undo('application.reencrypt', 're-encrypt with the old key', () =>
    application.reencrypt({ secret, from: created.ref, to: old.ref }),
  );
  await application.reencrypt({ secret, from: old.ref, to: created.ref });
  await verifyEverythingReadable(run, created);
  return created;
}

/** Registered first, so that it is done last: when nothing uses the new value any more. */
function acceptOnlyOnUndo(run: SecretRun, old: Key): void {
  run.undo('application.acceptOnly', 'accept the old value only', () => acceptOnly(run, old));
}

/** From here on the application refuses every other value of the secret. */
export async function acceptOnly(run: SecretRun, key: Key): Promise<void> {
  const { id: secret, provider } = run.config.secret;
  if (acceptsTwo(provider)) await run.steps.application.acceptOnly({ secret, ref: key.ref });
}

/** A person creates the key; that it is another one is checked by its fingerprint. */
async function createByHand(run: SecretRun, old: Key, instruction: string): Promise<Key> {
  const secret = run.config.secret.id;
  run.undo('delete-by-hand', 'have the new key deleted', () => deleteByHand(run, old));
  for (;;) {
    await run.manual('create-by-hand', { instruction });
    const { ref, version, fingerprint } = await run.steps.vault.newest({ secret, after: old.version });
    if (ref !== null && version !== null && fingerprint !== null && fingerprint !== old.fingerprint) {
      return { ref, version, fingerprint, keyId: null };
    }
  }
}

/** A person deletes the key that was made in vain; nobody is asked when none was handed in. */
async function deleteByHand(run: SecretRun, old: Key): Promise<void> {
  const { vault } = run.steps;
  const { id: secret, title } = run.config.secret;
  const { ref, fingerprint } = await vault.newest({ secret, after: old.version });
  if (ref === null || fingerprint === old.fingerprint) return;
  await run.manual('delete-by-hand', {
    instruction:
      `The rotation of ${title} was stopped, and the new key is used nowhere. Delete it at its provider, and no ` +
      `other key. Its fingerprint is ${fingerprint}, that of the old one ${old.fingerprint}.`,
  });
  // A later rotation must not take it for the key that it asks for.
  await vault.revoke({ secret, ref });
}

async function verifyEverythingReadable(run: SecretRun, key: Key): Promise<void> {
  const { total, unreadable } = await run.steps.application.verifyEncrypted({
    secret: run.config.secret.id,
    ref: key.ref,
  });
  if (unreadable === 0) return;
  throw ApplicationFailure.nonRetryable(
    `${unreadable} of ${total} encrypted fields can't be read with the new key. They are re-encrypted with the old one.`,
    'FieldsUnreadable',
  );
}

/** Revokes a key at its provider, or has a person do it. @throws ApplicationFailure `Aborted` */
export async function revokeKey(run: SecretRun, key: Key): Promise<void> {
  const { openai, resend, supabase, stripe, vault } = run.steps;
  const { id: secret, provider, title } = run.config.secret;
  const byHand = (instruction: string) =>
    run.manual('revoke-by-hand', { instruction: `${instruction} Its fingerprint is ${key.fingerprint}.` });
  const unknownId = `Revoke the old ${title} at its provider: its id there is not known.`;
  switch (provider.kind) {
    case 'openai':
      if (key.keyId === null) await byHand(unknownId);
      else await openai.deleteKey({ project: provider.project, keyId: key.keyId });
      break;
    case 'resend':
      if (key.keyId === null) await byHand(unknownId);
      else await resend.deleteKey({ keyId: key.keyId });
      break;
    case 'supabase':
      if (key.keyId === null) await byHand(unknownId);
      else await supabase.deleteKey({ project: provider.project, keyId: key.keyId });
      break;
    case 'stripe-webhook':
      if (key.keyId === null) await byHand(unknownId);
      else await stripe.deleteWebhookEndpoint({ endpointId: key.keyId });
      break;
    case 'stripe-key':
    case 'manual':
      await byHand(provider.revoke);
      break;
    case 'generated':
      break;
    default:
      provider satisfies never;
  }
  await vault.revoke({ secret, ref: key.ref });
}

/** Whether the provider accepts a key; null where no provider can be asked. */
async function isAccepted(run: SecretRun, key: Key): Promise<boolean | null> {
  const { openai, resend, supabase, stripe } = run.steps;
  const { provider } = run.config.secret;
  switch (provider.kind) {
    case 'openai':
      return (await openai.verifyKey({ ref: key.ref })).accepted;
    case 'resend':
      return (await resend.verifyKey({ ref: key.ref, permission: provider.permission })).accepted;
    case 'supabase':
      return (await supabase.verifyKey({ project: provider.project, ref: key.ref })).accepted;
    case 'stripe-key':
      return (await stripe.verifyKey({ ref: key.ref })).accepted;
    case 'stripe-webhook':
    case 'generated':
    case 'manual':
      return null;
    default:
      return provider satisfies never;
  }
}

/** @throws ApplicationFailure `NewKeyRefused` */
export async function verifyAccepted(run: SecretRun, key: Key): Promise<void> {
  if ((await isAccepted(run, key)) !== false) return;
  throw ApplicationFailure.nonRetryable(
    `The provider does not accept the new ${run.config.secret.title} (${key.fingerprint}).`,
    'NewKeyRefused',
  );
}

/** The proof that the old key is dead, also when a person revoked it. */
export async function verifyRefused(run: SecretRun, key: Key): Promise<void> {
  for (let look = 1; look <= REVOCATION_LOOKS; look += 1) {
    if ((await isAccepted(run, key)) !== true) return;
    await run.wait('revocation-spreads', REVOCATION_SPREADS_WITHIN, 'the provider still accepts the old key');
  }
  await run.manual('end-old-key', {
    instruction:
      `The provider still accepts the old ${run.config.secret.title} (${key.fingerprint}). Revoke it in its console, ` +
      'and check there that it is gone.',
  });
}

/** Looks for uses of a leaked key, and says in a sentence what there was: 004_7a3def0868c62bab.txt 506. */
export async function searchUses(run: SecretRun, old: Key): Promise<string> {
  const { openai, supabase, application } = run.steps;
  const { provider } = run.config.secret;
  const until = run.now().toISOString();
  const since = new Date(run.now().getTime() - LOOK_BACK_DAYS * DAY_MS).toISOString();
  const found = await application.searchLogs({ fingerprint: old.fingerprint, since, until });
  const ours = `Application logs since ${since}: ${found.matches} uses (digest ${found.digest}).`;
  switch (provider.kind) {
    case 'openai': {
      const { events, actors, digest } = await openai.searchAuditLogs({
        project: provider.project,
        since,
        until,
      });
      return `${ours} OpenAI audit log: ${events} events by ${actors} actors (digest ${digest}).`;
    }
    case 'supabase': {
      const { events, digest } = await supabase.searchLogs({ project: provider.project, since, until });
      return `${ours} Supabase logs: ${events} events (digest ${digest}).`;
    }
    case 'resend':
    case 'stripe-key':
    case 'stripe-webhook':
    case 'generated':
    case 'manual':
      return ours;
    default:
      return provider satisfies never;
  }
}
