import { createHmac, timingSafeEqual } from 'node:crypto';
import { load, save } from './store.js';

/** Sets the values of a secret that a webhook may be signed with; those of other secrets stay. Gives their number. */
export function acceptWebhooks(folder: string, secret: string, values: readonly string[]): number {
  const accepted = [...new Set(values)];
  save(folder, 'webhooks', { ...load(folder, 'webhooks'), [secret]: accepted });
  return accepted.length;
}

/**
 * Whether a body is signed with a value that is accepted now.
 * https://docs.stripe.com/webhooks#verify-manually: v1 is the HMAC-SHA-256 of "timestamp.body".
 */
export function isSigned(folder: string, header: string, body: string): boolean {
  const parts = new Map(header.split(',').map((part) => part.split('=', 2) as [string, string]));
  const given = Buffer.from(parts.get('v1') ?? '', 'hex');
  return Object.values(load(folder, 'webhooks'))
    .flat()
    .some((value) => {
      const expected = createHmac('sha256', value)
        .update(`${parts.get('t') ?? ''}.${body}`)
        .digest();
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
}
