import { createHash } from 'node:crypto';
import { Refused } from '../refused.js';
import { passes, PRODUCTION } from '../sample.js';
import { load, save, type Content } from '../store.js';
import { noteChange, type Answers } from './answers.js';

/** Users of a sample that has no database. */
const USERS = { all: 240, affected: 12 };

/** What concerns the application as it runs: its health, who reaches it, what it tells users. */
export const operationAnswers: Answers<
  | 'health'
  | 'errorRate'
  | 'searchLogs'
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
  health: async ({ checks, environment = PRODUCTION }, { sample }) => {
    const passed = await Promise.all(checks.map((check) => passes(sample, check, environment)));
    const failed = checks.filter((_check, index) => passed[index] !== true);
    return { passed: failed.length === 0, failed };
  },
  errorRate: ({ minutes }, { sample }) => {
    const since = Date.now() - minutes * 60_000;
    const requests = sample.served.filter(({ at }) => at >= since);
    const failures = requests.filter(({ failed }) => failed).length;
    return { ratio: requests.length === 0 ? 0 : failures / requests.length, requests: requests.length };
  },
  searchLogs: ({ fingerprint, since, until }, { sample }) => {
    const found = sample.log.read(since, until).filter((entry) => entry.fingerprint === fingerprint);
    return {
      matches: found.length,
      digest: createHash('sha256').update(JSON.stringify(found)).digest('hex'),
    };
  },
  enableMaintenance: (input, { state }) => {
    state.maintenance = input;
    return {};
  },
  disableMaintenance: (_input, { state }) => {
    state.maintenance = null;
    return {};
  },
  maintenanceState: (_input, { state }) => ({ on: state.maintenance !== null }),
  stopTraffic: ({ reason }, { state }) => {
    state.stopped = reason;
    return {};
  },
  resumeTraffic: (_input, { state }) => {
    state.stopped = null;
    return {};
  },
  freezeWrites: ({ reason }, { state }) => {
    state.readOnly = reason;
    return {};
  },
  unfreezeWrites: (_input, { state }) => {
    state.readOnly = null;
    return {};
  },
  scaleUp: ({ component }, { state }) => {
    state.scaled.push(component);
    return {};
  },
  setFeatureFlag: ({ flag, enabled }, { state }) => {
    const before = state.flags.includes(flag);
    if (before !== enabled) {
      state.flags = enabled ? [...state.flags, flag] : state.flags.filter((name) => name !== flag);
      noteChange(state, `flag-${flag}`);
    }
    return { before };
  },
  notifyUsers: async ({ audience, subject, message }, { key, sample }) => {
    const outbox: Content<'outbox'> = load(sample.folder, 'outbox');
    const earlier = outbox.find((sent) => sent.key === key);
    if (earlier !== undefined) return { recipients: earlier.recipients };
    const database = sample.databases.get(PRODUCTION);
    const recipients =
      database === undefined
        ? USERS[audience]
        : await database.customers(audience).catch(() => {
            throw new Refused(503, 'The database does not answer: nobody was notified.');
          });
    const at = new Date().toISOString();
    save(sample.folder, 'outbox', [...outbox, { key, at, audience, subject, message, recipients }]);
    return { recipients };
  },
  fileIncidentReport: ({ title, summary }, { key, sample: { folder } }) => {
    const reports: Content<'reports'> = load(folder, 'reports');
    const earlier = reports.find((report) => report.key === key);
    if (earlier !== undefined) return { id: earlier.id };
    const id = `INC-${reports.length + 1}`;
    save(folder, 'reports', [...reports, { key, id, title, summary }]);
    return { id };
  },
};
