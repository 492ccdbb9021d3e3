import type { VerbInfos } from '../verb-info.js';
import type { dnsSteps } from './steps.js';

export const dnsVerbs = {
  lookup: { title: 'Look up {type} {name} at {provider}', returns: true },
  setRecords: {
    title: 'Set {type} {name} at {provider} to {values} for {ttl} s',
    returns: true,
    within: '10 minutes',
    giveUpAfter: '20 minutes',
    heartbeat: '1 minute',
  },
  resolve: { title: 'Ask public resolvers whether {type} {name} is {expect}', returns: true },
} as const satisfies VerbInfos<ReturnType<typeof dnsSteps>>;
