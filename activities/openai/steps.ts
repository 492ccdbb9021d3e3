import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import canonicalize from 'canonicalize';
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
import type { AuditLog, Openai } from './contract.js';

const instant = z.iso.datetime({ offset: true });

/** Keys by the names of their service accounts, with which they are deleted. */
const keysOf = (openai: Openai, secret: string, project: string, signal: AbortSignal) => ({
  async madeBy(stepKeys: readonly string[]) {
    const names = new Set(stepKeys.map((key) => keyName(secret, key)));
    const accounts = await openai.listServiceAccounts(project, { signal });
    return accounts.filter(({ name }) => names.has(name)).map(({ id }) => id);
  },
  remove: (account: string) => openai.deleteServiceAccount(project, account, { signal }),
});

export const openaiSteps = ({ openai, vault }: Systems) => ({
  createKey: verb({
    input: z.object({ secret: secretId, project: vendorId }),
    output: newKey,
    repeatable: true,
    async run({ secret, project }, step) {
      const { signal } = step;
      return await createStoredKey(vault, secret, step, {
        ...keysOf(openai, secret, project, signal),
        async create(stepKey) {
          const name = keyName(secret, stepKey);
          const { id, api_key: key } = await openai.createServiceAccount(project, name, { signal });
          return { handle: id, keyId: key.id, value: key.value };
        },
      });
    },
  }),

  discardKey: verb({
    input: z.object({ secret: secretId, project: vendorId, step: z.string().min(1) }),
    repeatable: true,
    run: ({ secret, project, step }, { run, signal }) =>
      discardStoredKey(vault, secret, { run, step }, keysOf(openai, secret, project, signal)),
  }),

  deleteKey: verb({
    input: z.object({ project: vendorId, keyId: vendorId }),
    repeatable: true,
    async run({ project, keyId }, { signal }) {
      // The list and not the key itself is asked: a 404 for the key could as well mean a misspelt project.
      const keys = await openai.listApiKeys(project, { signal });
      const owner = keys.find(({ id }) => id === keyId)?.owner;
      if (owner === undefined) return;
      switch (owner.type) {
        case 'user':
          return await openai.deleteApiKey(project, keyId, { signal });
        case 'service_account': {
          // The API deletes a service account's key only together with the account and its other keys.
          const account = owner.service_account.id;
          const others = keys.filter(
            (key) =>
              key.id !== keyId &&
              key.owner.type === 'service_account' &&
              key.owner.service_account.id === account,
          );
          if (others.length > 0) throw sharedAccount(project, keyId, account, others.length);
          return await openai.deleteServiceAccount(project, account, { signal });
        }
        default:
          return owner satisfies never;
      }
    },
  }),

  verifyKey: verb({
    input: z.object({ ref: secretRef }),
    output: z.object({ accepted: z.boolean() }),
    repeatable: true,
    async run({ ref }, { signal }) {
      return { accepted: await openai.acceptsKey(await vault.reveal(ref), { signal }) };
    },
  }),

  searchAuditLogs: verb({
    input: z
      .object({ project: vendorId, since: instant, until: instant })
      .refine(({ since, until }) => Date.parse(since) < Date.parse(until), {
        path: ['until'],
        message: 'is not after "since"',
      }),
    output: z.object({ events: z.number().int(), actors: z.number().int(), digest: z.string() }),
    repeatable: true,
    async run({ project, since, until }, { signal, heartbeat }) {
      const logs = await openai.auditLogs(project, new Date(since), new Date(until), {
        signal,
        onPage: () => heartbeat(),
      });
      const inOrder = logs.toSorted((a, b) => a.effective_at - b.effective_at || (a.id < b.id ? -1 : 1));
      const actors = new Set(logs.map(actorOf).filter((actor) => actor !== undefined));
      const digest = createHash('sha256')
        .update(canonicalize(inOrder) ?? '')
        .digest('hex');
      return { events: logs.length, actors: actors.size, digest };
    },
  }),
});

function actorOf({ actor }: AuditLog): string | undefined {
  const key = actor?.api_key;
  return actor?.session?.user?.id ?? key?.user?.id ?? key?.service_account?.id ?? key?.id;
}

function sharedAccount(project: string, keyId: string, account: string, others: number): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `delete the key ${keyId} of OpenAI project ${project}: its service account ${account} owns ${others} more, and ` +
      'OpenAI deletes them only together. Delete the key by hand in the project settings and mark this step as done, ' +
      'or move the other keys elsewhere and retry.',
    'SharedServiceAccount',
  );
}
