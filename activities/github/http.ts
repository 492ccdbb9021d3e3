import { z } from 'zod';
import { answer } from '../http.js';
import { githubCall, GITHUB_API_URL, type GithubCallOptions } from './call.js';
import { Comment, Issue, PAGE_SIZE, Release, type Github, type Workflow } from './contract.js';
import { workflowRuns } from './workflow-runs.js';

/** A workflow takes minutes; the limit is 5,000 requests an hour for everything together. */
const POLL_INTERVAL_MS = 10_000;

export interface GithubConfig {
  readonly baseUrl?: URL;
  /** Fine-grained token with Actions and Issues (read and write) and Contents (read) of the repositories concerned. */
  readonly token: string;
  /** Time between two looks at a workflow run, in milliseconds. Default: 10 s. */
  readonly pollIntervalMs?: number;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs?: number;
}

type Options = Omit<GithubCallOptions, 'next'>;

/** GitHub over HTTP. */
export const github = (config: GithubConfig): Github => {
  const { baseUrl = GITHUB_API_URL, token, pollIntervalMs = POLL_INTERVAL_MS, timeoutMs } = config;
  const send = githubCall({ baseUrl, token, timeoutMs });
  const call = (path: string, rights: string, options: Options): Promise<Response> =>
    send(path, {
      ...options,
      next: `Check the repository and the ids in the step, and that GITHUB_TOKEN may ${rights} there; then retry.`,
    });
  const runsOf = ({ repository, workflow }: Workflow, what: string, signal: AbortSignal | undefined) =>
    workflowRuns({
      call: send,
      repository,
      workflow,
      what,
      signal,
      next:
        `Check that ${repository} has the workflow ${workflow} with "on: workflow_dispatch" and the inputs of the ` +
        'step, and that GITHUB_TOKEN may read and write Actions there; then retry.',
    });
  const pageOf = (page: number): Record<string, string> => ({
    per_page: String(PAGE_SIZE),
    page: String(page),
  });

  return {
    pollIntervalMs,

    async dispatch(where, { ref, inputs }, { signal } = {}) {
      const what = `start the GitHub workflow ${where.workflow} of ${where.repository}`;
      return await runsOf(where, what, signal).dispatch(ref, inputs);
    },

    async findRun(where, shown, { signal } = {}) {
      const what = `look for a run of the GitHub workflow ${where.workflow} of ${where.repository}`;
      return await runsOf(where, what, signal).find(shown);
    },

    async run(where, id, { signal } = {}) {
      const what = `look at run ${id} of the GitHub workflow ${where.workflow} of ${where.repository}`;
      return await runsOf(where, what, signal).get(id);
    },

    // https://docs.github.com/en/rest/issues/issues#create-an-issue
    async createIssue(repository, { title, body, labels }, { signal } = {}) {
      const what = `create an issue in ${repository} at GitHub`;
      const response = await call(`/repos/${repository}/issues`, 'write issues', {
        what,
        method: 'POST',
        body: { title, body, labels },
        signal,
      });
      return await answer(Issue, response, what);
    },

    // https://docs.github.com/en/rest/issues/issues#list-repository-issues: pull requests are issues as well
    async issues(repository, page, { signal } = {}) {
      const what = `list the issues of ${repository} at GitHub`;
      const query = new URLSearchParams({
        state: 'all',
        sort: 'created',
        direction: 'desc',
        ...pageOf(page),
      });
      const response = await call(`/repos/${repository}/issues?${query}`, 'read issues', { what, signal });
      return await answer(z.array(Issue), response, what);
    },

    // https://docs.github.com/en/rest/issues/comments#list-issue-comments
    async comments(repository, issue, page, { signal } = {}) {
      const what = `list the comments on issue ${issue} of ${repository} at GitHub`;
      const query = new URLSearchParams(pageOf(page));
      const response = await call(`/repos/${repository}/issues/${issue}/comments?${query}`, 'read issues', {
        what,
        signal,
      });
      return await answer(z.array(Comment), response, what);
    },

    // https://docs.github.com/en/rest/issues/comments#create-an-issue-comment
    async comment(repository, issue, body, { signal } = {}) {
      const what = `comment on issue ${issue} of ${repository} at GitHub`;
      const response = await call(`/repos/${repository}/issues/${issue}/comments`, 'write issues', {
        what,
        method: 'POST',
        body: { body },
        signal,
      });
      await response.body?.cancel();
    },

    // https://docs.github.com/en/rest/issues/issues#update-an-issue
    async closeIssue(repository, issue, { signal } = {}) {
      const what = `close issue ${issue} of ${repository} at GitHub`;
      const response = await call(`/repos/${repository}/issues/${issue}`, 'write issues', {
        what,
        method: 'PATCH',
        body: { state: 'closed' },
        signal,
      });
      await response.body?.cancel();
    },

    // https://docs.github.com/en/rest/releases/releases#get-the-latest-release: 404 where there is none, and where
    // the repository is not there or not shown to this token.
    async latestRelease(repository, { signal } = {}) {
      const what = `look up the latest release of ${repository} at GitHub`;
      const rights = 'read contents';
      const response = await call(`/repos/${repository}/releases/latest`, rights, {
        what,
        signal,
        accept: [404],
      });
      if (response.status !== 404) return await answer(Release, response, what);
      await response.body?.cancel();
      const known = await call(`/repos/${repository}`, rights, { what, signal });
      await known.body?.cancel();
      return undefined;
    },
  };
};
