import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { vaultKeys, type VaultKey, type VaultKeys } from './crypto.js';

/** The vault key can't be had. The message says what to do and never holds a key. */
export class VaultKeyError extends Error {
  override readonly name = 'VaultKeyError';
}

export interface VaultKeySource {
  /** `VAULT_KEY_FILE` */
  readonly keyFile?: string | undefined;
  /** `VAULT_KEY_COMMAND`: a JSON list of the program and its arguments. */
  readonly keyCommand?: string | undefined;
}

const KEY_BYTES = 32;
const COMMAND_TIMEOUT_MS = 10_000;
const MAKE_ONE = 'Make one with: (umask 077; openssl rand -base64 32 > vault.key)';
const Argv = z.array(z.string().min(1)).min(1);
const LINE = /^(?:([a-z0-9][a-z0-9-]{0,31}):)?([A-Za-z0-9+/]+={0,2})$/;

/**
 * Reads the vault keys from a file or from what a command prints: one key per line, newest first, each
 * `ID:BASE64`; a single key may stand alone. Lines that start with `#` are comments.
 * @throws VaultKeyError
 */
export async function loadVaultKeys({ keyFile, keyCommand }: VaultKeySource): Promise<VaultKeys> {
  if (keyFile !== undefined && keyCommand !== undefined) {
    throw new VaultKeyError('VAULT_KEY_FILE and VAULT_KEY_COMMAND are both set. Unset one of them.');
  }
  if (keyFile !== undefined) return parseVaultKeys(await readKeyFile(keyFile), `VAULT_KEY_FILE (${keyFile})`);
  if (keyCommand !== undefined) return parseVaultKeys(await runKeyCommand(keyCommand), 'VAULT_KEY_COMMAND');
  throw new VaultKeyError(
    `There is no vault key. Set VAULT_KEY_FILE to a file with 32 random bytes in base64, or VAULT_KEY_COMMAND. ${MAKE_ONE}`,
  );
}

/** @throws VaultKeyError naming the line; never its text. */
export function parseVaultKeys(text: string, source: string): VaultKeys {
  const keys: VaultKey[] = [];
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const [, id = 'k1', base64 = ''] = LINE.exec(line) ?? [];
    const key = Buffer.from(base64, 'base64');
    if (key.length !== KEY_BYTES) {
      throw new VaultKeyError(
        `${source}, line ${index + 1}: that is not a vault key. A line is 32 bytes in base64 (44 characters), ` +
          `with an id and ":" before it when there are several. ${MAKE_ONE}`,
      );
    }
    if (keys.some((other) => other.id === id)) {
      throw new VaultKeyError(
        `${source}, line ${index + 1}: key id "${id}" is there twice. Give each key an id of its own.`,
      );
    }
    keys.push({ id, key });
  });
  const [first, ...rest] = keys;
  if (first === undefined) throw new VaultKeyError(`${source} holds no key. ${MAKE_ONE}`);
  return vaultKeys([first, ...rest]);
}

async function readKeyFile(path: string): Promise<string> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o027) !== 0) {
      throw new VaultKeyError(
        `${path} (VAULT_KEY_FILE) may be read or written by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}). ` +
          `Run: chmod 600 ${path}. If others may have read it, make a new key and put it before the old one.`,
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof VaultKeyError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new VaultKeyError(`${path} (VAULT_KEY_FILE) could not be read (${code}). ${MAKE_ONE}`);
  }
}

async function runKeyCommand(text: string): Promise<string> {
  const argv = Argv.safeParse(parseJson(text));
  const [program, ...args] = argv.data ?? [];
  if (program === undefined) {
    throw new VaultKeyError(
      'VAULT_KEY_COMMAND is not a JSON list of texts. It is the program and its arguments, for example ' +
        '["op","read","op://ops/vault/key"]; no shell is involved.',
    );
  }
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      timeout: COMMAND_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 100_000,
    });
    return stdout;
  } catch (error) {
    // The error of execFile quotes what the command printed: maybe the key.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'ended by a signal';
    throw new VaultKeyError(
      `VAULT_KEY_COMMAND failed (${program}: ${code}). Run it by hand: it must print the key within ${COMMAND_TIMEOUT_MS / 1000} s.`,
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
