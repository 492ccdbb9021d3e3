import { inWorkflowContext } from '@temporalio/workflow';
import type { z } from 'zod';
import { Execution, type Body } from './execution.js';
import type { DeclaredSpec, RunRequest } from './types.js';

export type { Run } from './run.js';

/** A runbook is at once a Temporal workflow and its entry in the catalogue. */
export type Runbook = ((request: RunRequest) => Promise<unknown>) & { readonly spec: DeclaredSpec };

/** Makes a workflow of a runbook: admission, plan, record, steps, gates, questions, undo and a defined end. */
export function runbook<I extends z.ZodObject, C, R>(
  declared: DeclaredSpec<I, C>,
  body: Body<I, C, R>,
): Runbook {
  // Every cached run has a copy of its module, and never reads the scripts of its rehearsals.
  const spec = inWorkflowContext() ? { ...declared, rehearsals: [] } : declared;
  const workflow = (request: RunRequest) => new Execution(spec, body).execute(request);
  Object.defineProperty(workflow, 'name', { value: spec.name });
  return Object.assign(workflow, { spec: spec as unknown as DeclaredSpec });
}
