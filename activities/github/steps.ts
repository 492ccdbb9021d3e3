import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { runDay } from '../run-day.js';
import { verb, type StepContext } from '../step.js';
import { PAGE_SIZE, type Workflow } from './contract.js';
import { correlationId, type WorkflowRun } from './workflow-runs.js';

const repository = z
  .string()
  .regex(
    /^[A-Za-z0-9-]{1,100}\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/,
    'is not a GitHub repository: owner/name',
  );
const workflow = z
  .string()
  .regex(/^[A-Za-z0-9._-]+\.ya?ml$/, 'is not the file name of a workflow, for example "deploy.yml"');
const issue = z.number().int().positive();
/** https://docs.github.com/en/rest/issues/issues#create-an-issue refuses longer bodies; the marker needs some of it. */
const text = z.string().max(65_000, 'is longer than GitHub allows');

/** The input of a workflow by which its run is found again: the workflow shows it in its `run-name`. */
const CORRELATION_INPUT = 'correlation_id';
/** A run shows up in the list a little after it was started: so often it is looked for. */
const LOOKS = 3;
/** Pages of a list that are looked through for what an earlier attempt has made. */
const PAGES_SEARCHED = 10;

/** Marks what a step has written; not shown by GitHub. */
export const marker = (key: string): string => `<!-- runbook step ${key} -->`;

export const githubSteps = ({ github }: Pick<Systems, 'github'>) => {
  const look = async (where: Workflow, step: StepContext): Promise<WorkflowRun | undefined> => {
    for (let times = 1; ; times += 1) {
      const found = await github.findRun(where, correlationId(step.key), step);
      if (found !== undefined || times >= LOOKS) return found;
      step.heartbeat();
      await pause(github.pollIntervalMs, undefined, { signal: step.signal });
    }
  };

  /** @throws ApplicationFailure `WorkflowRunLost` (not retryable). */
  const untilEnded = async (where: Workflow, first: WorkflowRun | undefined, step: StepContext) => {
    let run = first ?? (await look(where, step));
    if (run === undefined) {
      throw ApplicationFailure.nonRetryable(
        `The workflow ${where.workflow} of ${where.repository} was started, but its run is not in GitHub's list. ` +
          'Look at it and mark the step done by hand with its result: a retry would start the workflow again. ' +
          `For the next time, make the workflow show its input "${CORRELATION_INPUT}" in its "run-name".`,
        'WorkflowRunLost',
      );
    }
    while (run.status !== 'completed') {
      step.heartbeat({ run: run.id, status: run.status });
      await pause(github.pollIntervalMs, undefined, { signal: step.signal });
      run = await github.run(where, run.id, step);
    }
    return { run: String(run.id), conclusion: run.conclusion ?? 'neutral', url: run.html_url };
  };

  /** A second comment does less harm than an issue that stays open, so that the search may end without a result. */
  const hasCommented = async (where: string, number: number, step: StepContext): Promise<boolean> => {
    for (let page = 1; page <= PAGES_SEARCHED; page += 1) {
      const comments = await github.comments(where, number, page, step);
      if (comments.some(({ body }) => body?.includes(marker(step.key)) === true)) return true;
      if (comments.length < PAGE_SIZE) return false;
    }
    return false;
  };

  return {
    /** Starts a workflow once and follows its run to the end, however it ends: the runbook reads `conclusion`. */
    dispatch: verb({
      input: z.object({
        repository,
        workflow,
        ref: z.string().min(1),
        inputs: z.record(z.string().min(1), z.string()),
      }),
      /** `conclusion`: success, failure, cancelled, timed_out, neutral, skipped, stale, action_required, startup_failure. */
      output: z.object({ run: z.string(), conclusion: z.string(), url: z.string() }),
      async check(input, step) {
        const found = await look(input, step);
        return found === undefined ? 'not done' : { done: await untilEnded(input, found, step) };
      },
      async run(input, step) {
        const inputs = { ...input.inputs, [CORRELATION_INPUT]: correlationId(step.key) };
        const started = await github.dispatch(input, { ref: input.ref, inputs }, step);
        return await untilEnded(input, started, step);
      },
    }),

    createIssue: verb({
      input: z.object({
        repository,
        title: z.string().min(1).max(256, 'is longer than the title of an issue may be'),
        body: text,
        labels: z.array(z.string().min(1)).max(100),
      }),
      output: z.object({ issue, url: z.string() }),
      async check(input, step) {
        const since = runDay(step.run);
        for (let page = 1; page <= PAGES_SEARCHED; page += 1) {
          const issues = await github.issues(input.repository, page, step);
          const found = issues.find(({ body }) => body?.includes(marker(step.key)) === true);
          if (found !== undefined) return { done: { issue: found.number, url: found.html_url } };
          const oldest = issues.at(-1);
          if (oldest === undefined || issues.length < PAGE_SIZE) return 'not done';
          if (since !== undefined && new Date(oldest.created_at) < since) return 'not done';
        }
        return 'unknown';
      },
      async run({ repository: where, title, body, labels }, step) {
        const created = await github.createIssue(
          where,
          { title, body: `${body}\n\n${marker(step.key)}`, labels },
          step,
        );
        return { issue: created.number, url: created.html_url };
      },
    }),

    closeIssue: verb({
      input: z.object({ repository, issue, comment: text.min(1) }),
      repeatable: true,
      async run(input, step) {
        if (!(await hasCommented(input.repository, input.issue, step))) {
          const body = `${input.comment}\n\n${marker(step.key)}`;
          await github.comment(input.repository, input.issue, body, step);
        }
        await github.closeIssue(input.repository, input.issue, step);
      },
    }),

    latestRelease: verb({
      input: z.object({ repository }),
      output: z.object({ tag: z.string().nullable(), publishedAt: z.string().nullable() }),
      repeatable: true,
      async run(input, step) {
        const release = await github.latestRelease(input.repository, step);
        return { tag: release?.tag_name ?? null, publishedAt: release?.published_at ?? null };
      },
    }),
  };
};
