import { randomBytes } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb } from '../step.js';
import { secretNotFound } from './errors.js';
import { isRef, isSecretName, parseRef } from './ref.js';

const secret = z.string().refine(isSecretName, 'is not the name of a secret, for example "openai/api-key"');
const ref = z
  .string()
  .refine(isRef, 'is not a reference to a secret, for example "secret://openai/api-key@v7"');

/** A random value has at least 128 bits, and fits every store. */
const BYTES = { min: 16, max: 1024 } as const;

const isConflict = (error: unknown): boolean =>
  error instanceof ApplicationFailure && error.type === 'SecretConflict';

/** @throws ApplicationFailure `BadReference` (not retryable) when a reference belongs to another secret. */
function belongsTo(name: string, reference: string): void {
  if (parseRef(reference).name === name) return;
  throw ApplicationFailure.nonRetryable(
    `${reference} is not a version of ${name}. Retry with a reference of ${name}.`,
    'BadReference',
  );
}

export const vaultSteps = ({ vault }: Systems) => ({
  describe: verb({
    input: z.object({ secret }),
    output: z.object({
      ref: z.string(),
      version: z.number().int(),
      fingerprint: z.string(),
      keyId: z.string().nullable(),
    }),
    repeatable: true,
    async run(input) {
      const current = await vault.current(input.secret);
      if (current === undefined) throw secretNotFound(`current version of ${input.secret}`, input.secret);
      return { ...current, keyId: current.vendorId };
    },
  }),
  generate: verb({
    input: z.object({ secret, bytes: z.number().int().min(BYTES.min).max(BYTES.max) }),
    output: z.object({ ref: z.string(), version: z.number().int(), fingerprint: z.string() }),
    repeatable: true,
    async run(input, { key }) {
      const earlier = await vault.findByKey(input.secret, key);
      if (earlier !== undefined) return earlier;
      try {
        return await vault.put(input.secret, randomBytes(input.bytes).toString('base64url'), { key });
      } catch (error) {
        // A late earlier attempt stored its value in between: that one counts.
        const stored = isConflict(error) ? await vault.findByKey(input.secret, key) : undefined;
        if (stored === undefined) throw error;
        return stored;
      }
    },
  }),
  newest: verb({
    input: z.object({ secret, after: z.number().int().min(0) }),
    output: z.object({
      found: z.boolean(),
      ref: z.string().nullable(),
      version: z.number().int().nullable(),
      fingerprint: z.string().nullable(),
    }),
    repeatable: true,
    async run(input) {
      const versions = await vault.list(input.secret);
      const newest = versions.filter((v) => v.version > input.after && v.state !== 'revoked').at(-1);
      if (newest === undefined) return { found: false, ref: null, version: null, fingerprint: null };
      return { found: true, ref: newest.ref, version: newest.version, fingerprint: newest.fingerprint };
    },
  }),
  promote: verb({
    input: z.object({ secret, ref }),
    repeatable: true,
    async run(input) {
      belongsTo(input.secret, input.ref);
      await vault.promote(input.ref);
    },
  }),
  revoke: verb({
    input: z.object({ secret, ref }),
    repeatable: true,
    async run(input) {
      belongsTo(input.secret, input.ref);
      await vault.markRevoked(input.ref);
    },
  }),
  backup: verb({
    input: z.object({ secret, ref }),
    output: z.object({ backupRef: z.string(), fingerprint: z.string() }),
    repeatable: true,
    async run(input, { key }) {
      belongsTo(input.secret, input.ref);
      return await vault.backup(input.ref, { key });
    },
  }),
});
