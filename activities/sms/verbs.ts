import type { VerbInfos } from '../verb-info.js';
import type { smsSteps } from './steps.js';

export const smsVerbs = {
  send: {
    title: 'Send a text message to the audience {audience}',
    returns: true,
    within: '10 minutes',
    giveUpAfter: '30 minutes',
    heartbeat: '1 minute',
  },
} as const satisfies VerbInfos<ReturnType<typeof smsSteps>>;
