import { ApplicationFailure } from '@temporalio/common';

/** Raised by ledger.append: database/migrations/0001_ledger.sql. */
const EVENT_KEY_REUSED = 'RB001';
const LEAF_REFUSED = 'RB002';

/**
 * Errors after which the same statement can succeed a moment later: the connection broke or could not be made, the
 * server restarts, two transactions met. Codes: https://www.postgresql.org/docs/15/errcodes-appendix.html
 */
const TRANSIENT_CODES =
  /^(08\w{3}|40001|40P01|53300|55P03|57P0[123]|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH)$/;
/** What pg throws without a code. */
const TRANSIENT_MESSAGES =
  /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Query read timeout|Connection ended/;

export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  return code === undefined ? TRANSIENT_MESSAGES.test(error.message) : TRANSIENT_CODES.test(code);
}

/** The failure that a database error becomes. The engine waits and comes back after `LedgerUnavailable`. */
export function asFailure(error: unknown, what: string): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const code = codeOf(error);
  if (code === EVENT_KEY_REUSED) {
    return ApplicationFailure.nonRetryable(
      `${what}: ${messageOf(error)}. Nothing was appended. Look at the stored entry with \`runbook ledger\`.`,
      'EventKeyReused',
    );
  }
  // 22: data exception, 23: a check of the table.
  if (code === LEAF_REFUSED || code?.startsWith('22') === true || code?.startsWith('23') === true) {
    return ApplicationFailure.nonRetryable(
      `${what}: the database refused an entry (${code}).`,
      'LedgerEntryInvalid',
    );
  }
  return ApplicationFailure.create({
    message:
      `${what}: the ledger does not answer (${code ?? messageOf(error)}). Nothing goes on without its record. ` +
      'Check the database of DATABASE_URL; the run goes on by itself afterwards.',
    type: 'LedgerUnavailable',
    nonRetryable: true,
    ...(error instanceof Error ? { cause: error } : {}),
  });
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return error.errors.map(codeOf).find((code) => code !== undefined);
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
