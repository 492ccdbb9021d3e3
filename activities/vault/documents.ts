import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { SecretVersion, Vault } from './contract.js';
import { checkValue, secretConflict, secretNotFound, secretRevoked, secretUnreadable } from './errors.js';
import { formatRef, parseRef, secretName } from './ref.js';

/** What is kept of a version besides its value. */
export const StoredVersion = z.object({
  version: z.number().int().positive(),
  /** Idempotency key of the step that stored it. */
  key: z.string(),
  /** Where its value is. */
  valueId: z.string(),
  fingerprint: z.string(),
  vendorId: z.string().nullable(),
  state: z.enum(['pending', 'current', 'previous', 'revoked']),
  createdAt: z.string(),
});
export type StoredVersion = z.output<typeof StoredVersion>;
export const StateDocument = z.array(StoredVersion);

/** A store of values that never change and of one state document per secret that changes by compare-and-set. */
export interface DocumentStore {
  /** Revision 0 and no versions when there is none yet. */
  readState(name: string): Promise<{ revision: number; versions: readonly StoredVersion[] }>;
  /** false: somebody else has written in between. */
  writeState(name: string, revision: number, versions: readonly StoredVersion[]): Promise<boolean>;
  /** Stores a value under an id that is new, or again the same value. false: the id holds another value. */
  putValue(name: string, id: string, value: string): Promise<boolean>;
  readValue(name: string, id: string): Promise<string | undefined>;
  /** Stores the copy of a version, or again the same one. false: there is another one. */
  putBackup(name: string, version: number, value: string): Promise<boolean>;
  readBackup(name: string, version: number): Promise<string | undefined>;
  /** Told after a version became current, also again: lets the store's own readers see it. */
  promoted?(name: string, valueId: string): Promise<void>;
}

/** Lost races before a change is given up for now. */
const ATTEMPTS = 20;

/** The vault over a store of documents, as HashiCorp Vault and AWS Secrets Manager are used. */
export function documentVault(store: DocumentStore, fingerprint: (value: string) => string): Vault {
  const list = async (name: string): Promise<SecretVersion[]> =>
    (await store.readState(secretName(name))).versions.map((version) => described(name, version));

  const stored = async (ref: string): Promise<StoredVersion> => {
    const { kind, name, version } = parseRef(ref);
    const { versions } = kind === 'secret' ? await store.readState(name) : { versions: [] };
    return pick(versions, version, ref, name);
  };

  const reveal = async (ref: string): Promise<string> => {
    const { kind, name, version } = parseRef(ref);
    const value =
      kind === 'backup'
        ? await store.readBackup(name, version)
        : await store.readValue(name, (await stored(ref)).valueId);
    if (value === undefined) throw secretNotFound(ref, name);
    return value;
  };

  /** `change` gets the versions as they are and returns them as they shall be, or undefined for no change. */
  const update = async (
    name: string,
    change: (versions: readonly StoredVersion[]) => readonly StoredVersion[] | undefined,
  ): Promise<readonly StoredVersion[]> => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const { revision, versions } = await store.readState(name);
      const changed = change(versions);
      if (changed === undefined) return versions;
      if (await store.writeState(name, revision, changed)) return changed;
    }
    throw ApplicationFailure.retryable(
      `${name} is being changed in the vault by somebody else all the time. It is tried again.`,
      'VaultUnavailable',
    );
  };

  return {
    async put(name, value, { key, vendorId }) {
      checkValue(secretName(name), value);
      const valueId = createHash('sha256').update(key).digest('hex');
      if (!(await store.putValue(name, valueId, value))) {
        const earlier = (await store.readState(name)).versions.find((version) => version.key === key);
        throw secretConflict(
          name,
          earlier === undefined ? 'a version in the making' : formatRef(name, earlier.version),
        );
      }
      const versions = await update(name, (before) => {
        if (before.some((version) => version.key === key)) return undefined;
        const next: StoredVersion = {
          version: (before.at(-1)?.version ?? 0) + 1,
          key,
          valueId,
          fingerprint: fingerprint(value),
          vendorId: vendorId ?? null,
          state: 'pending',
          createdAt: new Date().toISOString(),
        };
        return [...before, next];
      });
      const mine = versions.find((version) => version.key === key);
      if (mine === undefined) throw secretNotFound(`version of ${name} that was just stored`, name);
      return described(name, mine);
    },
    async findByKey(name, key) {
      const found = (await store.readState(secretName(name))).versions.find((version) => version.key === key);
      return found === undefined ? undefined : described(name, found);
    },
    reveal,
    describe: async (ref) => described(parseRef(ref).name, await stored(ref)),
    current: async (name) => (await list(name)).find((version) => version.state === 'current'),
    list,
    async promote(ref) {
      const { name } = parseRef(ref);
      const { version: number, valueId } = await stored(ref);
      await update(name, (versions) => {
        const { state } = pick(versions, number, ref, name);
        if (state === 'revoked') throw secretRevoked(ref);
        if (state === 'current') return undefined;
        return versions.map((version) => {
          if (version.version === number) return { ...version, state: 'current' };
          return version.state === 'current' ? { ...version, state: 'previous' } : version;
        });
      });
      await store.promoted?.(name, valueId);
    },
    async markRevoked(ref) {
      const { name } = parseRef(ref);
      const { version: number } = await stored(ref);
      await update(name, (versions) => {
        if (pick(versions, number, ref, name).state === 'revoked') return undefined;
        return versions.map((version) =>
          version.version === number ? { ...version, state: 'revoked' } : version,
        );
      });
    },
    async backup(ref) {
      const { name } = parseRef(ref);
      const { version, fingerprint: expected } = await stored(ref);
      const backupRef = formatRef(name, version, 'backup');
      const kept = await store.putBackup(name, version, await reveal(ref));
      if (!kept || fingerprint(await reveal(backupRef)) !== expected) {
        throw secretUnreadable(backupRef, 'the copy is not the value that it should be');
      }
      return { backupRef, fingerprint: expected };
    },
  };
}

function pick(versions: readonly StoredVersion[], number: number, ref: string, name: string): StoredVersion {
  const found = versions.find(({ version }) => version === number);
  if (found === undefined) throw secretNotFound(ref, name);
  return found;
}

function described(name: string, stored: StoredVersion): SecretVersion {
  const { version, fingerprint, vendorId, state, createdAt } = stored;
  return { ref: formatRef(name, version), name, version, fingerprint, vendorId, state, createdAt };
}
