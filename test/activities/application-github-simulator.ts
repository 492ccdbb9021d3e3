import type { Call, Reply, Simulator } from '../../simulators/simulator.js';

/** The token that the simulated GitHub accepts. */
export const GITHUB_SIM_TOKEN = 'github_pat_sim-admin-0123456789';

interface WorkflowRun {
  id: number;
  workflow: string;
  title: string;
  inputs: Record<string, string>;
  /** Answers to questions for it until it is completed. */
  left: number;
  conclusion: string;
}

export interface GithubState {
  runs: WorkflowRun[];
  /** How the next runs end; the last repeats. */
  conclusions: string[];
  /** Questions that a run is asked before it is completed. */
  questions: number;
  /** An older GitHub Enterprise Server says nothing about the run it started. */
  answersRunDetails: boolean;
  /** Lists that do not show a new run yet. */
  hiddenFor: number;
}

const refuse = (status: number, message: string): Reply => ({ status, body: { message } });

const shown = (run: WorkflowRun) => ({
  id: run.id,
  name: run.workflow,
  display_title: run.title,
  event: 'workflow_dispatch',
  status: run.left > 0 ? 'in_progress' : 'completed',
  conclusion: run.left > 0 ? null : run.conclusion,
  html_url: `https://github.com/acme/shop/actions/runs/${run.id}`,
});

/** GitHub's Actions API, as far as a dispatched workflow needs it. The workflow is `redeploy.yml`, its title `Redeploy <correlation_id>`. */
export const githubSimulator: Simulator<GithubState> = {
  system: 'github',
  initialState: () => ({
    runs: [],
    conclusions: ['success'],
    questions: 2,
    answersRunDetails: true,
    hiddenFor: 0,
  }),
  authenticate: ({ headers }) =>
    headers['authorization'] === `Bearer ${GITHUB_SIM_TOKEN}` ? undefined : refuse(401, 'Bad credentials'),
  operations: {
    dispatch: {
      method: 'post',
      path: '/repos/acme/shop/actions/workflows/redeploy.yml/dispatches',
      source: 'https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event',
      handle({ state, body, effect }: Call<GithubState>) {
        const {
          ref,
          inputs = {},
          return_run_details: details,
        } = body as {
          ref?: string;
          inputs?: Record<string, string>;
          return_run_details?: boolean;
        };
        if (ref !== 'main') return refuse(422, `No ref found for: ${ref}`);
        const unknown = Object.keys(inputs).find((name) => !['component', 'correlation_id'].includes(name));
        if (unknown !== undefined) return refuse(422, `Unexpected inputs provided: ["${unknown}"]`);
        const [conclusion = 'success', ...rest] = state.conclusions;
        if (rest.length > 0) state.conclusions = rest;
        const id = 1000 + state.runs.length;
        const title = `Redeploy ${inputs['correlation_id'] ?? ''}`;
        state.runs.unshift({ id, workflow: 'redeploy', title, inputs, left: state.questions, conclusion });
        effect('workflow dispatched', inputs['component'] ?? '');
        if (details !== true || !state.answersRunDetails) return { status: 204 };
        return { body: { workflow_run_id: id, run_url: `https://api.github.com/runs/${id}`, html_url: '' } };
      },
    },
    list: {
      method: 'get',
      path: '/repos/acme/shop/actions/workflows/redeploy.yml/runs',
      source: 'https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow',
      handle({ state, query }) {
        if (state.hiddenFor > 0) {
          state.hiddenFor -= 1;
          return { body: { total_count: 0, workflow_runs: [] } };
        }
        const size = Number(query.get('per_page') ?? 30);
        const start = (Number(query.get('page') ?? 1) - 1) * size;
        const runs = state.runs.slice(start, start + size);
        return { body: { total_count: state.runs.length, workflow_runs: runs.map(shown) } };
      },
    },
    get: {
      method: 'get',
      path: '/repos/acme/shop/actions/runs/:id',
      source: 'https://docs.github.com/en/rest/actions/workflow-runs#get-a-workflow-run',
      handle({ state, params }) {
        const run = state.runs.find(({ id }) => String(id) === params['id']);
        if (run === undefined) return refuse(404, 'Not Found');
        run.left = Math.max(0, run.left - 1);
        return { body: shown(run) };
      },
    },
  },
};
