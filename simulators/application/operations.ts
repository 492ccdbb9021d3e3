import { nextOf, type Handlers } from './state.js';

/** Subject of the effects that concern the application as a whole. */
const ALL = 'application';

/** What concerns the application as it runs: its health, who reaches it, what it tells users. */
export const operationHandlers: Handlers<
  | 'health'
  | 'errorRate'
  | 'enableMaintenance'
  | 'disableMaintenance'
  | 'maintenanceState'
  | 'stopTraffic'
  | 'resumeTraffic'
  | 'freezeWrites'
  | 'unfreezeWrites'
  | 'scaleUp'
  | 'setFeatureFlag'
  | 'notifyUsers'
  | 'fileIncidentReport'
> = {
  health: ({ checks, environment = 'production' }, { state }) => {
    const elsewhere = environment !== 'production';
    if (elsewhere && !Object.hasOwn(state.environments, environment))
      return { passed: false, failed: checks };
    const prepared = elsewhere ? (state.failingChecksIn[environment] ?? [[]]) : state.failingChecks;
    const failing = nextOf(prepared) ?? [];
    const failed = checks.filter(
      (check) => failing.includes(check) || (!elsewhere && state.isolated.includes(check)),
    );
    return { passed: failed.length === 0, failed };
  },
  errorRate: (_input, { state }) => {
    if (state.trafficStopped) return { ratio: 0, requests: 0 };
    return { ratio: nextOf(state.errorRates) ?? 0, requests: state.requests };
  },
  enableMaintenance: (input, { state, effect }) => {
    if (state.maintenance === null) effect('maintenance enabled', ALL);
    state.maintenance = input;
    return {};
  },
  disableMaintenance: (_input, { state, effect }) => {
    if (state.stuckMaintenance > 0) {
      state.stuckMaintenance -= 1;
      return {};
    }
    if (state.maintenance !== null) effect('maintenance disabled', ALL);
    state.maintenance = null;
    return {};
  },
  maintenanceState: (_input, { state }) => ({ on: state.maintenance !== null }),
  stopTraffic: (_input, { state, effect }) => {
    if (!state.trafficStopped) effect('traffic stopped', ALL);
    state.trafficStopped = true;
    return {};
  },
  resumeTraffic: (_input, { state, effect }) => {
    if (state.trafficStopped) effect('traffic resumed', ALL);
    state.trafficStopped = false;
    return {};
  },
  freezeWrites: (_input, { state, effect }) => {
    if (!state.readOnly) effect('writes frozen', ALL);
    state.readOnly = true;
    return {};
  },
  unfreezeWrites: (_input, { state, effect }) => {
    if (state.readOnly) effect('writes unfrozen', ALL);
    state.readOnly = false;
    return {};
  },
  scaleUp: ({ component }, { state, effect }) => {
    state.scaled.push(component);
    effect('component scaled up', component);
    return {};
  },
  setFeatureFlag: ({ flag, enabled }, { state, effect }) => {
    const before = Object.hasOwn(state.flags, flag) && state.flags[flag] === true;
    if (before !== enabled) {
      state.flags[flag] = enabled;
      state.changes.push(`flag-${flag}`);
      effect(enabled ? 'feature flag switched on' : 'feature flag switched off', flag);
    }
    return { before };
  },
  notifyUsers: ({ audience, subject }, { state, effect }) => {
    state.notices.push({ audience, subject });
    effect(`users notified (${audience})`, subject);
    return { recipients: state.users[audience] };
  },
  fileIncidentReport: ({ title }, { state, effect }) => {
    const id = `INC-${state.reports.length + 1}`;
    state.reports.push({ id, title });
    effect('incident report filed', title);
    return { id };
  },
};
