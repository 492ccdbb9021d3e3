import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { stepKey, type StepContext } from './step.js';
import type { Vault } from './vault/contract.js';
import { isRef, isSecretName } from './vault/ref.js';

/** The inventory id of a secret. */
export const secretId = z
  .string()
  .refine(isSecretName, 'is not the name of a secret, for example "openai/api-key"');

/** A reference to a stored version of a secret. */
export const secretRef = z
  .string()
  .refine(isRef, 'is not a reference to a secret, for example "secret://openai/api-key@v7"');

/** An id that a vendor gave. Nothing that changes the meaning of a URL path. */
export const vendorId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,128}$/, 'is not an id: only letters, digits, "_" and "-" are allowed');

/** What a step that created a key returns: everything but its value. */
export const newKey = z.object({
  ref: z.string(),
  version: z.number().int(),
  fingerprint: z.string(),
  keyId: vendorId,
});

export type NewKey = z.output<typeof newKey>;

/** The shortest limit on names of keys: https://resend.com/docs/api-reference/api-keys/create-api-key, `name`. */
const LONGEST_NAME = 50;

/** The name under which a step creates its key at the vendor: the same on every attempt, another for every step. */
export function keyName(secret: string, stepKey: string): string {
  const mark = `-${stepKey.slice(0, 12)}`;
  return secret.replaceAll('/', '-').slice(0, LONGEST_NAME - mark.length) + mark;
}

/** How one vendor creates keys that can be found again by their step, and whose value is answered only once. */
export interface KeyMaker {
  /** What to hand to `remove` for every key that was created under one of these step keys, up to the last page. */
  madeBy(stepKeys: readonly string[]): Promise<readonly string[]>;
  remove(handle: string): Promise<void>;
  create(
    stepKey: string,
  ): Promise<{ readonly keyId: string; readonly handle: string; readonly value: string }>;
}

/**
 * Creates a key and stores its value, once per step, for vendors without idempotency keys. A key of the step's name
 * without a stored value comes from an attempt that was cut off; nobody knows its value, so it is removed and
 * another one is created.
 * @throws ApplicationFailure `KeyRevoked` (not retryable) when the key that this step stored no longer works.
 */
export async function createStoredKey(
  vault: Vault,
  secret: string,
  step: Pick<StepContext, 'key' | 'signal'>,
  maker: KeyMaker,
): Promise<NewKey> {
  const stored = await storedKey(vault, secret, step.key);
  if (stored !== undefined) return stored;
  const leftovers = await maker.madeBy([step.key]);
  for (const handle of leftovers) await maker.remove(handle);
  const created = await maker.create(step.key);
  // An attempt that was given up must not store: the next one may have removed its key already.
  step.signal.throwIfAborted();
  try {
    const version = await vault.put(secret, created.value, { key: step.key, vendorId: created.keyId });
    return { ...version, keyId: created.keyId };
  } catch (error) {
    if (!(error instanceof ApplicationFailure && error.type === 'SecretConflict')) throw error;
    await maker.remove(created.handle);
    const late = await vault.findByKey(secret, step.key);
    // The stored key may be one of those that were just removed as leftovers, and its value can't be replaced.
    if (late !== undefined && leftovers.length > 0) await vault.markRevoked(late.ref);
    const kept = await storedKey(vault, secret, step.key);
    if (kept === undefined) throw error;
    return kept;
  }
}

/** How often a step may be repeated with changed input and still have all of its keys discarded. */
const REVISIONS = 20;

/** The idempotency keys of a step of a run: of its first form, and of those with changed input (`~r2` and on). */
export function stepKeys(run: string, stepId: string): readonly string[] {
  const revised = Array.from({ length: REVISIONS - 1 }, (_, n) => stepKey(run, `${stepId}~r${n + 2}`));
  return [stepKey(run, stepId), ...revised];
}

/**
 * Takes back what `createStoredKey` did in another step of the run, also when its answer was lost: harmless when it
 * never happened.
 * @param step id of the step that created the key: `openai.createKey#1`
 */
export async function discardStoredKey(
  vault: Vault,
  secret: string,
  { run, step }: { readonly run: string; readonly step: string },
  maker: Pick<KeyMaker, 'madeBy' | 'remove'>,
): Promise<void> {
  const keys = stepKeys(run, step);
  for (const handle of await maker.madeBy(keys)) await maker.remove(handle);
  for (const key of keys) {
    const version = await vault.findByKey(secret, key);
    if (version !== undefined) await vault.markRevoked(version.ref);
  }
}

async function storedKey(vault: Vault, secret: string, stepKey: string): Promise<NewKey | undefined> {
  const version = await vault.findByKey(secret, stepKey);
  if (version === undefined) return undefined;
  if (version.vendorId !== null && version.state !== 'revoked')
    return { ...version, keyId: version.vendorId };
  throw ApplicationFailure.nonRetryable(
    `${version.ref}, which this step created, was revoked since. Retry with changed input, so that another key is ` +
      'created, or hand in a key with `runbook secret put` and mark the step as done by hand.',
    'KeyRevoked',
  );
}
