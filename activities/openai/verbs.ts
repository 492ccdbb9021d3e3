import type { VerbInfos } from '../verb-info.js';
import type { openaiSteps } from './steps.js';

export const openaiVerbs = {
  createKey: {
    title: 'Create a new OpenAI key for {secret}',
    returns: true,
    critical: true,
    within: '2 minutes',
    giveUpAfter: '15 minutes',
  },
  discardKey: {
    title: 'Delete the OpenAI key that {step} created for {secret}',
    returns: false,
    critical: true,
    undoes: true,
  },
  deleteKey: { title: 'Revoke the OpenAI key {keyId}', returns: false, critical: true },
  verifyKey: { title: 'Ask OpenAI whether it accepts {ref}', returns: true },
  searchAuditLogs: {
    title: 'Search the OpenAI audit logs of {project} from {since} to {until}',
    returns: true,
    within: '10 minutes',
    giveUpAfter: '1 hour',
    heartbeat: '1 minute',
  },
} as const satisfies VerbInfos<ReturnType<typeof openaiSteps>>;
