import type { VerbInfos } from '../verb-info.js';
import type { slackSteps } from './steps.js';

export const slackVerbs = {
  post: {
    title: 'Post a message in the Slack channel {channel}',
    returns: true,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  createChannel: {
    title: 'Open the Slack channel {name}',
    returns: true,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  archiveChannel: {
    title: 'Archive the Slack channel {channel}',
    returns: false,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
} as const satisfies VerbInfos<ReturnType<typeof slackSteps>>;
