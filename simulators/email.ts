import { z } from 'zod';
import { digest } from './digest.js';
import type { Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** An API key that every simulated team accepts; it may only send. */
export const EMAIL_SIM_KEY = 're_sim_sending-only';
/** Sender whose domain is verified in every world. */
export const EMAIL_SIM_FROM = 'Runbooks <runbooks@rehearsal.invalid>';

const SYSTEM = 'email';
const HOUR_MS = 3_600_000;
/** https://resend.com/docs/dashboard/emails/idempotency-keys */
const REMEMBERED_MS = 24 * HOUR_MS;

export interface SentEmail {
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** What Resend knows of the team's e-mail: plain JSON. */
export interface EmailState {
  /** Oldest first. */
  sent: SentEmail[];
  /** By idempotency key: digest of the request, the answered id, and when. */
  answered: Record<string, { request: string; id: string; at: number }>;
  /** How far Resend's clock is ahead, in milliseconds. */
  ahead: number;
}

const initialState = (): EmailState => ({ sent: [], answered: {}, ahead: 0 });
const stateOf = (world: World): EmailState => world.state(SYSTEM, initialState);

/** What was sent, oldest first. */
export const sentEmails = (world: World): readonly SentEmail[] => stateOf(world).sent;

/** Time passes at Resend: after 24 hours it has forgotten an idempotency key. */
export function passTimeAtResend(world: World, hours: number): void {
  stateOf(world).ahead += hours * HOUR_MS;
}

/** https://resend.com/docs/api-reference/emails/send-email */
const Body = z.object({
  from: z.string().regex(/@/),
  to: z
    .array(z.string().regex(/^[^@\s]+@[^@\s]+$/))
    .min(1)
    .max(50),
  subject: z.string().min(1),
  text: z.string().min(1),
});

/** https://resend.com/docs/api-reference/errors */
const refusal = (statusCode: number, name: string, message: string): Reply => ({
  status: statusCode,
  body: { statusCode, name, message },
});

/** Resend, as far as a sending key reaches. */
export const emailSimulator: Simulator<EmailState> = {
  system: SYSTEM,
  initialState,
  authenticate({ headers }) {
    if (headers['user-agent'] === undefined) return { status: 403, body: 'error code: 1010' };
    if (headers['authorization'] === undefined)
      return refusal(401, 'missing_api_key', 'Missing API key in the authorization header.');
    return headers['authorization'] === `Bearer ${EMAIL_SIM_KEY}`
      ? undefined
      : refusal(403, 'invalid_api_key', 'API key is invalid');
  },
  operations: {
    send: {
      method: 'post',
      path: '/emails',
      source: 'https://resend.com/docs/api-reference/emails/send-email',
      handle({ state, headers, body, effect }) {
        const parsed = Body.safeParse(body);
        if (!parsed.success) return refusal(422, 'validation_error', z.prettifyError(parsed.error));
        const { from, to, subject, text } = parsed.data;
        if (!from.replace(/>$/, '').endsWith('@rehearsal.invalid'))
          return refusal(403, 'validation_error', 'The domain of the sender is not verified.');
        const key = headers['idempotency-key'];
        if (key !== undefined && (key === '' || key.length > 256))
          return refusal(400, 'invalid_idempotency_key', 'The key must be between 1-256 chars.');
        const now = Date.now() + state.ahead;
        const request = digest(JSON.stringify(parsed.data));
        const known = key === undefined ? undefined : state.answered[key];
        if (known !== undefined && now - known.at < REMEMBERED_MS) {
          return known.request === request
            ? { body: { id: known.id } }
            : refusal(
                409,
                'invalid_idempotent_request',
                'Same idempotency key used with a different payload.',
              );
        }
        const id = `00000000-0000-4000-9000-${String(state.sent.length + 1).padStart(12, '0')}`;
        for (const address of to) {
          state.sent.push({ id, to: address, subject, text });
          effect('e-mail sent', recipientOf(address));
        }
        if (key !== undefined) state.answered[key] = { request, id, at: now };
        return { body: { id } };
      },
    },
  },
};

/** The audience of a rehearsal; of a real address only a digest. */
function recipientOf(address: string): string {
  const [name = '', domain] = address.split('@');
  return domain === 'rehearsal.invalid' ? name : digest(address).slice(0, 12);
}
