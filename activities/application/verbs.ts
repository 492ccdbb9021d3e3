import type { VerbInfos } from '../verb-info.js';
import type { applicationSteps } from './steps.js';

export const applicationVerbs = {
  health: {
    title: 'Run the health checks {checks}',
    returns: true,
    within: '5 minutes',
    heartbeat: '1 minute',
  },
  errorRate: {
    title: 'Measure the error rate of the last {minutes} minutes',
    returns: true,
    within: '5 minutes',
    heartbeat: '1 minute',
  },
  redeploy: {
    title: 'Deploy {component} again',
    returns: true,
    within: '1 hour',
    giveUpAfter: '2 hours',
    heartbeat: '1 minute',
  },
  reencrypt: {
    title: 'Re-encrypt every field from {from} to {to}',
    returns: true,
    critical: true,
    within: '12 hours',
    giveUpAfter: '24 hours',
    heartbeat: '1 minute',
  },
  verifyEncrypted: {
    title: 'Read every encrypted field with {ref}',
    returns: true,
    critical: true,
    within: '12 hours',
    giveUpAfter: '24 hours',
    heartbeat: '1 minute',
  },
  acceptBoth: {
    title: 'Accept webhooks signed with {current} or {next}',
    returns: false,
    within: '5 minutes',
    heartbeat: '1 minute',
  },
  searchLogs: {
    title: 'Search the logs for the key with fingerprint {fingerprint}',
    returns: true,
    within: '1 hour',
    giveUpAfter: '2 hours',
    heartbeat: '1 minute',
  },
  fileIncidentReport: {
    title: 'File the incident report "{title}"',
    returns: true,
    within: '5 minutes',
    heartbeat: '1 minute',
  },
} as const satisfies VerbInfos<ReturnType<typeof applicationSteps>>;
