import { dataBreachResponse } from '../data-breach-response.js';
import type { Runbook } from '../engine/runbook.js';
import { securityIncident } from '../security-incident.js';
import type { Incident, IncidentRun, Mitigation } from './mitigations.js';

/** Asks which component something is about. */
type ChooseComponent = (run: IncidentRun, what: string) => Promise<string>;

/** A runbook that an incident may turn into. */
interface SubRunbook {
  /** What people type. */
  readonly choice: string;
  /** Id of the part. */
  readonly id: string;
  readonly runbook: Runbook;
  /** What the component is that people are asked for. */
  readonly component: string;
}

/** The people on call become aware of it when they choose it: its clocks start then. */
const inputOf = ({ run, known }: Incident, component: string) => ({
  service: run.config.service.id,
  component,
  detectedAt: run.now().toISOString(),
  summary: known.summary,
});

const SUB_RUNBOOKS: readonly SubRunbook[] = [
  {
    choice: 'security incident',
    id: 'security',
    runbook: securityIncident,
    component: 'is attacked',
  },
  {
    choice: 'data breach',
    id: 'data-breach',
    runbook: dataBreachResponse,
    component: 'may have lost data',
  },
];

/** Each of them runs as a part of the incident, with its own gates and record. However it ends, the incident goes on. */
export function subRunbooks(chooseComponent: ChooseComponent): readonly Mitigation[] {
  return SUB_RUNBOOKS.map(({ choice, id, runbook, component: what }) => ({
    choice,
    uses: () => ['component', id],
    act: async (incident) => {
      const component = await chooseComponent(incident.run, what);
      const { run, outcome } = await incident.run.child(id, runbook, inputOf(incident, component));
      return `The response to a ${choice} ended ${outcome} (run ${run}).`;
    },
  }));
}
