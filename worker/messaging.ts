import { createHash } from 'node:crypto';
import type { AudienceResolver } from '../activities/audience.js';
import { resendEmail } from '../activities/email/resend.js';
import { smtpEmail } from '../activities/email/smtp.js';
import { github } from '../activities/github/http.js';
import type { Systems } from '../activities/index.js';
import { pagerduty } from '../activities/pagerduty/http.js';
import { sms } from '../activities/sms/http.js';
import type { Environment, VendorName } from '../config/environment.js';
import type { NotificationsConfig } from '../config/notifications.js';
import { EMAIL_SIM_FROM, EMAIL_SIM_KEY } from '../simulators/email.js';
import { GITHUB_SIM_TOKEN } from '../simulators/github.js';
import { PAGERDUTY_SIM_ROUTING_KEY, PAGERDUTY_SIM_TOKEN } from '../simulators/pagerduty.js';
import { SMS_SIM_TOKEN } from '../simulators/sms.js';

/** Variables and simulated credentials of the systems here, as worker/systems.ts keeps them for all. */
export const MESSAGING_VENDORS = {
  pagerduty: {
    variable: 'PAGERDUTY_ROUTING_KEY and PAGERDUTY_API_TOKEN',
    simulated: PAGERDUTY_SIM_ROUTING_KEY,
  },
  'pagerduty-api': { variable: 'PAGERDUTY_API_TOKEN', simulated: PAGERDUTY_SIM_TOKEN, system: 'pagerduty' },
  email: {
    variable: 'EMAIL_FROM and either RESEND_API_KEY or SMTP_URL',
    simulated: EMAIL_SIM_KEY,
    id: EMAIL_SIM_FROM,
  },
  sms: { variable: 'SMS_WEBHOOK_URL and SMS_WEBHOOK_TOKEN', simulated: SMS_SIM_TOKEN },
  github: { variable: 'GITHUB_TOKEN', simulated: GITHUB_SIM_TOKEN },
} as const;

interface Access {
  readonly credential: string;
  readonly id?: string;
  readonly baseUrl?: URL;
  readonly simulated?: boolean;
}

/** Makes the client of a vendor with the credential of the installation, with the simulated one, or one that refuses. */
type Make = <T extends object>(vendor: VendorName, client: (access: Access) => T) => T;

/** Who is behind the names in the `addresses` of config/notifications.yaml, read at every call. */
export interface Audiences {
  readonly emails: AudienceResolver;
  readonly phones: AudienceResolver;
}

/** @throws what reading the file throws */
export const audiencesOf = (notifications: () => NotificationsConfig): Audiences => ({
  emails: (name) => notifications().addresses[name]?.emails ?? [],
  phones: (name) => notifications().addresses[name]?.phones ?? [],
});

/** In a rehearsal every audience has one member, who can't be reached: RFC 2606 2, and no country has +999. */
export const rehearsedAudiences: Audiences = {
  emails: (name) => [`${name}@rehearsal.invalid`],
  phones: (name) => [
    `+999${(createHash('sha256').update(name).digest().readUInt32BE() % 1e8).toString().padStart(8, '0')}`,
  ],
};

/** PagerDuty, e-mail, text messages and GitHub. */
export function messagingSystems(
  make: Make,
  vendors: Environment['vendors'],
  { emails, phones }: Audiences,
  simulatedPollMs: number,
): Pick<Systems, 'pagerduty' | 'email' | 'sms' | 'github'> {
  return {
    pagerduty: pagerdutyFor(make, vendors),
    email: make('email', ({ credential, id: from = '', baseUrl, simulated }) =>
      /^smtps?:/.test(credential)
        ? smtpEmail({ url: credential, from, audience: emails })
        : resendEmail({
            apiKey: credential,
            from,
            audience: emails,
            ...(baseUrl && { baseUrl }),
            ...(simulated === true && { pauseMs: 0 }),
          }),
    ),
    sms: make('sms', ({ credential: token, baseUrl, simulated }) =>
      sms({
        // The address is half of the credential: config/environment.ts gives neither without the other.
        url: simulated === true ? new URL(`${baseUrl?.href}/messages`) : new URL(baseUrl ?? ''),
        token,
        audience: phones,
      }),
    ),
    github: make('github', ({ credential: token, baseUrl, simulated }) =>
      github({
        token,
        ...(baseUrl && { baseUrl }),
        ...(simulated === true && { pollIntervalMs: simulatedPollMs }),
      }),
    ),
  };
}

/** Alerts and look-ups have a credential each. With only one of them, what needs the other is refused, not simulated. */
function pagerdutyFor(make: Make, vendors: Environment['vendors']): Systems['pagerduty'] {
  const { pagerduty: events, 'pagerduty-api': api } = vendors;
  if (events === undefined && api === undefined) {
    return make('pagerduty', ({ credential: routingKey, baseUrl }) =>
      pagerduty({ routingKey, apiToken: PAGERDUTY_SIM_TOKEN, eventsUrl: baseUrl, apiUrl: baseUrl }),
    );
  }
  return pagerduty({
    routingKey: events?.credential,
    eventsUrl: events?.baseUrl,
    apiToken: api?.credential,
    apiUrl: api?.baseUrl,
  });
}
