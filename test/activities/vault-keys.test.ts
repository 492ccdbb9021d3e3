import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { vaultKeys, type Place } from '../../activities/vault/crypto.js';
import { loadVaultKeys, parseVaultKeys, VaultKeyError } from '../../activities/vault/keys.js';
import { formatRef, isRef, isSecretName, parseRef } from '../../activities/vault/ref.js';
import { assertLeaksNothing } from '../helpers/vendor.js';

const place: Place = { purpose: 'value', org: 'default', name: 'openai/api-key', version: 1 };
const base64 = (): string => randomBytes(32).toString('base64');

const problemOf = async (work: () => Promise<unknown>): Promise<VaultKeyError> => {
  const error: unknown = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof VaultKeyError)) expect.fail('expected a VaultKeyError');
  return error;
};

describe('references', () => {
  test('are read back as they were written', () => {
    const ref = formatRef('openai/api-key', 7);
    expect(ref).toBe('secret://openai/api-key@v7');
    expect(parseRef(ref)).toEqual({ kind: 'secret', name: 'openai/api-key', version: 7 });
    expect(parseRef('backup://a@v1').kind).toBe('backup');
  });

  test.each(['', 'OpenAI', 'a//b', '/a', 'a/', 'a b', 'a_b', '-a', 'a-', '../a', 'a'.repeat(201)])(
    'the name "%s" is refused',
    (name) => {
      expect(isSecretName(name)).toBe(false);
      expect(() => formatRef(name, 1)).toThrow(/not the name of a secret/);
    },
  );

  test.each([
    'secret://a',
    'secret://a@v0',
    'secret://a@v01',
    'secret://a@v1 ',
    'http://a@v1',
    'secret://A@v1',
    'backup://a@v1',
  ])('the text "%s" is not a reference to a secret', (text) => expect(isRef(text)).toBe(false));
});

describe('encryption', () => {
  const keys = vaultKeys([{ id: 'k1', key: randomBytes(32) }]);

  test('the same value is never encrypted the same way twice', () => {
    const [a, b] = [keys.seal('value', place), keys.seal('value', place)];
    expect(a.nonce).toHaveLength(12);
    expect(a.nonce.equals(b.nonce)).toBe(false);
    expect(a.sealed.equals(b.sealed)).toBe(false);
  });

  test.each<[string, Place]>([
    ['another organisation', { ...place, org: 'other' }],
    ['another secret', { ...place, name: 'openai/api-key2' }],
    ['another version', { ...place, version: 2 }],
    ['the backup copy', { ...place, purpose: 'backup' }],
  ])('what was stored for one place does not open at %s', (_name, other) => {
    const sealed = keys.seal('value', place);
    expect(keys.open(sealed, place)).toBe('value');
    expect(() => keys.open(sealed, other)).toThrow(/can't be decrypted/);
  });

  test('every changed byte is noticed, and a shortened tag too', () => {
    const { keyId, nonce, sealed } = keys.seal('value', place);
    for (let i = 0; i < sealed.length; i += 1) {
      const changed = Buffer.from(sealed);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(() => keys.open({ keyId, nonce, sealed: changed }, place)).toThrow(/can't be decrypted/);
    }
    expect(() => keys.open({ keyId, nonce, sealed: sealed.subarray(0, -4) }, place)).toThrow(
      /can't be decrypted/,
    );
    expect(() => keys.open({ keyId, nonce, sealed: Buffer.alloc(3) }, place)).toThrow(/can't be decrypted/);
  });
});

describe('the vault key', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vault-keys-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });
  const file = async (content: string, mode = 0o600): Promise<string> => {
    const path = join(folder, 'vault.key');
    await writeFile(path, content);
    await chmod(path, mode);
    return path;
  };

  test('is read from a file; with several keys the first encrypts and all decrypt', async () => {
    const [old, fresh] = [base64(), base64()];
    const before = await loadVaultKeys({ keyFile: await file(`${old}\n`) });
    const sealed = before.seal('value', place);
    const after = await loadVaultKeys({ keyFile: await file(`# newest first\nk2:${fresh}\nk1:${old}\n`) });
    expect(after.open(sealed, place)).toBe('value');
    expect(after.seal('value', place).keyId).toBe('k2');
    expect(after.fingerprint('value')).toBe(before.fingerprint('value'));
  });

  test('is read from what a command prints; no shell is involved', async () => {
    const key = base64();
    const path = await file(key);
    const keys = await loadVaultKeys({ keyCommand: JSON.stringify(['cat', path]) });
    expect(keys.fingerprint('value')).toBe(parseVaultKeys(key, 'test').fingerprint('value'));
    const shell = await problemOf(() => loadVaultKeys({ keyCommand: JSON.stringify([`cat ${path}`]) }));
    expect(shell.message).toContain('ENOENT');
    expect((await problemOf(() => loadVaultKeys({ keyCommand: `cat ${path}` }))).message).toContain(
      'JSON list',
    );
  });

  test('in a file that others may read is refused, and the sentence says what to run', async () => {
    const keyFile = await file(base64(), 0o644);
    expect((await problemOf(() => loadVaultKeys({ keyFile }))).message).toContain(`chmod 600 ${keyFile}`);
  });

  test('that is malformed, twice there or missing is refused by line, and never quoted', async () => {
    const short = randomBytes(31).toString('base64');
    const key = base64();
    const problems = [
      await problemOf(async () => loadVaultKeys({ keyFile: await file(`k2:${key}\nk1:${short}`) })),
      await problemOf(async () => loadVaultKeys({ keyFile: await file(`k1:${key}\nk1:${key}`) })),
      await problemOf(async () => loadVaultKeys({ keyFile: await file('# none\n') })),
      await problemOf(() => loadVaultKeys({ keyFile: join(folder, 'missing') })),
      await problemOf(() => loadVaultKeys({})),
      await problemOf(() => loadVaultKeys({ keyFile: 'a', keyCommand: 'b' })),
      await problemOf(async () =>
        loadVaultKeys({
          keyCommand: JSON.stringify(['node', '-e', `console.log("${key}"); process.exit(3)`]),
        }),
      ),
    ];
    expect(problems[0]?.message).toContain('line 2: that is not a vault key');
    expect(problems[1]?.message).toContain('line 2: key id "k1" is there twice');
    expect(problems[2]?.message).toContain('holds no key');
    expect(problems[3]?.message).toContain('ENOENT');
    expect(problems[6]?.message).toContain('node: 3');
    for (const problem of problems) assertLeaksNothing(problem, [key, short]);
  });
});
