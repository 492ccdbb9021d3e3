import type { VerbInfos } from '../verb-info.js';
import type { s3Steps } from './steps.js';

export const s3Verbs = {
  inventory: {
    title: 'Take stock of {bucket}/{prefix}',
    returns: true,
    within: '2 hours',
    giveUpAfter: '6 hours',
    heartbeat: '2 minutes',
  },
  copyAll: {
    title: 'Copy the objects of one bucket to another',
    returns: true,
    within: '12 hours',
    giveUpAfter: '24 hours',
    heartbeat: '10 minutes',
  },
  removeAll: {
    title: 'Delete everything below the scratch prefix {prefix} of bucket {bucket}',
    returns: true,
    critical: true,
    within: '2 hours',
    giveUpAfter: '6 hours',
    heartbeat: '2 minutes',
  },
} as const satisfies VerbInfos<ReturnType<typeof s3Steps>>;
