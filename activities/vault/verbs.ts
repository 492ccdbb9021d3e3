import type { VerbInfos } from '../verb-info.js';
import type { vaultSteps } from './steps.js';

export const vaultVerbs = {
  describe: { title: 'Look up the current version of {secret} in the vault', returns: true },
  generate: { title: 'Generate a new value of {secret}', returns: true },
  newest: { title: 'Look for a new value of {secret} in the vault', returns: true },
  promote: { title: 'Make {ref} the current version of {secret}', returns: false },
  revoke: { title: 'Mark {ref} as revoked', returns: false },
  backup: { title: 'Back up {ref} in the vault', returns: true },
} as const satisfies VerbInfos<ReturnType<typeof vaultSteps>>;
