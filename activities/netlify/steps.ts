import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { secretRef as ref } from '../new-key.js';
import { verb, type StepContext } from '../step.js';
import { CONTEXTS, DEPLOYS_PER_PAGE, type Deploy } from './contract.js';
import { redactedFirstLine } from './redact.js';

const account = z.string().min(1, 'names no Netlify team; take its slug from app.netlify.com/teams/<slug>');
const site = z.string().min(1, 'names no Netlify site; take the Project ID from its configuration page');
const variable = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'is not a variable name: a letter, then letters, digits and underscores');
const context = z.string().pipe(z.enum(CONTEXTS));

/** Deploys that are looked through for one that this step has started. */
const PAGES_SEARCHED = 5;

/** States that a deploy does not leave. */
const FAILED_STATES = ['error', 'rejected'];

/** The title of the deploy that a step starts, and by which another attempt finds it. */
export const deployTitle = (key: string): string => `Runbook step ${key}`;

export const netlifySteps = ({ netlify, vault }: Pick<Systems, 'netlify' | 'vault'>) => {
  const found = async (siteId: string, step: StepContext): Promise<Deploy | 'not started' | 'unknown'> => {
    const title = deployTitle(step.key);
    for (let page = 1; page <= PAGES_SEARCHED; page += 1) {
      const deploys = await netlify.deploys(siteId, page, step);
      const deploy = deploys.find((candidate) => candidate.title === title);
      if (deploy !== undefined) return deploy;
      if (deploys.length < DEPLOYS_PER_PAGE) return 'not started';
      step.heartbeat({ searchedPages: page });
    }
    return 'unknown';
  };

  /** @throws ApplicationFailure `DeployFailed` (not retryable). */
  const untilReady = async (deployId: string, step: StepContext): Promise<{ deployId: string }> => {
    for (;;) {
      const { state, error_message: reason } = await netlify.deploy(deployId, step);
      step.heartbeat({ deployId, state });
      if (state === 'ready') return { deployId };
      if (FAILED_STATES.includes(state)) {
        throw ApplicationFailure.nonRetryable(
          `Netlify deploy ${deployId} failed (${state}): ${redactedFirstLine(reason)}. ` +
            'Read its log in the Netlify app, correct the cause, then retry: that starts another build.',
          'DeployFailed',
        );
      }
      await pause(netlify.pollIntervalMs, undefined, { signal: step.signal });
    }
  };

  return {
    setVariable: verb({
      input: z.object({ account, site, variable, ref, context }),
      repeatable: true,
      async run(input, step) {
        const value = { context: input.context, value: await vault.reveal(input.ref) };
        const existing = await netlify.variable(input, step);
        if (existing === undefined) await netlify.createVariable(input, value, step);
        else await netlify.setValue(input, value, step);
      },
    }),

    removeVariable: verb({
      input: z.object({ account, site, variable }),
      repeatable: true,
      async run(input, step) {
        await netlify.removeVariable(input, step);
      },
    }),

    deploy: verb({
      input: z.object({ site }),
      output: z.object({ deployId: z.string() }),
      async check(input, step) {
        const deploy = await found(input.site, step);
        if (deploy === 'unknown') return 'unknown';
        // A failed deploy published nothing, so that a person's "retry" means another build.
        if (deploy === 'not started' || FAILED_STATES.includes(deploy.state)) return 'not done';
        return { done: await untilReady(deploy.id, step) };
      },
      async run(input, step) {
        const build = await netlify.startBuild(input.site, deployTitle(step.key), step);
        step.heartbeat({ deployId: build.deploy_id });
        return await untilReady(build.deploy_id, step);
      },
    }),
  };
};
