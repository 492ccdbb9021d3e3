import type { VerbInfos } from '../verb-info.js';
import type { supabaseSteps } from './steps.js';

export const supabaseVerbs = {
  createKey: { title: 'Create a new key of Supabase project {project} for {secret}', returns: true },
  discardKey: {
    title: 'Delete the key of Supabase project {project} that {step} created for {secret}',
    returns: false,
    critical: true,
  },
  deleteKey: { title: 'Delete key {keyId} of Supabase project {project}', returns: false, critical: true },
  verifyKey: { title: 'Use {ref} with auth, storage and data of Supabase project {project}', returns: true },
  setSecret: {
    title: 'Set function secret {variable} of Supabase project {project} to {ref}',
    returns: false,
  },
  removeSecret: {
    title: 'Remove function secret {variable} from Supabase project {project}',
    returns: false,
  },
  searchLogs: {
    title: 'Search the logs of Supabase project {project} from {since} to {until}',
    returns: true,
    within: '10 minutes',
    giveUpAfter: '30 minutes',
    heartbeat: '1 minute',
  },
} as const satisfies VerbInfos<ReturnType<typeof supabaseSteps>>;
