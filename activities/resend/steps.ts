import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { createStoredKey, newKey, secretId, secretRef, vendorId } from '../new-key.js';
import { verb } from '../step.js';
import { permission } from './contract.js';

export const resendSteps = ({ resend, vault }: Systems) => ({
  createKey: verb({
    input: z.object({ secret: secretId, permission }),
    output: newKey,
    repeatable: true,
    async run(input, step) {
      const { signal } = step;
      return await createStoredKey(vault, input.secret, step, {
        async named(name) {
          const keys = await resend.listApiKeys({ signal });
          return keys.filter((key) => key.name === name).map(({ id }) => id);
        },
        remove: (id) => resend.deleteApiKey(id, { signal }),
        async create(name) {
          const { id, token } = await resend.createApiKey(name, input.permission, { signal });
          return { handle: id, keyId: id, value: token };
        },
      });
    },
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
