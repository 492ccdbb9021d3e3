import type { VerbInfos } from '../verb-info.js';
import type { resendSteps } from './steps.js';

export const resendVerbs = {
  createKey: {
    title: 'Create a new Resend key for {secret} ({permission})',
    returns: true,
    critical: true,
    within: '2 minutes',
    giveUpAfter: '15 minutes',
  },
  discardKey: {
    title: 'Delete the Resend key that {step} created for {secret}',
    returns: false,
    critical: true,
    undoes: true,
  },
  deleteKey: { title: 'Revoke the Resend key {keyId}', returns: false, critical: true },
  verifyKey: { title: 'Ask Resend whether it accepts {ref} with {permission}', returns: true },
} as const satisfies VerbInfos<ReturnType<typeof resendSteps>>;
