import { z } from 'zod';
import type { Call, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** The token that every world accepts. */
export const GITHUB_SIM_TOKEN = 'github_pat_sim-runbooks-0123456789';

const SYSTEM = 'github';

export interface GithubRun {
  readonly id: number;
  readonly workflow: string;
  readonly ref: string;
  readonly title: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly conclusion: string;
  /** Looks at it until it is completed. */
  left: number;
}

export interface GithubIssue {
  readonly number: number;
  readonly title: string;
  readonly body: string;
  readonly labels: readonly string[];
  readonly createdAt: string;
  readonly comments: string[];
  state: 'open' | 'closed';
}

interface Repository {
  /** Newest first. */
  runs: GithubRun[];
  /** Newest first. */
  issues: GithubIssue[];
  /** Oldest first. */
  releases: { tag: string; publishedAt: string }[];
}

/** What the token can see of GitHub: plain JSON. */
export interface GithubState {
  /** By `owner/name`. A repository is there as soon as somebody asks for it, unless it is in `missing`. */
  repositories: Record<string, Repository>;
  missing: string[];
  /** How the next runs end; the last repeats. */
  conclusions: string[];
  /** Looks at a run until it is completed. */
  looks: number;
  /** An older Enterprise Server says nothing about the run it started. */
  answersRunDetails: boolean;
  /** Lists that do not show the runs yet. */
  hiddenFor: number;
}

const initialState = (): GithubState => ({
  repositories: {},
  missing: [],
  conclusions: ['success'],
  looks: 2,
  answersRunDetails: true,
  hiddenFor: 0,
});
const stateOf = (world: World): GithubState => world.state(SYSTEM, initialState);

function repositoryIn(state: GithubState, name: string): Repository {
  return (state.repositories[name] ??= { runs: [], issues: [], releases: [] });
}

/** What a world's GitHub has in a repository. */
export const githubRepository = (world: World, name: string): Repository =>
  repositoryIn(stateOf(world), name);

/** Prepares how workflow runs go, and which repositories are not there. */
export function seedGithub(world: World, seed: Partial<Omit<GithubState, 'repositories'>>): void {
  Object.assign(stateOf(world), seed);
}

type GithubCall = Call<GithubState>;

const refuse = (status: number, message: string): Reply => ({ status, body: { message } });

const nameOf = ({ params }: GithubCall): string => `${params['owner']}/${params['repo']}`;

/** Hands over the repository that the path names. */
const within =
  (handle: (repository: Repository, call: GithubCall) => Reply) =>
  (call: GithubCall): Reply =>
    call.state.missing.includes(nameOf(call))
      ? refuse(404, 'Not Found')
      : handle(repositoryIn(call.state, nameOf(call)), call);

function paged<T>({ query }: GithubCall, all: readonly T[]): readonly T[] {
  const size = Math.min(100, Number(query.get('per_page') ?? 30));
  const start = (Number(query.get('page') ?? 1) - 1) * size;
  return all.slice(start, start + size);
}

const shownRun = (call: GithubCall, run: GithubRun) => ({
  id: run.id,
  name: run.workflow,
  display_title: run.title,
  event: 'workflow_dispatch',
  status: run.left > 0 ? 'in_progress' : 'completed',
  conclusion: run.left > 0 ? null : run.conclusion,
  html_url: `https://github.com/${nameOf(call)}/actions/runs/${run.id}`,
});

const shownIssue = (call: GithubCall, { number, title, body, state, createdAt }: GithubIssue) => ({
  number,
  title,
  body,
  state,
  created_at: createdAt,
  html_url: `https://github.com/${nameOf(call)}/issues/${number}`,
});

const Dispatch = z.strictObject({
  ref: z.string().min(1),
  inputs: z.record(z.string(), z.string()).default({}),
  return_run_details: z.boolean().default(false),
});

const dispatch = within((repository, call) => {
  const { state, params, effect } = call;
  const workflow = params['workflow'] ?? '';
  const parsed = Dispatch.safeParse(call.body);
  if (!parsed.success) return refuse(422, z.prettifyError(parsed.error));
  const { ref, inputs, return_run_details: details } = parsed.data;
  const [conclusion = 'success', ...rest] = state.conclusions;
  if (rest.length > 0) state.conclusions = rest;
  const id = 1000 + repository.runs.length;
  // The workflow's run-name: its own name and the correlation id.
  const title = `${workflow} ${inputs['correlation_id'] ?? ''}`;
  repository.runs.unshift({ id, workflow, ref, title, inputs, conclusion, left: state.looks });
  effect('workflow dispatched', `${nameOf(call)} ${workflow}`);
  if (!details || !state.answersRunDetails) return { status: 204 };
  return { body: { workflow_run_id: id, run_url: '', html_url: '' } };
});

const listRuns = within((repository, call) => {
  const { state, params } = call;
  const hidden = state.hiddenFor > 0;
  if (hidden) state.hiddenFor -= 1;
  const runs = hidden ? [] : repository.runs.filter(({ workflow }) => workflow === params['workflow']);
  const shown = paged(call, runs).map((run) => shownRun(call, run));
  return { body: { total_count: runs.length, workflow_runs: shown } };
});

const getRun = within((repository, call) => {
  const run = repository.runs.find(({ id }) => String(id) === call.params['id']);
  if (run === undefined) return refuse(404, 'Not Found');
  run.left = Math.max(0, run.left - 1);
  return { body: shownRun(call, run) };
});

const NewIssue = z.object({
  title: z.string().min(1).max(256),
  body: z.string().max(65_536).default(''),
  labels: z.array(z.string()).default([]),
});

const createIssue = within((repository, call) => {
  const parsed = NewIssue.safeParse(call.body);
  if (!parsed.success) return refuse(422, 'Validation Failed');
  const issue: GithubIssue = {
    ...parsed.data,
    number: repository.issues.length + 1,
    createdAt: new Date().toISOString(),
    comments: [],
    state: 'open',
  };
  repository.issues.unshift(issue);
  call.effect('issue created', nameOf(call));
  return { status: 201, body: shownIssue(call, issue) };
});

/** Hands over the issue that the path names. */
const withIssue = (handle: (issue: GithubIssue, call: GithubCall) => Reply) =>
  within((repository, call) => {
    const issue = repository.issues.find(({ number }) => String(number) === call.params['number']);
    return issue === undefined ? refuse(404, 'Not Found') : handle(issue, call);
  });

const addComment = withIssue((issue, call) => {
  const body = z.object({ body: z.string().min(1).max(65_536) }).safeParse(call.body);
  if (!body.success) return refuse(422, 'Validation Failed');
  issue.comments.push(body.data.body);
  call.effect('issue commented', `${nameOf(call)}#${issue.number}`);
  return { status: 201, body: { id: issue.comments.length, body: body.data.body } };
});

const updateIssue = withIssue((issue, call) => {
  const change = z.object({ state: z.enum(['open', 'closed']) }).safeParse(call.body);
  if (!change.success) return refuse(422, 'Validation Failed');
  if (issue.state !== change.data.state) {
    issue.state = change.data.state;
    call.effect(`issue ${issue.state}`, `${nameOf(call)}#${issue.number}`);
  }
  return { body: shownIssue(call, issue) };
});

const latestRelease = within(({ releases }) => {
  const release = releases.at(-1);
  if (release === undefined) return refuse(404, 'Not Found');
  return { body: { tag_name: release.tag, name: release.tag, published_at: release.publishedAt } };
});

const REFERENCE = 'https://docs.github.com/en/rest';
const REPOSITORY = '/repos/:owner/:repo';

/** GitHub: workflow runs, issues and releases. Every workflow shows its input `correlation_id` in its run-name. */
export const githubSimulator: Simulator<GithubState> = {
  system: SYSTEM,
  initialState,
  authenticate: ({ headers }) =>
    headers['authorization'] === `Bearer ${GITHUB_SIM_TOKEN}` ? undefined : refuse(401, 'Bad credentials'),
  operations: {
    dispatch: {
      method: 'post',
      path: `${REPOSITORY}/actions/workflows/:workflow/dispatches`,
      source: `${REFERENCE}/actions/workflows#create-a-workflow-dispatch-event`,
      handle: dispatch,
    },
    listRuns: {
      method: 'get',
      path: `${REPOSITORY}/actions/workflows/:workflow/runs`,
      source: `${REFERENCE}/actions/workflow-runs#list-workflow-runs-for-a-workflow`,
      handle: listRuns,
    },
    getRun: {
      method: 'get',
      path: `${REPOSITORY}/actions/runs/:id`,
      source: `${REFERENCE}/actions/workflow-runs#get-a-workflow-run`,
      handle: getRun,
    },
    createIssue: {
      method: 'post',
      path: `${REPOSITORY}/issues`,
      source: `${REFERENCE}/issues/issues#create-an-issue`,
      handle: createIssue,
    },
    listIssues: {
      method: 'get',
      path: `${REPOSITORY}/issues`,
      source: `${REFERENCE}/issues/issues#list-repository-issues`,
      handle: within(({ issues }, call) => ({
        body: paged(call, issues).map((issue) => shownIssue(call, issue)),
      })),
    },
    updateIssue: {
      method: 'patch',
      path: `${REPOSITORY}/issues/:number`,
      source: `${REFERENCE}/issues/issues#update-an-issue`,
      handle: updateIssue,
    },
    createComment: {
      method: 'post',
      path: `${REPOSITORY}/issues/:number/comments`,
      source: `${REFERENCE}/issues/comments#create-an-issue-comment`,
      handle: addComment,
    },
    listComments: {
      method: 'get',
      path: `${REPOSITORY}/issues/:number/comments`,
      source: `${REFERENCE}/issues/comments#list-issue-comments`,
      handle: withIssue(({ comments }, call) => ({
        body: paged(call, comments).map((body, index) => ({ id: index + 1, body })),
      })),
    },
    getLatestRelease: {
      method: 'get',
      path: `${REPOSITORY}/releases/latest`,
      source: `${REFERENCE}/releases/releases#get-the-latest-release`,
      handle: latestRelease,
    },
    getRepository: {
      method: 'get',
      path: REPOSITORY,
      source: `${REFERENCE}/repos/repos#get-a-repository`,
      handle: within((_repository, call) => ({ body: { full_name: nameOf(call) } })),
    },
  },
};
