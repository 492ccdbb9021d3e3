import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { load, save, type Field } from './store.js';

const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;
/** Fields that are re-encrypted between two writes to disk: what an interrupted run does again at most. */
const BATCH = 50;

const keyOf = (value: string): Buffer =>
  Buffer.from(hkdfSync('sha256', value, 'sample application', 'fields', 32));

function encrypt(id: string, secret: string, text: string, value: string): Field {
  const nonce = randomBytes(12);
  const cipher = createCipheriv(CIPHER, keyOf(value), nonce, { authTagLength: TAG_BYTES }).setAAD(
    Buffer.from(id),
  );
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { id, secret, nonce: nonce.toString('base64'), sealed: sealed.toString('base64') };
}

/** The text of a field; undefined when the key is another one. */
export function decrypt(field: Field, value: string): string | undefined {
  const sealed = Buffer.from(field.sealed, 'base64');
  try {
    const decipher = createDecipheriv(CIPHER, keyOf(value), Buffer.from(field.nonce, 'base64'), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(field.id)).setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]).toString(
      'utf8',
    );
  } catch {
    return undefined;
  }
}

/** Gives the application data to protect: `count` fields that are encrypted with a value of a secret. */
export function seedFields(folder: string, secret: string, value: string, count: number): void {
  const others = load(folder, 'fields').filter((field) => field.secret !== secret);
  const fields = Array.from({ length: count }, (_, index) => {
    const id = `${secret}#${index + 1}`;
    return encrypt(id, secret, `content of ${id}`, value);
  });
  save(folder, 'fields', [...others, ...fields]);
}

export interface Reencrypted {
  /** Fields that can now be read with the new value. */
  readonly fields: number;
  /** Fields that neither value can read. They were left as they are. */
  readonly unreadable: number;
}

/**
 * Re-encrypts every field of a secret. Safe to stop at any moment and to run again: a field that the new value
 * reads already is left alone, and each field is read back before it replaces the old one.
 */
export function reencryptFields(folder: string, secret: string, from: string, to: string): Reencrypted {
  const fields = load(folder, 'fields');
  let done = 0;
  let unreadable = 0;
  let unsaved = 0;
  for (const [index, field] of fields.entries()) {
    if (field.secret !== secret) continue;
    if (decrypt(field, to) !== undefined) {
      done += 1;
      continue;
    }
    const text = decrypt(field, from);
    const fresh = text === undefined ? undefined : encrypt(field.id, secret, text, to);
    if (fresh === undefined || decrypt(fresh, to) !== text) {
      unreadable += 1;
      continue;
    }
    fields[index] = fresh;
    done += 1;
    unsaved += 1;
    if (unsaved === BATCH) {
      save(folder, 'fields', fields);
      unsaved = 0;
    }
  }
  if (unsaved > 0) save(folder, 'fields', fields);
  return { fields: done, unreadable };
}

/** Reads every field of a secret with one value. */
export function verifyFields(
  folder: string,
  secret: string,
  value: string,
): { total: number; unreadable: number } {
  const fields = load(folder, 'fields').filter((field) => field.secret === secret);
  return {
    total: fields.length,
    unreadable: fields.filter((field) => decrypt(field, value) === undefined).length,
  };
}
