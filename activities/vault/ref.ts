import { ApplicationFailure } from '@temporalio/common';

/** What a reference points to: one version of a secret, or the backup copy of one version. */
export interface ParsedRef {
  readonly kind: 'secret' | 'backup';
  readonly name: string;
  readonly version: number;
}

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\/[a-z0-9]+(-[a-z0-9]+)*)*$/;
const REF = /^(secret|backup):\/\/([^@\s]+)@v([1-9][0-9]{0,8})$/;
const NAME_LIMIT = 200;

/** Whether a string is a secret's name: `openai/api-key`. */
export function isSecretName(name: string): boolean {
  return name.length <= NAME_LIMIT && NAME.test(name);
}

/** Whether a string is a reference to a version: `secret://openai/api-key@v7`. */
export function isRef(ref: string): boolean {
  const match = REF.exec(ref);
  return match?.[1] === 'secret' && isSecretName(match[2] ?? '');
}

/**
 * A secret's name, checked.
 * @throws ApplicationFailure `BadSecretName` (not retryable). The text is not quoted: it may be a value that
 * somebody pasted into the wrong field.
 */
export function secretName(name: string): string {
  if (isSecretName(name)) return name;
  throw ApplicationFailure.nonRetryable(
    `That is not the name of a secret (${name.length} characters). A name is lower-case letters, digits, "-" and ` +
      `"/", at most ${NAME_LIMIT} characters, for example "openai/api-key". See config/secrets.yaml for the names in use.`,
    'BadSecretName',
  );
}

/** `secret://openai/api-key@v7`. @throws ApplicationFailure `BadSecretName` (not retryable). */
export function formatRef(name: string, version: number, kind: ParsedRef['kind'] = 'secret'): string {
  return `${kind}://${secretName(name)}@v${version}`;
}

/**
 * Reads `secret://openai/api-key@v7`, or `backup://...` for a backup copy.
 * @throws ApplicationFailure `BadReference` (not retryable). The text is not quoted: it may be a value.
 */
export function parseRef(ref: string): ParsedRef {
  const match = REF.exec(ref);
  const [, kind, name, version] = match ?? [];
  if ((kind !== 'secret' && kind !== 'backup') || name === undefined || !isSecretName(name)) {
    throw ApplicationFailure.nonRetryable(
      `That is not a reference to a secret (${ref.length} characters). A reference looks like ` +
        '"secret://openai/api-key@v7"; `runbook secret list NAME` shows the references of a secret.',
      'BadReference',
    );
  }
  return { kind, name, version: Number(version) };
}
