import { loadVaultKeys } from '../../activities/vault/keys.js';
import type { SecretVersion } from '../../activities/vault/contract.js';
import { isSecretName } from '../../activities/vault/ref.js';
import { openVault } from '../../worker/vault.js';
import { eventKey, type EntryOf } from '../../activities/ledger/entry.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { didYouMean } from './nearest.js';
import { actor } from './person.js';
import { clean, columns, fromNow, type Io } from './terminal.js';

/** `secret put NAME`: takes a value from standard input, never from the command line. */
export async function putSecret(
  context: Context,
  name: string,
  flags: { readonly keyId?: string; readonly as?: string },
): Promise<void> {
  const { services, colours: c } = context;
  const { pool, environment } = services;
  assertKnown(context, name);
  // Elsewhere than on the local stack nobody is believed a name: there it is whoever may log in to the host.
  const isHost = !environment.local && flags.as === undefined;
  const { person } = isHost ? { person: null } : await actor(context, flags.as);
  const keys = await loadVaultKeys(environment.vault);
  const vault = await openVault(environment, pool);
  const value = await readValue(context, name);
  if (value === '') throw new CliError(EXIT.usage, `No value came in for ${name}. Nothing was stored.`);
  const before = await vault.list(name);
  // The same value is one version, however often it is handed in.
  const key = `handed-in/${keys.fingerprint(value)}`;
  const version = await vault.put(name, value, {
    key,
    ...(flags.keyId === undefined ? {} : { vendorId: flags.keyId }),
  });
  const isNew = !before.some(({ ref }) => ref === version.ref);
  if (version.state === 'revoked') {
    throw new CliError(
      EXIT.refused,
      `That value is ${version.ref}, which was revoked. Make a new one at its provider.`,
    );
  }
  if (!isNew && flags.keyId !== undefined && version.vendorId !== flags.keyId) {
    throw new CliError(
      EXIT.refused,
      `That value is stored already as ${version.ref} with ${version.vendorId === null ? 'no key id' : 'another key id'}, ` +
        'and a version never changes. Nothing was stored.',
    );
  }
  await recordStored(context, name, version, person);
  const isFirst = before.every(({ state }) => state !== 'current') && version.state === 'pending';
  if (isFirst) await vault.promote(version.ref);
  const { ref, fingerprint, vendorId } = version;
  const state = isFirst ? 'current' : version.state;
  context.say(`${c.green('✓')} ${isNew ? 'Stored' : 'Stored already'} as ${c.bold(ref)} (${state})`);
  context.say(`  fingerprint ${fingerprint}${vendorId === null ? '' : `, key id ${clean(vendorId)}`}`);
  if (state === 'pending')
    context.hint('A run that waits for it takes it over; until then the current version stays in use.');
  context.document({ name, ref, fingerprint, keyId: vendorId, state, stored: isNew });
}

/** Who handed in which version. Repeated by the next `secret put` of the same value when it could not be written. */
async function recordStored(
  { services }: Context,
  name: string,
  { version, createdAt }: SecretVersion,
  person: string | null,
): Promise<void> {
  const { ledger, org } = services;
  const entry: EntryOf<'secret.stored'> = {
    ...{ v: 1, kind: 'secret.stored', org, mode: 'live', run: `secrets/${name}`, runbook: 'vault' },
    ...{ at: new Date().toISOString(), virtual: createdAt, secret: name, version, person },
  };
  await ledger.append([{ eventKey: eventKey(entry), entry }]);
}

/** `secret list [NAME]`: versions, without their values. */
export async function listSecrets(context: Context, name: string | undefined): Promise<void> {
  const { services, colours: c } = context;
  const { pool, environment, configuration } = services;
  if (name !== undefined) assertKnown(context, name);
  const inventory = [...configuration.secrets.get().values()].filter(
    ({ id }) => name === undefined || id === name,
  );
  const vault = await openVault(environment, pool);
  const now = new Date().toISOString();
  const all = [];
  for (const { id, title, rotateEveryDays } of inventory) {
    const versions = await vault.list(id);
    const shown =
      name === undefined
        ? versions.filter(({ state }) => state === 'current' || state === 'pending')
        : versions;
    all.push({ id, title, rotateEveryDays, versions: (name === undefined ? shown : versions).map(facts) });
    const interval = rotateEveryDays === null ? 'on demand' : `every ${rotateEveryDays} days`;
    context.say(`${c.bold(id)}  ${clean(title)} ${c.dim(interval)}`);
    if (shown.length === 0) context.say(c.yellow(`  no value: runbook secret put ${id}`));
    const rows = columns(
      shown.map((v) => [v.ref, v.state, v.fingerprint, fromNow(v.createdAt, now), v.vendorId ?? '']),
    );
    for (const [ref = '', state = '', fingerprint = '', age = '', keyId = ''] of rows) {
      context.say(
        `  ${ref}  ${state.trim() === 'current' ? c.green(state) : state}  ${fingerprint}  ${c.dim(age)}  ${clean(keyId)}`.trimEnd(),
      );
    }
  }
  context.document(all);
}

function facts({ ref, version, fingerprint, vendorId, state, createdAt }: SecretVersion) {
  return { ref, version, fingerprint, keyId: vendorId, state, createdAt };
}

function assertKnown({ services }: Context, name: string): void {
  const { path } = services.configuration.secrets;
  const known = [...services.configuration.secrets.get().keys()];
  if (known.includes(name)) return;
  const all = `There are: ${known.join(', ')}.`;
  // What can't be a name may be a value that was pasted into the wrong place: it is not quoted.
  throw new CliError(
    EXIT.notFound,
    isSecretName(name) && name.length <= 60
      ? `${path} has no secret "${name}".${didYouMean(name, known)} ${all}`
      : `That is not the name of a secret. ${all} Was it a value? It is in the history of your shell now: make a new one.`,
  );
}

/** The value: on a terminal one line that is not shown, else all of standard input without its last line end. */
async function readValue(context: Context, name: string): Promise<string> {
  const { io } = context;
  if (io.stdin.isTTY !== true) {
    const chunks: Buffer[] = [];
    for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk as Uint8Array | string));
    return Buffer.concat(chunks)
      .toString('utf8')
      .replace(/\r?\n$/, '');
  }
  io.stderr.write(`Value of ${name} (it is not shown), then Enter: `);
  try {
    return await hiddenLine(io);
  } finally {
    io.stderr.write('\n');
  }
}

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const DELETE = ['\u007f', '\b'];

function hiddenLine({ stdin }: Io): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    const end = (settle: () => void): void => {
      stdin.off('data', take);
      stdin.setRawMode?.(false);
      stdin.pause();
      settle();
    };
    const take = (chunk: Buffer | string): void => {
      for (const character of chunk.toString()) {
        if (character === '\r' || character === '\n' || character === CTRL_D) return end(() => resolve(line));
        if (character === CTRL_C)
          return end(() => reject(new CliError(EXIT.interrupted, 'Interrupted. Nothing was stored.')));
        line = DELETE.includes(character) ? [...line].slice(0, -1).join('') : line + character;
      }
    };
    // Raw mode: nothing is echoed, and Ctrl-C arrives as a character.
    stdin.setRawMode?.(true);
    stdin.on('data', take);
    stdin.resume();
  });
}
