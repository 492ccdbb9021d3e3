import { ApplicationFailure } from '@temporalio/common';
import pg from 'pg';
import { redact } from '../redact.js';

/**
 * States after which trying again can help: connection lost (08), out of resources (53), shutting down or starting
 * (57P), conflicts with others (40), somebody else still connected (55006).
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const RETRYABLE = /^(08...|53...|57P0[1-5]|40001|40P01|55006)$/;
const REFUSED_LOGIN = /^28...$/;
const NO_SUCH_DATABASE = '3D000';
/** Messages of data exceptions and violated constraints quote values. */
const QUOTES_DATA = /^(22|23)...$/;
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/;
/** node-postgres has no code for these. */
const LOST =
  /^(Connection terminated|timeout expired|Client was closed|Client has encountered a connection error)/;
const LONGEST = 200;

/** The connection string that has to be corrected, by its name in the vault. */
export interface Login {
  readonly secret: string;
  /** Never in an error. */
  readonly password: string;
}

/**
 * An error of the server or of the connection, without data and without credentials.
 * @returns ApplicationFailure `VendorUnavailable` (retryable) or `VendorRefused` (not retryable); the signal's reason
 * when it has fired; an error of ours as it is
 */
export function databaseFailure(what: string, error: unknown, login: Login, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof ApplicationFailure || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (NETWORK.test(code) || LOST.test(error.message)) {
    return unavailable(what, `the connection failed${code === '' ? '' : ` (${code})`}`);
  }
  if (!(error instanceof pg.DatabaseError)) return error;
  if (RETRYABLE.test(code)) return unavailable(what, `the server answered ${code}`);
  if (REFUSED_LOGIN.test(code)) {
    return refused(
      what,
      `the server does not let us in. Hand in the connection string with \`runbook secret put ${login.secret}\``,
    );
  }
  if (code === NO_SUCH_DATABASE) return refused(what, 'there is no such database. Restore into it first');
  return refused(
    what,
    `${code}${QUOTES_DATA.test(code) ? '' : `, ${shown(error.message, login)}`}. Correct the cause`,
  );
}

/** What a program wrote about its failure: its own first complaint, without the lines that quote data. */
export function programFailure(
  what: string,
  program: string,
  stderr: string,
  login: Login,
): ApplicationFailure {
  const line = stderr.split('\n').find((text) => text.startsWith(`${program}: error:`)) ?? '';
  const reason = shown(line.slice(`${program}: error:`.length), login).replace(
    /(syntax for type [^:]*:|value:|Key) .*/,
    '$1 ...',
  );
  const lost = /could not connect|connection to server|closed the connection|terminating connection/.test(
    line,
  );
  if (lost) return unavailable(what, `${program} lost the server`);
  return refused(what, `${program} failed${reason === '' ? '' : `: ${reason}`}. Correct the cause`);
}

export function unavailable(what: string, reason: string): ApplicationFailure {
  return ApplicationFailure.retryable(`${what}: ${reason}. It is tried again.`, 'VendorUnavailable');
}

export function refused(what: string, reason: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`${what}: ${reason}, then retry.`, 'VendorRefused');
}

/** @param why what is wrong with it, as the end of a sentence */
export function backupDamaged(backup: string, why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `Backup ${backup} is damaged: ${why}. Take another one (postgres.listBackups), and look how this one came to harm.`,
    'BackupDamaged',
    { backup },
  );
}

/** A step that a person does instead. */
export function notConfigured(reason: string, instruction: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`${reason} So a person does it.`, 'NotConfigured', { instruction });
}

function shown(message: string, { password }: Login): string {
  const [line = ''] = message.trim().split('\n', 1);
  return redact(line, password === '' ? [] : [password])
    .slice(0, LONGEST)
    .replace(/\.$/, '');
}
