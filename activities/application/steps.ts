import type { Systems } from '../index.js';
import { verb } from '../step.js';
import { applicationSchemas as schemas } from './contract.js';

export const applicationSteps = ({ application }: Systems) => ({
  health: verb({
    ...schemas.health,
    repeatable: true,
    run: (input, step) => application.health(input, step),
  }),
  errorRate: verb({
    ...schemas.errorRate,
    repeatable: true,
    run: (input, step) => application.errorRate(input, step),
  }),
  redeploy: verb({
    ...schemas.redeploy,
    check: async () => application.lost('redeploy'),
    run: (input, step) => application.redeploy(input, step),
  }),
  reencrypt: verb({
    ...schemas.reencrypt,
    check: async () => application.lost('reencrypt'),
    run: (input, step) => application.reencrypt(input, step),
  }),
  verifyEncrypted: verb({
    ...schemas.verifyEncrypted,
    repeatable: true,
    run: (input, step) => application.verifyEncrypted(input, step),
  }),
  acceptBoth: verb({
    input: schemas.acceptBoth.input,
    check: async () => application.lost('acceptBoth'),
    run: (input, step) => application.acceptBoth(input, step),
  }),
  acceptOnly: verb({
    input: schemas.acceptOnly.input,
    check: async () => application.lost('acceptOnly'),
    run: (input, step) => application.acceptOnly(input, step),
  }),
  searchLogs: verb({
    ...schemas.searchLogs,
    repeatable: true,
    run: (input, step) => application.searchLogs(input, step),
  }),
  fileIncidentReport: verb({
    ...schemas.fileIncidentReport,
    check: async () => application.lost('fileIncidentReport'),
    run: (input, step) => application.fileIncidentReport(input, step),
  }),
  enableMaintenance: verb({
    input: schemas.enableMaintenance.input,
    check: async () => application.lost('enableMaintenance'),
    run: (input, step) => application.enableMaintenance(input, step),
  }),
  disableMaintenance: verb({
    input: schemas.disableMaintenance.input,
    check: async () => application.lost('disableMaintenance'),
    run: (input, step) => application.disableMaintenance(input, step),
  }),
  maintenanceState: verb({
    ...schemas.maintenanceState,
    repeatable: true,
    run: (input, step) => application.maintenanceState(input, step),
  }),
  stopTraffic: verb({
    input: schemas.stopTraffic.input,
    check: async () => application.lost('stopTraffic'),
    run: (input, step) => application.stopTraffic(input, step),
  }),
  resumeTraffic: verb({
    input: schemas.resumeTraffic.input,
    check: async () => application.lost('resumeTraffic'),
    run: (input, step) => application.resumeTraffic(input, step),
  }),
  freezeWrites: verb({
    input: schemas.freezeWrites.input,
    check: async () => application.lost('freezeWrites'),
    run: (input, step) => application.freezeWrites(input, step),
  }),
  unfreezeWrites: verb({
    input: schemas.unfreezeWrites.input,
    check: async () => application.lost('unfreezeWrites'),
    run: (input, step) => application.unfreezeWrites(input, step),
  }),
  isolate: verb({
    ...schemas.isolate,
    check: async () => application.lost('isolate'),
    run: (input, step) => application.isolate(input, step),
  }),
  liftIsolation: verb({
    input: schemas.liftIsolation.input,
    check: async () => application.lost('liftIsolation'),
    run: (input, step) => application.liftIsolation(input, step),
  }),
  breachCheck: verb({
    ...schemas.breachCheck,
    repeatable: true,
    run: (input, step) => application.breachCheck(input, step),
  }),
  enhanceMonitoring: verb({
    input: schemas.enhanceMonitoring.input,
    check: async () => application.lost('enhanceMonitoring'),
    run: (input, step) => application.enhanceMonitoring(input, step),
  }),
  restoreMonitoring: verb({
    input: schemas.restoreMonitoring.input,
    check: async () => application.lost('restoreMonitoring'),
    run: (input, step) => application.restoreMonitoring(input, step),
  }),
  collectEvidence: verb({
    ...schemas.collectEvidence,
    check: async () => application.lost('collectEvidence'),
    run: (input, step) => application.collectEvidence(input, step),
  }),
  analyzeAccess: verb({
    ...schemas.analyzeAccess,
    repeatable: true,
    run: (input, step) => application.analyzeAccess(input, step),
  }),
  recentChanges: verb({
    ...schemas.recentChanges,
    repeatable: true,
    run: (input, step) => application.recentChanges(input, step),
  }),
  currentRelease: verb({
    ...schemas.currentRelease,
    repeatable: true,
    run: (input, step) => application.currentRelease(input, step),
  }),
  runMigrations: verb({
    ...schemas.runMigrations,
    check: async () => application.lost('runMigrations'),
    run: (input, step) => application.runMigrations(input, step),
  }),
  rollBackMigrations: verb({
    input: schemas.rollBackMigrations.input,
    check: async () => application.lost('rollBackMigrations'),
    run: (input, step) => application.rollBackMigrations(input, step),
  }),
  deployUpdate: verb({
    ...schemas.deployUpdate,
    check: async () => application.lost('deployUpdate'),
    run: (input, step) => application.deployUpdate(input, step),
  }),
  rollBackDeployment: verb({
    input: schemas.rollBackDeployment.input,
    check: async () => application.lost('rollBackDeployment'),
    run: (input, step) => application.rollBackDeployment(input, step),
  }),
  deployEnvironment: verb({
    ...schemas.deployEnvironment,
    check: async () => application.lost('deployEnvironment'),
    run: (input, step) => application.deployEnvironment(input, step),
  }),
  removeEnvironment: verb({
    input: schemas.removeEnvironment.input,
    check: async () => application.lost('removeEnvironment'),
    run: (input, step) => application.removeEnvironment(input, step),
  }),
  notifyUsers: verb({
    ...schemas.notifyUsers,
    check: async () => application.lost('notifyUsers'),
    run: (input, step) => application.notifyUsers(input, step),
  }),
  scaleUp: verb({
    input: schemas.scaleUp.input,
    check: async () => application.lost('scaleUp'),
    run: (input, step) => application.scaleUp(input, step),
  }),
  setFeatureFlag: verb({
    ...schemas.setFeatureFlag,
    check: async () => application.lost('setFeatureFlag'),
    run: (input, step) => application.setFeatureFlag(input, step),
  }),
});
