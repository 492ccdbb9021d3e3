import type { Context } from '@temporalio/activity';
import { ApplicationFailure, defaultPayloadConverter, TemporalFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor, ActivityInterceptorsFactory } from '@temporalio/worker';
import { hashJson } from '../activities/hash.js';
import type { Ledger } from '../activities/ledger/contract.js';
import { eventKey, type EntryOf } from '../activities/ledger/entry.js';
import { appendFinal } from '../activities/ledger/final.js';
import type { Redactor } from '../activities/redactor.js';
import { stepKey } from '../activities/step.js';
import { currentStep, orgOf } from '../activities/step-call.js';
import { modeOf } from '../workflows/engine/mode.js';
import { STEP_HEADER, stepOf, type StepHeader } from '../workflows/engine/step-header.js';

/**
 * Writes each step's intent before its effect and its outcome after. No record, no effect: when the intent can't be
 * written the step fails with `LedgerUnavailable`, and the engine schedules it again once the ledger is back.
 */
export function ledgerInterceptor(ledger: Ledger, redactor: Redactor): ActivityInterceptorsFactory {
  return (context: Context) => ({
    inbound: {
      async execute(input, next) {
        const payload = input.headers[STEP_HEADER];
        if (payload === undefined)
          return await next(input).catch((error: unknown) => Promise.reject(redacted(error, redactor)));
        const header = defaultPayloadConverter.fromPayload<StepHeader>(payload);
        const attempt = describeAttempt(context, header);
        const append = (entry: EntryOf<'step.intent' | 'step.outcome'>) =>
          ledger.append([{ eventKey: eventKey(entry), entry }]);
        await append({
          ...attempt,
          kind: 'step.intent',
          at: new Date().toISOString(),
          key: stepKey(attempt.run, context.info.activityId),
          inputHash: hashJson(input.args[0]),
        });
        let output: unknown;
        try {
          output = await currentStep.run(header, () => next(input));
        } catch (error) {
          const clean = redacted(error, redactor);
          const type = clean instanceof ApplicationFailure ? (clean.type ?? 'Failure') : clean.name;
          await append({
            ...attempt,
            kind: 'step.outcome',
            at: new Date().toISOString(),
            outcome: type === 'OutcomeUnknown' ? 'unknown' : 'failed',
            outputHash: null,
            error: type,
            final: false,
          });
          throw clean;
        }
        await appendFinal(ledger, {
          ...attempt,
          kind: 'step.outcome',
          at: new Date().toISOString(),
          outcome: 'ok',
          outputHash: hashJson(output),
          error: null,
          final: true,
        });
        return output;
      },
    } satisfies ActivityInboundCallsInterceptor,
  });
}

function describeAttempt({ info }: Context, header: StepHeader) {
  const run = info.workflowExecution?.workflowId ?? '';
  return {
    v: 1,
    org: orgOf(run),
    mode: modeOf(info.namespace),
    run,
    runbook: info.workflowType ?? '',
    virtual: header.virtual,
    step: stepOf(info.activityId),
    round: header.round,
    attempt: info.attempt,
    activity: info.activityType,
  } as const;
}

/** The same failure without secret values, and without causes and stacks that client libraries fill with requests. */
function redacted(error: unknown, redactor: Redactor): Error {
  if (error instanceof ApplicationFailure) {
    const message = redactor.redact(error.message);
    if (message === error.message && error.cause === undefined) return error;
    return ApplicationFailure.create({
      message,
      type: error.type ?? 'Failure',
      nonRetryable: error.nonRetryable ?? false,
      ...(error.nextRetryDelay == null ? {} : { nextRetryDelay: error.nextRetryDelay }),
      ...(error.details == null
        ? {}
        : { details: JSON.parse(redactor.redact(JSON.stringify(error.details))) as unknown[] }),
    });
  }
  if (error instanceof TemporalFailure) return error;
  const reason =
    error instanceof Error ? `${error.name}: ${error.message}` : 'something that is not an error was thrown';
  return ApplicationFailure.create({ message: redactor.redact(reason), type: 'UnexpectedError' });
}
