/** RFC 6962 section 2.1: a leaf is hashed with 0x00 in front, an inner node with 0x01. */
const LEAF_PREFIX = 0x00;
export const SALT_BYTES = 32;

/** The Merkle leaf hash of stored leaf bytes. Web Crypto: runs in Node and in a browser. */
export async function leafHash(leaf: Uint8Array): Promise<Uint8Array> {
  const bytes = new Uint8Array(leaf.length + 1);
  bytes[0] = LEAF_PREFIX;
  bytes.set(leaf, 1);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

/**
 * What an entry says about content that is kept outside of it: HMAC-SHA-256 under a random salt of 32 bytes. Once
 * content and salt are erased, nobody can find out by guessing what the content was.
 */
export async function commitmentOf(salt: Uint8Array, content: Uint8Array): Promise<string> {
  if (salt.length !== SALT_BYTES) throw new RangeError(`A salt has ${SALT_BYTES} bytes, not ${salt.length}.`);
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', Uint8Array.from(salt), algorithm, false, ['sign']);
  return hex(new Uint8Array(await crypto.subtle.sign('HMAC', key, Uint8Array.from(content))));
}

export function newSalt(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(SALT_BYTES));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
