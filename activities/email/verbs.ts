import type { VerbInfos } from '../verb-info.js';
import type { emailSteps } from './steps.js';

export const emailVerbs = {
  send: {
    title: 'Send an e-mail to the audience {audience}: {subject}',
    returns: true,
    within: '10 minutes',
    giveUpAfter: '30 minutes',
    heartbeat: '1 minute',
  },
} as const satisfies VerbInfos<ReturnType<typeof emailSteps>>;
