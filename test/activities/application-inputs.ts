import type { ApplicationInput, ApplicationVerb } from '../../activities/application/contract.js';

export const SECRET = 'stripe/webhook-secret';
export const ref = (version: number): string => `secret://${SECRET}@v${version}`;
export const DAY = { since: '2026-03-01T00:00:00Z', until: '2026-03-02T00:00:00Z' };

/** An input of every verb. */
export const inputs: { readonly [V in ApplicationVerb]: ApplicationInput<V> } = {
  health: { checks: ['email'], environment: 'dr' },
  errorRate: { minutes: 30 },
  redeploy: { component: 'api' },
  reencrypt: { secret: 'db/key', from: ref(1), to: ref(2) },
  verifyEncrypted: { secret: 'db/key', ref: ref(1) },
  acceptBoth: { secret: SECRET, current: ref(1), next: ref(2) },
  acceptOnly: { secret: SECRET, ref: ref(2) },
  searchLogs: { fingerprint: '0123456789abcdef', ...DAY },
  fileIncidentReport: { title: 'Key leaked', summary: 'It was public.' },
  enableMaintenance: { message: 'Back at four.', until: '2026-03-01T04:00:00Z' },
  disableMaintenance: {},
  maintenanceState: {},
  stopTraffic: { reason: 'restore' },
  resumeTraffic: {},
  freezeWrites: { reason: 'failback' },
  unfreezeWrites: {},
  isolate: { component: 'billing' },
  liftIsolation: { component: 'billing' },
  breachCheck: DAY,
  enhanceMonitoring: {},
  restoreMonitoring: {},
  collectEvidence: { kind: 'database-audit', ...DAY },
  analyzeAccess: DAY,
  recentChanges: { since: DAY.since },
  currentRelease: {},
  runMigrations: {},
  rollBackMigrations: { count: 2 },
  deployUpdate: { version: '2.0.0' },
  rollBackDeployment: { deployment: 'release-1' },
  deployEnvironment: { environment: 'dr' },
  removeEnvironment: { environment: 'dr' },
  notifyUsers: { audience: 'affected', subject: 'Your data', message: 'Change your password.' },
  scaleUp: { component: 'api' },
  setFeatureFlag: { flag: 'exports', enabled: false },
};
