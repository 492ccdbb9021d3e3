import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { addressesOf, type AudienceResolver } from '../audience.js';
import { answer, request } from '../http.js';
import { runDay } from '../run-day.js';
import type { Email } from './contract.js';
import { Deliveries, messageKey } from './deliveries.js';

/** `servers` of https://github.com/resend/resend-openapi */
export const RESEND_EMAIL_URL = new URL('https://api.resend.com');

const WHAT = 'send an e-mail through Resend';

/** `SendEmailResponse`: https://resend.com/docs/api-reference/emails/send-email */
const Sent = z.object({ id: z.string().min(1) });
/** https://resend.com/docs/api-reference/errors */
const Refusal = z.object({ name: z.string() });

/**
 * Resend knows a message's key for 24 hours: https://resend.com/docs/dashboard/emails/idempotency-keys. An hour is
 * kept back for the attempt itself and for clocks that differ.
 */
const REPEATABLE_MS = 23 * 3_600_000;

/**
 * 5 requests a second for the whole team, https://resend.com/docs/api-reference/rate-limit: half of them are left to
 * the application.
 */
const PAUSE_MS = 400;

export interface ResendEmailConfig {
  readonly baseUrl?: URL;
  /** An API key that may send. */
  readonly apiKey: string;
  /** Sender: `Name <address>`, of a domain that is verified at Resend. */
  readonly from: string;
  /** The e-mail addresses of an audience. */
  readonly audience: AudienceResolver;
  /** Time between two messages, in milliseconds. Default: 400 ms. */
  readonly pauseMs?: number;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970. Default: the machine's clock. */
  readonly now?: () => number;
}

/** E-mail through Resend. */
export const resendEmail = (config: ResendEmailConfig): Email => {
  const { baseUrl = RESEND_EMAIL_URL, apiKey, from, audience, pauseMs = PAUSE_MS, timeoutMs } = config;
  const { now = Date.now } = config;
  const deliveries = new Deliveries(now);
  const url = new URL(`${baseUrl.href.replace(/\/$/, '')}/emails`);

  return {
    pauseMs,
    recipients: (id) => addressesOf(audience, id, 'e-mail address'),

    async send({ to, subject, body }, { key, signal }) {
      const message = messageKey(key, to);
      if (deliveries.begin(key, message)) return;
      const response = await request(url, {
        what: WHAT,
        method: 'POST',
        // Without a user agent Resend answers 403: https://resend.com/docs/api-reference/introduction
        headers: {
          authorization: `Bearer ${apiKey}`,
          'user-agent': 'runbook',
          'idempotency-key': message,
        },
        body: { from, to: [to], subject, text: body },
        accept: [409],
        signal,
        timeoutMs,
        next: 'Check RESEND_API_KEY, that the domain of EMAIL_FROM is verified at Resend, and the addresses in config/notifications.yaml; then retry.',
      }).catch((error: unknown) => {
        if (error instanceof ApplicationFailure && error.type === 'VendorRefused')
          deliveries.refused(key, message);
        throw error;
      });
      if (response.status === 409) throw conflict((await answer(Refusal, response, WHAT)).name);
      await answer(Sent, response, WHAT);
      deliveries.accepted(key, message);
    },

    lost({ key, run }) {
      const since = deliveries.since(key) ?? runDay(run)?.getTime();
      if (since !== undefined && now() - since < REPEATABLE_MS) {
        deliveries.remember(key, since);
        return Promise.resolve('not done');
      }
      return Promise.resolve(deliveries.isCertain(key) ? 'not done' : 'unknown');
    },
  };
};

/** 409 is about the idempotency key: https://resend.com/docs/api-reference/errors */
function conflict(name: string): ApplicationFailure {
  if (name === 'concurrent_idempotent_requests') {
    return ApplicationFailure.retryable(
      `${WHAT}: an earlier attempt is still being worked on. It is tried again.`,
      'VendorUnavailable',
    );
  }
  return ApplicationFailure.nonRetryable(
    `${WHAT}: HTTP 409, an earlier attempt of this step was accepted with another content. ` +
      'Look at https://resend.com/emails, then mark the step done by hand.',
    'VendorRefused',
    { status: 409 },
  );
}
