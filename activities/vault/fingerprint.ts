import { createHmac, hkdfSync } from 'node:crypto';

/**
 * The fingerprint of values under one vault key: HMAC-SHA-256 under a key derived from it, 16 hex digits.
 * Equal values have equal fingerprints; without the key a guess can't be confirmed.
 */
export function fingerprinter(vaultKey: Uint8Array): (value: string) => string {
  const key = deriveKey(vaultKey, 'fingerprint');
  return (value) => createHmac('sha256', key).update(value, 'utf8').digest('hex').slice(0, 16);
}

/** A 32-byte key for one purpose (HKDF-SHA-256, RFC 5869): keys for different purposes say nothing about each other. */
export function deriveKey(vaultKey: Uint8Array, purpose: 'fingerprint' | 'value' | 'backup'): Buffer {
  return Buffer.from(hkdfSync('sha256', vaultKey, 'runbook vault v1', purpose, 32));
}
