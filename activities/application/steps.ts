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
});
