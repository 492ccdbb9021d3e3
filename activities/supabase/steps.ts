import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import canonicalize from 'canonicalize';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { newKey, secretId as secret, secretRef as ref, stepKeys, type NewKey } from '../new-key.js';
import { verb, type StepContext } from '../step.js';
import type { SecretVersion } from '../vault/contract.js';
import { accountSteps } from './account-steps.js';
import { LOG_RANGE_MS, LOG_ROWS_PER_PAGE, type KeyUse, type LogRange, type RevealedKey } from './contract.js';
import { instant, project } from './inputs.js';
import { recoverySteps } from './recovery-steps.js';

const keyId = z.guid(
  'is not the id of a Supabase key. Legacy keys (anon, service_role) have none: disable them by hand',
);
const variable = z
  .string()
  .min(1)
  .max(256)
  .regex(/^(?!SUPABASE_)/, 'starts with SUPABASE_, which Supabase keeps for itself');
const MINUTE_MS = 60_000;

/**
 * The name of the key that a step creates: the same on every attempt. Names match ^[a-z_][a-z0-9_]+$ and have 4 to
 * 64 characters: https://supabase.com/docs/reference/api/v1-create-project-api-key
 */
export const keyName = (stepKey: string): string => `runbook_${stepKey}`;

const storedKey = ({ ref, version, fingerprint, vendorId, state }: SecretVersion): NewKey => {
  if (vendorId !== null && state !== 'revoked') return { ref, version, fingerprint, keyId: vendorId };
  throw ApplicationFailure.nonRetryable(
    `${ref}, which this step created, was revoked since. Retry with changed input, so that another key is created, ` +
      'or hand in a key with `runbook secret put` and mark the step as done by hand.',
    'KeyRevoked',
  );
};

export const supabaseSteps = ({ supabase, vault }: Pick<Systems, 'supabase' | 'vault'>) => {
  /** The key of an earlier attempt whose value never reached the vault, if there is one. */
  const unstoredKey = async (
    projectRef: string,
    name: string,
    step: StepContext,
  ): Promise<RevealedKey | undefined> => {
    for (const key of await supabase.keys(projectRef, step)) {
      if (key.type !== 'secret' || key.name !== name || typeof key.id !== 'string') continue;
      const revealed = await supabase.revealKey(projectRef, key.id, step);
      if (revealed !== undefined) return revealed;
      await supabase.deleteKey(projectRef, key.id, step);
    }
    return undefined;
  };

  return {
    ...accountSteps({ supabase, vault }),
    ...recoverySteps({ supabase, vault }),

    createKey: verb({
      input: z.object({ secret, project }),
      output: newKey,
      repeatable: true,
      async run(input, step) {
        const stored = await vault.findByKey(input.secret, step.key);
        if (stored !== undefined) return storedKey(stored);
        const name = keyName(step.key);
        const key =
          (await unstoredKey(input.project, name, step)) ??
          (await supabase.createKey(input.project, name, step));
        return storedKey(await vault.put(input.secret, key.api_key, { key: step.key, vendorId: key.id }));
      },
    }),

    discardKey: verb({
      input: z.object({ secret, project, step: z.string().min(1) }),
      repeatable: true,
      async run(input, step) {
        const keys = stepKeys(step.run, input.step);
        const names = new Set(keys.map(keyName));
        for (const key of await supabase.keys(input.project, step)) {
          if (key.type !== 'secret' || !names.has(key.name) || typeof key.id !== 'string') continue;
          await supabase.deleteKey(input.project, key.id, step);
        }
        for (const key of keys) {
          const version = await vault.findByKey(input.secret, key);
          if (version !== undefined) await vault.markRevoked(version.ref);
        }
      },
    }),

    deleteKey: verb({
      input: z.object({ project, keyId }),
      repeatable: true,
      async run(input, step) {
        await supabase.deleteKey(input.project, input.keyId, step);
      },
    }),

    verifyKey: verb({
      input: z.object({ project, ref }),
      output: z.object({ accepted: z.boolean() }),
      repeatable: true,
      async run(input, step) {
        const use = await supabase.useKey(input.project, await vault.reveal(input.ref), step);
        return { accepted: agreed(use, input.ref) };
      },
    }),

    setSecret: verb({
      input: z.object({ project, variable, ref }),
      repeatable: true,
      async run(input, step) {
        await supabase.setSecret(input.project, input.variable, await vault.reveal(input.ref), step);
      },
    }),

    removeSecret: verb({
      input: z.object({ project, variable }),
      repeatable: true,
      async run(input, step) {
        await supabase.removeSecret(input.project, input.variable, step);
      },
    }),

    searchLogs: verb({
      input: z
        .object({ project, since: instant, until: instant })
        .refine(({ since, until }) => Date.parse(since) < Date.parse(until), {
          path: ['until'],
          message: 'is not after "since": nothing can be searched',
        }),
      output: z.object({ events: z.number().int(), digest: z.string() }),
      repeatable: true,
      async run(input, step) {
        const hash = createHash('sha256').update('[');
        let events = 0;
        for (const range of ranges(new Date(input.since), new Date(input.until))) {
          for (let offset = 0; ; offset += LOG_ROWS_PER_PAGE) {
            const rows = await supabase.gatewayLogs(input.project, range, offset, step);
            for (const row of rows) hash.update(`${events++ === 0 ? '' : ','}${canonicalize(row)}`);
            step.heartbeat({ searchedUntil: range.end.toISOString(), events });
            if (rows.length < LOG_ROWS_PER_PAGE) break;
          }
        }
        return { events, digest: hash.update(']').digest('hex') };
      },
    }),
  };
};

/**
 * Whether a project takes a key.
 * @throws ApplicationFailure `KeyHalfAccepted` (retryable) while its services disagree: "refused" must mean that
 * nobody takes the key any more, "accepted" that everybody does.
 */
function agreed(use: KeyUse, ref: string): boolean {
  const services = Object.entries(use);
  const accepting = services.filter(([, accepted]) => accepted === true).map(([service]) => service);
  if (accepting.length === 0) return false;
  if (accepting.length === services.length) return true;
  throw ApplicationFailure.retryable(
    `Only ${accepting.join(' and ')} of the Supabase project accepted ${ref}, other services refused it. It is tried ` +
      'again; when that goes on, look at the rights of the key and of the table that is configured for this check.',
    'KeyHalfAccepted',
  );
}

/** Cuts a stretch of time into ranges that one log query may have, when both ends are rounded to whole minutes. */
function* ranges(since: Date, until: Date): Generator<LogRange> {
  let start = since.getTime();
  while (start < until.getTime()) {
    const longest = Math.floor(start / MINUTE_MS) * MINUTE_MS + LOG_RANGE_MS;
    const end = Math.min(longest, until.getTime());
    yield { start: new Date(start), end: new Date(end) };
    start = end;
  }
}
