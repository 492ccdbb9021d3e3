import type { Vault } from '../../vault/contract.js';
import { secretNotFound } from '../../vault/errors.js';

/** The value of a secret's current version. @throws ApplicationFailure `SecretNotFound` (not retryable). */
export async function revealCurrent(vault: Vault, name: string): Promise<string> {
  const current = await vault.current(name);
  if (current === undefined) throw secretNotFound(`current version of ${name}`, name);
  return await vault.reveal(current.ref);
}

/** The values behind reference fields of an input, by the name they are handed over under. */
export async function revealFields(
  vault: Vault,
  fields: Readonly<Record<string, string>>,
  input: Readonly<Record<string, unknown>>,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [name, field] of Object.entries(fields)) values[name] = await vault.reveal(String(input[field]));
  return values;
}
