import type { OpenaiState } from '../../simulators/openai.js';
import type { SlackState } from '../../simulators/slack.js';
import type { StripeState } from '../../simulators/stripe/state.js';
import type { World } from '../../simulators/world.js';

function stateOf<S>(world: World, system: string): S {
  return world.state<S>(system, () => {
    throw new Error(`Nothing was seeded in ${system}.`);
  });
}

/** Ids of the keys of that name which the simulated OpenAI has now. */
export const openaiKeys = (world: World, name: string): string[] =>
  stateOf<OpenaiState>(world, 'openai')
    .keys.filter((key) => key.name === name)
    .map(({ id }) => id);

/** Ids of the webhook endpoints at that address which the simulated Stripe has now. */
export const stripeEndpoints = (world: World, url: string): string[] =>
  stateOf<StripeState>(world, 'stripe')
    .endpoints.filter((endpoint) => endpoint.url === url)
    .map(({ id }) => id);

/** Other people write so much in a channel that an earlier message is far back. */
export function fillSlackChannel(world: World, name: string, count: number): void {
  const state = stateOf<SlackState>(world, 'slack');
  const channel = state.channels.find((candidate) => candidate.name === name)?.id;
  if (channel === undefined) throw new Error(`There is no channel ${name}.`);
  const second = Math.floor(Date.now() / 1000);
  for (let n = 0; n < count; n += 1) {
    const ts = `${second}.${String(state.next++).padStart(6, '0')}`;
    state.messages.push({ channel, ts, text: `message ${n}`, blocks: null, metadata: null, editedTs: null });
  }
}
