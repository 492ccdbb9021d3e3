import { ApplicationFailure } from '@temporalio/common';

/** A version, a backup copy or a current version (`what`) of a secret that is not there. */
export function secretNotFound(what: string, name: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `There is no ${what} in the vault. Hand the value in with \`runbook secret put ${name}\`, then retry.`,
    'SecretNotFound',
  );
}

/** An idempotency key that was used for another value. */
export function secretConflict(name: string, ref: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `Another value of ${name} is already stored as ${ref} for this step, and a step stores one value. ` +
      'The new value was not stored: revoke it at its vendor, then retry.',
    'SecretConflict',
  );
}

/** A revoked version that somebody wants to use again. */
export function secretRevoked(ref: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `${ref} was revoked at its vendor and can't become current again. Create a new version instead.`,
    'SecretRevoked',
  );
}

/** A stored value that can't be decrypted: another key, another place, or a changed row. */
export function secretUnreadable(what: string, reason: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `${what} can't be decrypted: ${reason}. Check that VAULT_KEY_FILE or VAULT_KEY_COMMAND still gives the key ` +
      'it was stored with; if it does, the stored value was changed: restore it from the backup copy.',
    'SecretUnreadable',
  );
}

/** @throws ApplicationFailure `BadSecretValue` (not retryable) for a value that can't be a secret. */
export function checkValue(name: string, value: string): void {
  const bytes = Buffer.byteLength(value);
  if (bytes > 0 && bytes <= VALUE_LIMIT_BYTES && !value.includes('\0')) return;
  throw ApplicationFailure.nonRetryable(
    `The value of ${name} has ${bytes} bytes${value.includes('\0') ? ' and a NUL character' : ''}; a value is text of ` +
      `1 to ${VALUE_LIMIT_BYTES} bytes. Hand in the right one with \`runbook secret put ${name}\`.`,
    'BadSecretValue',
  );
}

/**
 * The smallest limit of the stores behind the vault: AWS Secrets Manager takes 65,536 bytes
 * (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html, SecretString).
 */
const VALUE_LIMIT_BYTES = 65_536;
