import { z } from 'zod';
import type { WorkflowRun } from './workflow-runs.js';

/** https://docs.github.com/en/rest/issues/issues#create-an-issue; bodies are looked through for a step's marker only. */
export const Issue = z.object({
  number: z.number().int(),
  html_url: z.string(),
  body: z.string().nullish(),
  created_at: z.iso.datetime({ offset: true }),
});
export type Issue = z.output<typeof Issue>;

/** https://docs.github.com/en/rest/issues/comments#list-issue-comments */
export const Comment = z.object({ body: z.string().nullish() });
export type Comment = z.output<typeof Comment>;

/** https://docs.github.com/en/rest/releases/releases#get-the-latest-release */
export const Release = z.object({ tag_name: z.string().min(1), published_at: z.string().nullable() });
export type Release = z.output<typeof Release>;

/** Issues and comments on one page of a list: the most that GitHub gives. */
export const PAGE_SIZE = 100;

export interface Workflow {
  /** `owner/name` */
  readonly repository: string;
  /** File name below .github/workflows. */
  readonly workflow: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * What runbooks need of GitHub. Every method throws ApplicationFailure `VendorUnavailable` (retryable; after the time
 * that a rate limit asks for), `VendorRefused` or `UnexpectedAnswer` (not retryable).
 */
export interface Github {
  /** Time between two looks at a workflow run, in milliseconds. */
  readonly pollIntervalMs: number;
  /** Starts a workflow. Not idempotent. undefined: GitHub did not say which run it is. */
  dispatch(
    where: Workflow,
    what: { readonly ref: string; readonly inputs: Readonly<Record<string, string>> },
    options?: CallOptions,
  ): Promise<WorkflowRun | undefined>;
  /** The newest dispatched run whose title shows the text. A new run may be listed a little later. */
  findRun(where: Workflow, shown: string, options?: CallOptions): Promise<WorkflowRun | undefined>;
  run(where: Workflow, id: number, options?: CallOptions): Promise<WorkflowRun>;
  /** Not idempotent. */
  createIssue(
    repository: string,
    issue: { readonly title: string; readonly body: string; readonly labels: readonly string[] },
    options?: CallOptions,
  ): Promise<Issue>;
  /** Open and closed ones, newest first; `page` counts from 1. */
  issues(repository: string, page: number, options?: CallOptions): Promise<readonly Issue[]>;
  /** Oldest first; `page` counts from 1. */
  comments(
    repository: string,
    issue: number,
    page: number,
    options?: CallOptions,
  ): Promise<readonly Comment[]>;
  /** Not idempotent. */
  comment(repository: string, issue: number, body: string, options?: CallOptions): Promise<void>;
  /** One that is closed already is fine. */
  closeIssue(repository: string, issue: number, options?: CallOptions): Promise<void>;
  /** undefined: the repository has no release. Drafts and pre-releases don't count. */
  latestRelease(repository: string, options?: CallOptions): Promise<Release | undefined>;
}
