import type { VerbInfos } from '../verb-info.js';
import type { statuspageSteps } from './steps.js';

export const statuspageVerbs = {
  createIncident: { title: 'Publish the incident "{name}" ({status}) on the status page', returns: true },
  updateIncident: { title: 'Publish on the status page that {incident} is {status}', returns: false },
  scheduleMaintenance: {
    title: 'Announce the maintenance "{name}" from {from} until {until} on the status page',
    returns: true,
  },
} as const satisfies VerbInfos<ReturnType<typeof statuspageSteps>>;
