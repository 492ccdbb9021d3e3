import { ApplicationFailure } from '@temporalio/common';
import { createTransport } from 'nodemailer';
import { addressesOf, type AudienceResolver } from '../audience.js';
import { REQUEST_TIMEOUT_MS } from '../http.js';
import type { Email } from './contract.js';
import { Deliveries, messageKey } from './deliveries.js';

export interface SmtpEmailConfig {
  /** `smtps://user:password@host:465`, or `smtp://...`, which is upgraded with STARTTLS unless it is this machine. */
  readonly url: string;
  /** Sender: `Name <address>`. */
  readonly from: string;
  /** The e-mail addresses of an audience. */
  readonly audience: AudienceResolver;
  /** Longest wait for one answer of the server, in milliseconds. */
  readonly timeoutMs?: number;
}

const WHAT = 'send an e-mail by SMTP';
const THIS_MACHINE = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * E-mail through an SMTP server. SMTP has no idempotency key and nothing to look at: only the process that has sent
 * a message knows of it. `Message-ID` follows from the step, so that mail systems that look at it show a message once.
 */
export const smtpEmail = ({
  url,
  from,
  audience,
  timeoutMs = REQUEST_TIMEOUT_MS,
}: SmtpEmailConfig): Email => {
  const { protocol, hostname } = new URL(url);
  const transport = createTransport({
    url,
    requireTLS: protocol === 'smtp:' && !THIS_MACHINE.includes(hostname),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    // Messages come from runbooks' inputs: none of them may name a file or an address to attach.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'runbook.invalid';
  const deliveries = new Deliveries();

  return {
    pauseMs: 0,
    recipients: (id) => addressesOf(audience, id, 'e-mail address'),

    async send({ to, subject, body }, { key, signal }) {
      const message = messageKey(key, to);
      if (deliveries.begin(key, message)) return;
      try {
        await transport.sendMail({
          from,
          to,
          subject,
          text: body,
          messageId: `<${message}@${domain}>`,
          // RFC 3834 5: asks for no automatic answer.
          headers: { 'auto-submitted': 'auto-generated' },
          signal,
        });
      } catch (error) {
        const problem = problemOf(error);
        if (problem.certain) deliveries.refused(key, message);
        signal.throwIfAborted();
        throw failureOf(problem);
      }
      deliveries.accepted(key, message);
    },

    lost: ({ key }) => Promise.resolve(deliveries.isCertain(key) ? 'not done' : 'unknown'),
  };
};

interface Problem {
  /** The server has not taken the message. */
  readonly certain: boolean;
  /** Reply code: RFC 5321 4.2. */
  readonly reply: number | undefined;
  readonly code: string;
}

/** Codes of nodemailer that end a session before any message is handed over. */
const BEFORE_THE_MESSAGE = ['EDNS', 'ETLS', 'EAUTH', 'ENOAUTH', 'EENVELOPE', 'ECONFIG'];

function problemOf(error: unknown): Problem {
  const { code, syscall, responseCode } = (error ?? {}) as Record<string, unknown>;
  const name = typeof code === 'string' ? code : 'unknown';
  const reply = typeof responseCode === 'number' ? responseCode : undefined;
  const certain = reply !== undefined || syscall === 'connect' || BEFORE_THE_MESSAGE.includes(name);
  return { certain, reply, code: name };
}

/** Replies of servers quote addresses: codes are all that is passed on. */
function failureOf({ reply, code }: Problem): ApplicationFailure {
  // RFC 5321 4.2.1: 4yz may be tried again, 5yz not.
  const refused =
    reply === undefined ? ['EAUTH', 'ENOAUTH', 'EENVELOPE', 'ECONFIG'].includes(code) : reply >= 500;
  if (!refused) {
    return ApplicationFailure.retryable(
      `${WHAT}: ${reply === undefined ? `the connection failed (${code})` : `the server said ${reply}`}. It is tried again.`,
      'VendorUnavailable',
    );
  }
  return ApplicationFailure.nonRetryable(
    `${WHAT}: the server refused it (${reply ?? code}). ` +
      'Check SMTP_URL, EMAIL_FROM and the addresses in config/notifications.yaml, then retry.',
    'VendorRefused',
    { status: reply ?? 0 },
  );
}
