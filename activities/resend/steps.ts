import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import {
  createStoredKey,
  discardStoredKey,
  keyName,
  newKey,
  secretId,
  secretRef,
  vendorId,
} from '../new-key.js';
import { verb } from '../step.js';
import { permission, type Resend } from './contract.js';

const keysOf = (resend: Resend, secret: string, signal: AbortSignal) => ({
  async madeBy(stepKeys: readonly string[]) {
    const names = new Set(stepKeys.map((key) => keyName(secret, key)));
    const keys = await resend.listApiKeys({ signal });
    return keys.filter(({ name }) => names.has(name)).map(({ id }) => id);
  },
  remove: (id: string) => resend.deleteApiKey(id, { signal }),
});

export const resendSteps = ({ resend, vault }: Systems) => ({
  createKey: verb({
    input: z.object({ secret: secretId, permission }),
    output: newKey,
    repeatable: true,
    async run(input, step) {
      const { signal } = step;
      return await createStoredKey(vault, input.secret, step, {
        ...keysOf(resend, input.secret, signal),
        async create(stepKey) {
          const name = keyName(input.secret, stepKey);
          const { id, token } = await resend.createApiKey(name, input.permission, { signal });
          return { handle: id, keyId: id, value: token };
        },
      });
    },
  }),

  discardKey: verb({
    input: z.object({ secret: secretId, step: z.string().min(1) }),
    repeatable: true,
    run: ({ secret, step }, { run, signal }) =>
      discardStoredKey(vault, secret, { run, step }, keysOf(resend, secret, signal)),
  }),

  deleteKey: verb({
    input: z.object({ keyId: vendorId }),
    repeatable: true,
    run: ({ keyId }, { signal }) => resend.deleteApiKey(keyId, { signal }),
  }),

  verifyKey: verb({
    input: z.object({ ref: secretRef, permission }),
    output: z.object({ accepted: z.boolean() }),
    repeatable: true,
    async run(input, { signal }) {
      const access = await resend.accessOf(await vault.reveal(input.ref), { signal });
      if (access === 'refused') return { accepted: false };
      if (access === input.permission) return { accepted: true };
      // Neither answer would be right: the key works, so it isn't revoked, but it isn't the key that was asked for.
      throw ApplicationFailure.nonRetryable(
        `${input.ref} works at Resend with ${access}, not with ${input.permission}. ` +
          'Correct the permission in the inventory, or create the key again with the right one; then retry.',
        'WrongPermission',
      );
    },
  }),
});
