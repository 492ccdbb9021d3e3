import { dataBreachResponse } from '../data-breach-response.js';
import type { IncidentRun, Mitigation } from './mitigations.js';

/** Asks which component something is about. */
type ChooseComponent = (run: IncidentRun, what: string) => Promise<string>;

/** Runbooks that an incident may turn into: each runs as a part of it, with its own gates and record. */
export function subRunbooks(chooseComponent: ChooseComponent): readonly Mitigation[] {
  return [
    {
      choice: 'data breach',
      uses: () => ['component', 'data-breach'],
      act: async ({ run, known: { summary }, startedAt }) => {
        const component = await chooseComponent(run, 'may have lost data');
        const { run: part, outcome } = await run.child('data-breach', dataBreachResponse, {
          service: run.config.service.id,
          component,
          detectedAt: startedAt.toISOString(),
          summary,
        });
        return `The response to a data breach ended ${outcome} (run ${part}).`;
      },
    },
  ];
}
