import { z } from 'zod';
import { answer } from '../http.js';
import type { GithubCall } from './call.js';

/** https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow: at most 1,000 results. */
const PAGE = { size: 100, most: 10 } as const;

/** https://docs.github.com/en/rest/actions/workflow-runs#get-a-workflow-run */
export const WorkflowRun = z.object({
  id: z.number().int(),
  display_title: z.string(),
  status: z.string().nullable(),
  conclusion: z.string().nullable(),
  html_url: z.string(),
});
export type WorkflowRun = z.output<typeof WorkflowRun>;

const WorkflowRuns = z.object({ workflow_runs: z.array(WorkflowRun) });

/** https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event with `return_run_details` */
const Dispatched = z.object({ workflow_run_id: z.number().int() });

/** What a workflow must show in its `run-name`, so that a run whose dispatch was not answered is found again. */
export const correlationId = (key: string): string => `runbook-${key.slice(0, 24)}`;

export interface WorkflowRunsOptions {
  readonly call: GithubCall;
  /** `owner/name` */
  readonly repository: string;
  /** File name below .github/workflows. */
  readonly workflow: string;
  /** Start and end of the sentence of an error, as for `request`. */
  readonly what: string;
  readonly next: string;
  readonly signal?: AbortSignal | undefined;
}

/** The runs of one workflow. Throws as `GithubCall` and `answer` do. */
export function workflowRuns({ call, repository, workflow, what, next, signal }: WorkflowRunsOptions) {
  const actions = `/repos/${repository}/actions`;
  const file = `${actions}/workflows/${encodeURIComponent(workflow)}`;
  const options = { what, next, signal };

  const get = async (id: number): Promise<WorkflowRun> =>
    await answer(WorkflowRun, await call(`${actions}/runs/${id}`, options), what);

  return {
    get,

    /** The newest dispatched run whose title shows the text. */
    async find(shown: string): Promise<WorkflowRun | undefined> {
      for (let page = 1; page <= PAGE.most; page += 1) {
        const query = new URLSearchParams({
          event: 'workflow_dispatch',
          per_page: String(PAGE.size),
          page: String(page),
        });
        const { workflow_runs: runs } = await answer(
          WorkflowRuns,
          await call(`${file}/runs?${query}`, options),
          what,
        );
        const found = runs.find((run) => run.display_title.includes(shown));
        if (found !== undefined || runs.length < PAGE.size) return found;
      }
      return undefined;
    },

    /** Starts the workflow. undefined: GitHub did not say which run it is (older Enterprise Servers). */
    async dispatch(ref: string, inputs: Readonly<Record<string, string>>): Promise<WorkflowRun | undefined> {
      const response = await call(`${file}/dispatches`, {
        ...options,
        method: 'POST',
        body: { ref, inputs, return_run_details: true },
      });
      if (response.status === 204) {
        await response.body?.cancel();
        return undefined;
      }
      return await get((await answer(Dispatched, response, what)).workflow_run_id);
    },
  };
}
