import type { VerbInfos } from '../verb-info.js';
import type { postgresSteps } from './steps.js';

export const postgresVerbs = {
  backup: {
    title: 'Back up database {database} as {label}',
    returns: true,
    within: '12 hours',
    giveUpAfter: '24 hours',
    heartbeat: '2 minutes',
  },
  listBackups: {
    title: 'List the backups of database {database}',
    returns: true,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  restoreInto: {
    title: 'Restore backup {backup} of database {database} beside it, as {scratch}',
    returns: true,
    within: '12 hours',
    giveUpAfter: '24 hours',
    heartbeat: '2 minutes',
  },
  tryRestore: {
    title: 'Restore backup {backup} beside database {database}, as {scratch}, if it is sound',
    returns: true,
    within: '12 hours',
    giveUpAfter: '24 hours',
    heartbeat: '2 minutes',
  },
  fingerprint: {
    title: 'Compute the checksums of database {database}',
    returns: true,
    within: '6 hours',
    giveUpAfter: '12 hours',
    heartbeat: '2 minutes',
  },
  checkIntegrity: {
    title: 'Check the integrity of database {database}',
    returns: true,
    within: '6 hours',
    giveUpAfter: '12 hours',
    heartbeat: '2 minutes',
  },
  promote: {
    title: 'Put the restored database {scratch} in the place of database {database}',
    returns: true,
    critical: true,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  putBack: {
    title: 'Put the former database {previous} back in the place of database {database}',
    returns: false,
    critical: true,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  dropScratch: {
    title: 'Drop the scratch database {scratch} beside database {database}',
    returns: false,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
  },
  position: { title: 'Look how far database {database} is', returns: true },
} as const satisfies VerbInfos<ReturnType<typeof postgresSteps>>;
