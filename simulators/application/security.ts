import { createHash } from 'node:crypto';
import type { Handlers } from './state.js';

/** Accesses of each suspicious account; findings of a suspected breach; lines of evidence. */
const ACCESSES = 3;
const FINDINGS = 2;
const ENTRIES = { logs: 480, 'database-audit': 96, 'storage-access': 32 };

/** What concerns an attack: what is cut off, what is looked for, what is kept. */
export const securityHandlers: Handlers<
  | 'isolate'
  | 'liftIsolation'
  | 'breachCheck'
  | 'enhanceMonitoring'
  | 'restoreMonitoring'
  | 'collectEvidence'
  | 'analyzeAccess'
> = {
  isolate: ({ component }, { state, effect }) => {
    if (!state.isolated.includes(component)) {
      state.isolated.push(component);
      effect('component isolated', component);
    }
    return { isolation: `isolation-${component}` };
  },
  liftIsolation: ({ component }, { state, effect }) => {
    if (state.isolated.includes(component)) {
      state.isolated = state.isolated.filter((name) => name !== component);
      effect('component isolation lifted', component);
    }
    return {};
  },
  breachCheck: (_input, { state: { breachSuspected: suspected } }) => {
    const findings = suspected ? FINDINGS : 0;
    return { suspected, findings, digest: sha256(`findings ${findings}`) };
  },
  enhanceMonitoring: (_input, { state, effect }) => {
    if (state.monitoring !== 'enhanced') effect('monitoring enhanced', 'application');
    state.monitoring = 'enhanced';
    return {};
  },
  restoreMonitoring: (_input, { state, effect }) => {
    if (state.monitoring !== 'usual') effect('monitoring restored', 'application');
    state.monitoring = 'usual';
    return {};
  },
  collectEvidence: ({ kind }, { effect }) => {
    effect('evidence collected', kind);
    return { location: `evidence/${kind}`, sha256: sha256(kind), entries: ENTRIES[kind] };
  },
  analyzeAccess: (_input, { state: { suspiciousAccounts: accounts } }) => ({
    suspicious: accounts * ACCESSES,
    accounts,
    digest: sha256(`accounts ${accounts}`),
  }),
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
