import { createHash } from 'node:crypto';
import { addressesOf, type AudienceResolver } from '../audience.js';
import { request } from '../http.js';
import type { Sms } from './contract.js';

export interface SmsConfig {
  /** Where messages are handed in: `POST`, JSON `{"to":"+15550100","text":"..."}`, any 2xx means accepted. */
  readonly url: URL;
  /** Bearer token of the gateway. */
  readonly token: string;
  /** The phone numbers of an audience. */
  readonly audience: AudienceResolver;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * A gateway of the installation's own: there is no common API for text messages. It must send a message once for
 * each `Idempotency-Key` (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
 */
export const sms = ({ url, token, audience, timeoutMs }: SmsConfig): Sms => ({
  recipients: (id) => addressesOf(audience, id, 'phone number'),

  async send({ to, text }, { key, signal }) {
    const response = await request(url, {
      what: 'hand in a text message at the SMS gateway',
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        // By number, not by place in the list: somebody may change the audience between two attempts.
        'idempotency-key': createHash('sha256').update(`${key}/${to}`).digest('hex').slice(0, 40),
      },
      body: { to, text },
      signal,
      timeoutMs,
      next: "Check SMS_WEBHOOK_URL and SMS_WEBHOOK_TOKEN and look at the gateway's own log, then retry.",
    });
    await response.body?.cancel();
  },
});
