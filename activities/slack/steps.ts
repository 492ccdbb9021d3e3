import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb } from '../step.js';
import { escapeMrkdwn } from './escape.js';

const channel = z
  .string()
  .regex(
    /^(#?[\p{Ll}\p{Lo}\p{N}_-]{1,80}|[CGD][A-Z0-9]{8,})$/u,
    'is not a Slack channel, for example "#operations" or "C0123456789"',
  );

export const slackSteps = ({ slack }: Systems) => ({
  post: verb({
    input: z.object({ channel, text: z.string().min(1) }),
    output: z.object({ channel: z.string(), ts: z.string() }),
    check: ({ channel }, { key }) => slack.findByKey({ channel, key }),
    run: ({ channel, text }, { key }) => slack.postMessage({ channel, text: escapeMrkdwn(text), key }),
  }),
});
