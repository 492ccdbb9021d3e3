import type { Vault } from '../../activities/vault/contract.js';
import type { SecretInventory } from '../../config/secrets.js';
import type { World } from '../../simulators/world.js';

/**
 * What an undo must bring back: the value in use of each secret, where it is deployed, which keys work, which values
 * the application accepts, and the state that the application, its records and its databases are in.
 */
export type Picture = string;

type Json = Record<string, unknown>;
type Dump = Record<string, Json | undefined>;

const entriesOf = (value: unknown): [string, Json][] => Object.entries((value ?? {}) as Record<string, Json>);

/** A picture of a simulated world, in a form that can be compared. */
export async function pictureOf(world: World, vault: Vault, inventory: SecretInventory): Promise<Picture> {
  const dump = world.dump() as Dump;
  const list = (system: string, field: string): Json[] => (dump[system]?.[field] ?? []) as Json[];
  return JSON.stringify(
    {
      ...(await secretsOf(dump, vault, inventory)),
      application: applicationOf(dump['application'] ?? {}),
      netlify: entriesOf(dump['netlify']?.['sites']).map(([site, { variables }]) => [
        site,
        entriesOf(variables).map(([name, { values }]) => [name, values]),
      ]),
      supabase: entriesOf(dump['supabase']?.['projects']).map(([project, { secrets, keys }]) => [
        project,
        secrets,
        (keys as Json[]).map(({ digest }) => digest).sort(),
      ]),
      openai: list('openai', 'keys')
        .map(({ hash }) => hash)
        .sort(),
      resend: list('resend', 'keys')
        .map(({ hash }) => hash)
        .sort(),
      stripe: list('stripe', 'keys').flatMap(({ value, expired }) => (expired === true ? [] : [value])),
      endpoints: list('stripe', 'endpoints').map(({ url, status }) => [url, status]),
      byHand: dump['by-hand']?.['keys'],
      dns: entriesOf(dump['dns']?.['zones']).map(([zone, { records }]) => [
        zone,
        (records as Json[])
          .map(({ type, name, content, ttl }) => [type, name, content, ttl].join(' '))
          .sort(),
      ]),
      databases: dump['postgres']?.['servers'],
    },
    undefined,
    1,
  );
}

async function secretsOf(dump: Dump, vault: Vault, inventory: SecretInventory): Promise<Json> {
  const current: Json = {};
  const encryptedWith: Json = {};
  const accepted: Json = {};
  const stateOf = (field: string, secret: string): unknown =>
    (dump['application']?.[field] as Json | undefined)?.[secret];
  const fingerprint = async (ref: string): Promise<string> => (await vault.describe(ref)).fingerprint;
  for (const { id, provider } of inventory.values()) {
    const version = await vault.current(id);
    current[id] = version?.fingerprint;
    if (provider.kind !== 'generated' && provider.kind !== 'stripe-webhook') continue;
    // Until somebody says otherwise the application takes, and encrypts with, what is current.
    const refs = stateOf('accepted', id) as readonly string[] | undefined;
    accepted[id] =
      refs === undefined ? [version?.fingerprint] : (await Promise.all(refs.map(fingerprint))).sort();
    if (provider.kind !== 'generated') continue;
    const key = stateOf('encryptedWith', id);
    encryptedWith[id] = typeof key === 'string' ? await fingerprint(key) : version?.fingerprint;
  }
  return { current, encryptedWith, accepted };
}

function applicationOf(state: Json): Json {
  const { maintenance, trafficStopped, readOnly, isolated, monitoring, migrations, serving } = state;
  const flags = entriesOf(state['flags']).filter(([, on]) => (on as unknown) === true);
  return {
    ...{
      maintenance: maintenance != null,
      trafficStopped,
      readOnly,
      isolated,
      monitoring,
      migrations,
      serving,
    },
    environments: Object.keys(state['environments'] ?? {}).sort(),
    flags: flags.map(([flag]) => flag).sort(),
  };
}

/** The lines in which two pictures differ. */
export function difference(a: Picture, b: Picture): string {
  const [before, after] = [a.split('\n'), b.split('\n')];
  const gone = before.filter((line) => !after.includes(line)).map((line) => `-${line.trim()}`);
  const come = after.filter((line) => !before.includes(line)).map((line) => `+${line.trim()}`);
  return [...gone, ...come].slice(0, 6).join(' ');
}
