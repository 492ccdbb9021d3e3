import { createHash } from 'node:crypto';
import type { Call } from '../simulator.js';
import { Refusal, type ApplicationState, type Handlers } from './state.js';

/** What concerns the keys that the application encrypts with and the secrets that it accepts. */
export const secretHandlers: Handlers<
  'reencrypt' | 'verifyEncrypted' | 'acceptBoth' | 'acceptOnly' | 'searchLogs'
> = {
  reencrypt: ({ secret, from, to }, { state, effect }) => {
    const now = state.encryptedWith[secret];
    if (now === to) return { fields: 0 };
    if (now !== undefined && now !== from)
      return new Refusal(409, 'the fields are encrypted with another key');
    state.encryptedWith[secret] = to;
    effect('fields re-encrypted', secret);
    return { fields: state.encryptedFields - state.unreadableFields };
  },
  verifyEncrypted: ({ secret, ref }, { state }) => {
    const readable = [undefined, ref].includes(state.encryptedWith[secret]);
    return {
      total: state.encryptedFields,
      unreadable: readable ? state.unreadableFields : state.encryptedFields,
    };
  },
  acceptBoth: ({ secret, current, next }, call) =>
    accept(secret, [current, next].sort(), 'webhook secrets accepted', call),
  acceptOnly: ({ secret, ref }, call) => accept(secret, [ref], 'webhook secret accepted alone', call),
  searchLogs: ({ fingerprint }, { state }) => {
    const matches = state.logMatches[fingerprint] ?? state.logMatches['*'] ?? 0;
    return { matches, digest: createHash('sha256').update(`${fingerprint} ${matches}`).digest('hex') };
  },
};

function accept(secret: string, refs: string[], what: string, { state, effect }: Call<ApplicationState>) {
  if (JSON.stringify(refs) !== JSON.stringify(state.accepted[secret])) effect(what, secret);
  state.accepted[secret] = refs;
  return {};
}
