import { z } from 'zod';
import { digest } from './digest.js';
import type { Simulator } from './simulator.js';
import type { World } from './world.js';

/** The token that every world's gateway accepts. */
export const SMS_SIM_TOKEN = 'sim-sms-gateway-token';

const SYSTEM = 'sms';

/** A gateway for text messages: plain JSON. */
export interface SmsState {
  /** Oldest first. */
  sent: { readonly to: string; readonly text: string }[];
  /** Digest of the request by idempotency key. */
  answered: Record<string, string>;
}

const initialState = (): SmsState => ({ sent: [], answered: {} });

/** What was sent, oldest first. */
export const sentTexts = (world: World): SmsState['sent'] => world.state(SYSTEM, initialState).sent;

const Body = z.strictObject({
  to: z.string().regex(/^\+[1-9]\d{6,14}$/),
  text: z.string().min(1).max(160),
});

/** The gateway that activities/sms/http.ts describes. */
export const smsSimulator: Simulator<SmsState> = {
  system: SYSTEM,
  initialState,
  authenticate: ({ headers }) =>
    headers['authorization'] === `Bearer ${SMS_SIM_TOKEN}` ? undefined : { status: 401 },
  operations: {
    send: {
      method: 'post',
      path: '/messages',
      source: 'https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/',
      handle({ state, headers, body, effect }) {
        const parsed = Body.safeParse(body);
        const key = headers['idempotency-key'];
        if (!parsed.success || key === undefined) return { status: 400 };
        const request = digest(JSON.stringify(parsed.data));
        const known = state.answered[key];
        if (known !== undefined) return { status: known === request ? 202 : 422 };
        state.answered[key] = request;
        state.sent.push(parsed.data);
        effect('text message sent', digest(parsed.data.to).slice(0, 12));
        return { status: 202 };
      },
    },
  },
};
