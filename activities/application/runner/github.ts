import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { GithubWay } from '../../../config/application.js';
import { githubCall } from '../../github/call.js';
import { correlationId, workflowRuns, type WorkflowRun } from '../../github/workflow-runs.js';
import type { Vault } from '../../vault/contract.js';
import type { ApplicationCall, ApplicationVerb } from '../contract.js';
import { revealCurrent } from './secrets.js';

/** A dispatch whose answer was lost shows up in the list a little later: so often it is looked for. */
const LOOKS_FOR_LOST = 3;

/**
 * Does a verb by a GitHub Actions workflow: dispatches it once for the step's key and follows the run to its end.
 * A run that a lost attempt dispatched is adopted. A run that failed is dispatched again only on a person's retry.
 * @throws ApplicationFailure `WorkflowRunFailed`, `WorkflowRunTimedOut` (not retryable); and as `request` does
 */
export async function runGithub(
  verb: ApplicationVerb,
  way: GithubWay,
  vault: Vault,
  input: Readonly<Record<string, unknown>>,
  call: ApplicationCall,
): Promise<{ value: unknown }> {
  const github = await client(verb, way, vault, call);
  const deadline = Date.now() + way.timeoutSeconds * 1000;

  let run = await github.find(call.attempt > 1 ? LOOKS_FOR_LOST : 1);
  if (run === undefined || (call.attempt === 1 && hasFailed(run)))
    run = await github.dispatch(inputsOf(way, input), run);
  while (run?.status !== 'completed') {
    if (Date.now() > deadline) throw timedOut(verb, way, run);
    call.heartbeat(run === undefined ? undefined : { run: run.id });
    await pause(way.pollSeconds * 1000, undefined, { signal: call.signal });
    run = run === undefined ? await github.find(1) : await github.get(run.id);
  }
  if (run.conclusion !== 'success') throw runFailed(verb, run);
  const fill = (text: string, { id, html_url }: WorkflowRun): string =>
    text.replaceAll('{run_id}', String(id)).replaceAll('{run_url}', html_url);
  const finished = run;
  return {
    value: Object.fromEntries(Object.entries(way.result).map(([name, text]) => [name, fill(text, finished)])),
  };
}

async function client(verb: ApplicationVerb, way: GithubWay, vault: Vault, call: ApplicationCall) {
  const id = correlationId(call.key);
  const runs = workflowRuns({
    call: githubCall({ baseUrl: new URL(way.baseUrl), token: await revealCurrent(vault, way.token) }),
    repository: way.repository,
    workflow: way.workflow,
    what: `application.${verb} by GitHub workflow ${way.workflow}`,
    signal: call.signal,
    next: `Check that ${way.repository} has the workflow ${way.workflow} with "on: workflow_dispatch" and the input "${way.correlationInput}", and that the token ${way.token} may read and write Actions.`,
  });

  return {
    get: runs.get,
    /** The newest run of this step, looked for so many times. */
    async find(times: number): Promise<WorkflowRun | undefined> {
      for (let look = 1; ; look += 1) {
        const found = await runs.find(id);
        if (found !== undefined || look >= times) return found;
        call.heartbeat();
        await pause(way.pollSeconds * 1000, undefined, { signal: call.signal });
      }
    },
    /** Starts the workflow. undefined: GitHub did not say which run it is, and it is not listed yet. */
    async dispatch(
      inputs: Readonly<Record<string, string>>,
      failed: WorkflowRun | undefined,
    ): Promise<WorkflowRun | undefined> {
      const started = await runs.dispatch(way.ref, { ...inputs, [way.correlationInput]: id });
      if (started !== undefined) return started;
      const found = await runs.find(id);
      return found?.id === failed?.id ? undefined : found;
    },
  };
}

/** GitHub takes texts only: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#onworkflow_dispatchinputs */
function inputsOf(way: GithubWay, input: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(way.inputs).flatMap(([name, field]) => {
      const value = input[field];
      if (value === undefined) return [];
      return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
    }),
  );
}

const hasFailed = (run: WorkflowRun): boolean => run.status === 'completed' && run.conclusion !== 'success';

function runFailed(verb: ApplicationVerb, { conclusion, html_url }: WorkflowRun): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `application.${verb}: the workflow run ended with "${conclusion ?? 'nothing'}": ${html_url}. ` +
      'Look at its log and repair the cause; a retry starts the workflow again.',
    'WorkflowRunFailed',
  );
}

function timedOut(verb: ApplicationVerb, way: GithubWay, run: WorkflowRun | undefined): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `application.${verb}: ${run === undefined ? 'the workflow run was never listed' : `${run.html_url} still runs`} ` +
      `after ${way.timeoutSeconds} s. ` +
      (run === undefined
        ? `Check that ${way.workflow} shows the input "${way.correlationInput}" in its "run-name", then retry.`
        : 'Look at it; a retry goes on following it.'),
    'WorkflowRunTimedOut',
  );
}
