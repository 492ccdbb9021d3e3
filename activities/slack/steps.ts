import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb } from '../step.js';
import { channelName } from './channel-name.js';
import { escapeMrkdwn } from './escape.js';

const channel = z
  .string()
  .regex(
    /^(#?[\p{Ll}\p{Lo}\p{N}_-]{1,80}|[CGD][A-Z0-9]{8,})$/u,
    'is not a Slack channel, for example "#operations" or "C0123456789"',
  );

const channelId = z
  .string()
  .regex(/^[CG][A-Z0-9]{8,}$/, 'is not the id of a Slack channel, for example "C0123456789"');

export const slackSteps = ({ slack }: Pick<Systems, 'slack'>) => ({
  post: verb({
    input: z.object({ channel, text: z.string().min(1) }),
    output: z.object({ channel: z.string(), ts: z.string() }),
    check: ({ channel }, { key }) => slack.findByKey({ channel, key }),
    run: ({ channel, text }, { key }) => slack.postMessage({ channel, text: escapeMrkdwn(text), key }),
  }),

  createChannel: verb({
    input: z.object({
      name: z.string().refine((name) => channelName(name) !== '', 'has no letter or digit that Slack takes'),
      topic: z.string(),
    }),
    output: z.object({ channel: z.string(), name: z.string() }),
    repeatable: true,
    run: ({ name, topic }, { key, attempt }) =>
      slack.createChannel({ name: channelName(name), topic, key, repeated: attempt > 1 }),
  }),

  archiveChannel: verb({
    input: z.object({ channel: channelId }),
    repeatable: true,
    run: ({ channel }) => slack.archiveChannel(channel),
  }),
});
