import type { VerbInfos } from '../verb-info.js';
import type { netlifySteps } from './steps.js';

export const netlifyVerbs = {
  setVariable: { title: 'Set {variable} of Netlify site {site} ({context}) to {ref}', returns: false },
  removeVariable: { title: 'Remove {variable} from Netlify site {site}', returns: false },
  deploy: {
    title: 'Deploy Netlify site {site} to production',
    returns: true,
    within: '30 minutes',
    giveUpAfter: '45 minutes',
    heartbeat: '1 minute',
  },
} as const satisfies VerbInfos<ReturnType<typeof netlifySteps>>;
