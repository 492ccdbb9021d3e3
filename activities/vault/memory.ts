import type { SecretVersion, Vault } from './contract.js';
import { checkValue, secretConflict, secretNotFound, secretRevoked } from './errors.js';
import { fingerprinter } from './fingerprint.js';
import { formatRef, parseRef, secretName } from './ref.js';

export interface MemoryVaultOptions {
  /** 32 bytes. Default: a constant, so that a rehearsal's fingerprints are the same every time. */
  readonly fingerprintKey?: Uint8Array;
  /** The clock behind `createdAt`. */
  readonly now?: () => Date;
}

interface Stored {
  version: SecretVersion;
  readonly key: string;
  readonly value: string;
}

/** A vault that forgets everything with its process: of rehearsals and tests, whose secrets are simulated. */
export function memoryVault(options: MemoryVaultOptions = {}): Vault {
  const { fingerprintKey = Buffer.alloc(32, 'rehearsal'), now = () => new Date() } = options;
  const fingerprint = fingerprinter(fingerprintKey);
  const secrets = new Map<string, Stored[]>();
  const backups = new Map<string, string>();

  const stored = (ref: string): Stored => {
    const { kind, name, version } = parseRef(ref);
    const found = kind === 'secret' ? secrets.get(name)?.[version - 1] : undefined;
    if (found === undefined) throw secretNotFound(ref, name);
    return found;
  };
  const withState = (entry: Stored, state: SecretVersion['state']): void => {
    entry.version = { ...entry.version, state };
  };

  return {
    async put(name, value, { key, vendorId }) {
      checkValue(secretName(name), value);
      const versions = secrets.get(name) ?? [];
      const earlier = versions.find((entry) => entry.key === key);
      if (earlier !== undefined) {
        if (earlier.value !== value) throw secretConflict(name, earlier.version.ref);
        return earlier.version;
      }
      const version: SecretVersion = {
        ref: formatRef(name, versions.length + 1),
        name,
        version: versions.length + 1,
        fingerprint: fingerprint(value),
        vendorId: vendorId ?? null,
        state: 'pending',
        createdAt: now().toISOString(),
      };
      secrets.set(name, [...versions, { version, key, value }]);
      return version;
    },
    async findByKey(name, key) {
      return secrets.get(secretName(name))?.find((entry) => entry.key === key)?.version;
    },
    async reveal(ref) {
      const { kind, name } = parseRef(ref);
      if (kind === 'secret') return stored(ref).value;
      const copy = backups.get(ref);
      if (copy === undefined) throw secretNotFound(ref, name);
      return copy;
    },
    async describe(ref) {
      return stored(ref).version;
    },
    async current(name) {
      return secrets.get(secretName(name))?.find((entry) => entry.version.state === 'current')?.version;
    },
    async list(name) {
      return (secrets.get(secretName(name)) ?? []).map((entry) => entry.version);
    },
    async promote(ref) {
      const next = stored(ref);
      if (next.version.state === 'revoked') throw secretRevoked(ref);
      if (next.version.state === 'current') return;
      for (const entry of secrets.get(next.version.name) ?? []) {
        if (entry.version.state === 'current') withState(entry, 'previous');
      }
      withState(next, 'current');
    },
    async markRevoked(ref) {
      withState(stored(ref), 'revoked');
    },
    async backup(ref) {
      const entry = stored(ref);
      const backupRef = formatRef(entry.version.name, entry.version.version, 'backup');
      backups.set(backupRef, entry.value);
      return { backupRef, fingerprint: entry.version.fingerprint };
    },
  };
}
