import { activityInfo } from '@temporalio/activity';
import type { Evidence } from '../activities/application/runner/command.js';
import type { Ledger } from '../activities/ledger/contract.js';
import { eventKey, type EntryOf } from '../activities/ledger/entry.js';
import { currentStep, orgOf } from '../activities/step-call.js';
import { modeOf } from '../workflows/engine/mode.js';
import { stepOf } from '../workflows/engine/step-header.js';

/** Characters kept of each stream: what is kept outside of the record must stay below 1 MiB. */
const KEPT = 200_000;

/** Keeps what a command printed, redacted, erasable, and with its hash on the record. */
export function keepEvidence(ledger: Ledger): (evidence: Evidence) => Promise<void> {
  return async ({ verb, attempt, exitCode, stdout, stderr, truncated, sha256 }) => {
    const { workflowExecution, workflowType, activityId, namespace } = activityInfo();
    const header = currentStep.getStore();
    const run = workflowExecution?.workflowId;
    if (run === undefined || header === undefined) return;
    const org = orgOf(run);
    const isCut = truncated || stdout.length > KEPT || stderr.length > KEPT;
    const kept = {
      verb,
      exitCode,
      stdout: stdout.slice(-KEPT),
      stderr: stderr.slice(-KEPT),
      truncated: isCut,
    };
    const { commitment } = await ledger.disclose({ org, content: JSON.stringify(kept) });
    const entry: EntryOf<'step.evidence'> = {
      v: 1,
      kind: 'step.evidence',
      org,
      mode: modeOf(namespace),
      run,
      runbook: workflowType ?? '',
      at: new Date().toISOString(),
      virtual: header.virtual,
      step: stepOf(activityId),
      round: header.round,
      attempt,
      sha256,
      evidence: commitment,
    };
    await ledger.append([{ eventKey: eventKey(entry), entry }]);
  };
}
