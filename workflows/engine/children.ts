import {
  ApplicationFailure,
  ChildWorkflowCancellationType,
  ChildWorkflowFailure,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  sleep,
  type ChildWorkflowOptions,
  type WithWorkflowArgs,
  type Workflow,
} from '@temporalio/workflow';
import { ModeAttribute, OrgAttribute, OriginAttribute, RunbookName, RunbookState } from './attributes.js';
import type { Journal } from './record.js';
import type { Runbook } from './runbook.js';
import { isoNow, type RunState } from './state.js';
import type { ChildStatus, RunOutcome, RunRequest } from './types.js';

export interface ChildResult {
  readonly run: string;
  readonly outcome: RunOutcome;
  /** What the sub-runbook returned, when it was completed. */
  readonly result: unknown;
}

/** How a child's workflow ends, so that its parent knows when that was by the child's own clock. */
export interface ChildEnd {
  readonly closedAt: string;
  readonly result: unknown;
}

/** Types of failures that are a defined end of a run. */
const OUTCOMES: Readonly<Record<string, RunOutcome>> = {
  Rejected: 'rejected',
  Aborted: 'aborted',
  Cancelled: 'cancelled',
  NotAdmitted: 'refused',
};

/** Sub-runbooks: runs of their own, with their own gates and record, that a run starts and waits for. */
export class Children {
  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
  ) {}

  /** Starts the sub-runbook and waits for its end, whatever that is. Cancelling this run lets it run its undo. */
  async run(base: string, runbook: Runbook, input: Readonly<Record<string, unknown>>): Promise<ChildResult> {
    const { state } = this;
    const { name, title } = runbook.spec;
    const earlier = state.children.filter(({ id }) => id === base || id.startsWith(`${base}-`)).length;
    const id = earlier === 0 ? base : `${base}-${earlier + 1}`;
    const run = `${state.run}.${id}`;
    const status: { -readonly [K in keyof ChildStatus]: ChildStatus[K] } = {
      id,
      run,
      runbook: name,
      state: 'open',
      startedAt: isoNow(),
    };
    state.children.push(status);
    this.journal.record({ kind: 'child.started', child: run, sub: name });
    const request: RunRequest = { org: state.org, input, requesters: state.requesters };
    const end = await this.end(name, run, {
      args: [request],
      workflowId: run,
      workflowIdReusePolicy: 'REJECT_DUPLICATE' as const,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      typedSearchAttributes: [
        { key: RunbookName, value: name },
        { key: RunbookState, value: 'admitting' },
        { key: OriginAttribute, value: 'parent' },
        { key: ModeAttribute, value: state.mode },
        { key: OrgAttribute, value: state.org },
      ],
      memo: { title, origin: 'parent', mode: state.mode, parent: state.run },
      staticSummary: state.mode === 'rehearsal' ? `REHEARSAL: ${title}` : title,
    });
    status.state = end.outcome;
    status.closedAt = end.closedAt;
    this.journal.record({ kind: 'child.ended', child: run, outcome: end.outcome });
    // In a rehearsal the child's clock ran ahead while this run's stood still.
    const ahead = Date.parse(end.closedAt) - Date.now();
    if (ahead > 0) await sleep(ahead, { summary: `${title} ended at ${end.closedAt}` });
    if (end.cancelled !== undefined) throw end.cancelled;
    return { run, outcome: end.outcome, result: end.result };
  }

  private async end(
    name: string,
    run: string,
    options: WithWorkflowArgs<Workflow, ChildWorkflowOptions>,
  ): Promise<ChildEnd & { outcome: RunOutcome; cancelled?: Error }> {
    try {
      const end = (await executeChild(name, options)) as ChildEnd;
      return { ...end, outcome: 'completed' };
    } catch (error) {
      if (isCancellation(error)) {
        return { closedAt: isoNow(), result: null, outcome: 'cancelled', cancelled: error as Error };
      }
      if (!(error instanceof ChildWorkflowFailure)) {
        throw ApplicationFailure.nonRetryable(`${run} could not be started.`, 'ChildNotStarted');
      }
      const cause = error.cause instanceof ApplicationFailure ? error.cause : undefined;
      const closed = cause?.details?.at(-1) as Partial<ChildEnd> | undefined;
      return {
        closedAt: typeof closed?.closedAt === 'string' ? closed.closedAt : isoNow(),
        result: null,
        outcome: OUTCOMES[cause?.type ?? ''] ?? 'failed',
      };
    }
  }
}
