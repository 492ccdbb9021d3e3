import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { secretUnreadable } from './errors.js';
import { deriveKey, fingerprinter } from './fingerprint.js';

/** Where a value belongs. It is authenticated with the value, so a row that was moved can't be decrypted. */
export interface Place {
  readonly purpose: 'value' | 'backup';
  readonly org: string;
  readonly name: string;
  readonly version: number;
}

/** An encrypted value. */
export interface Sealed {
  readonly keyId: string;
  readonly nonce: Buffer;
  /** Ciphertext, then the 16 bytes of the tag. */
  readonly sealed: Buffer;
}

export interface VaultKey {
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export interface VaultKeys {
  seal(value: string, place: Place): Sealed;
  /** @throws ApplicationFailure `SecretUnreadable` (not retryable). */
  open(sealed: Sealed, place: Place): string;
  /** 16 hex digits; the same for the lifetime of the oldest key. */
  fingerprint(value: string): string;
}

const CIPHER = 'aes-256-gcm';
/** NIST SP 800-38D 8.2.2: 96 random bits, for at most 2^32 values under one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encryption under vault keys, newest first: the first encrypts, every one decrypts, and the last makes the
 * fingerprints, so that they stay comparable when the vault key is rotated. Values and backup copies have keys
 * of their own, derived from the vault key.
 */
export function vaultKeys(keys: readonly [VaultKey, ...VaultKey[]]): VaultKeys {
  const derived = new Map(
    keys.map(({ id, key }) => [id, { value: deriveKey(key, 'value'), backup: deriveKey(key, 'backup') }]),
  );
  const [newest] = keys;
  const oldest = keys.at(-1) ?? newest;
  const keyOf = (id: string, { purpose, name, version }: Place): Buffer => {
    const key = derived.get(id)?.[purpose];
    if (key === undefined)
      throw secretUnreadable(`${name} v${version}`, `vault key "${id}" is not among the keys`);
    return key;
  };
  return {
    fingerprint: fingerprinter(oldest.key),
    seal(value, place) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, keyOf(newest.id, place), nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(aad(place));
      const sealed = Buffer.concat([cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return { keyId: newest.id, nonce, sealed };
    },
    open({ keyId, nonce, sealed }, place) {
      const key = keyOf(keyId, place);
      try {
        const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
        decipher.setAAD(aad(place));
        decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
        const text = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
        return Buffer.concat([text, decipher.final()]).toString('utf8');
      } catch {
        throw secretUnreadable(
          `${place.name} v${place.version}`,
          'the key is another one, or the stored bytes were changed',
        );
      }
    },
  };
}

function aad({ purpose, org, name, version }: Place): Buffer {
  return Buffer.from(JSON.stringify(['runbook vault v1', purpose, org, name, version]));
}
