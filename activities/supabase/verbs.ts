import type { VerbInfos } from '../verb-info.js';
import type { supabaseSteps } from './steps.js';

export const supabaseVerbs = {
  createKey: { title: 'Create a new key of Supabase project {project} for {secret}', returns: true },
  discardKey: {
    title: 'Delete the key of Supabase project {project} that {step} created for {secret}',
    returns: false,
    critical: true,
    undoes: true,
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
  disableUsers: {
    title: 'Disable the named users of Supabase project {project}',
    returns: true,
    within: '10 minutes',
    giveUpAfter: '30 minutes',
    heartbeat: '1 minute',
  },
  enableUsers: {
    title: 'Enable the named users of Supabase project {project} again',
    returns: true,
    within: '10 minutes',
    giveUpAfter: '30 minutes',
    heartbeat: '1 minute',
  },
  revokeSessions: { title: 'End the sessions of all users of Supabase project {project}', returns: true },
  listBackups: { title: 'List the backups of Supabase project {project}', returns: true },
  restorePointInTime: {
    title: 'Set the database of Supabase project {project} back to {at}',
    returns: false,
    critical: true,
    within: '12 hours',
    giveUpAfter: '24 hours',
    heartbeat: '2 minutes',
  },
  storageInventory: {
    title: 'Take stock of bucket {bucket} of Supabase project {project}',
    returns: true,
    within: '2 hours',
    giveUpAfter: '6 hours',
    heartbeat: '2 minutes',
  },
} as const satisfies VerbInfos<ReturnType<typeof supabaseSteps>>;
