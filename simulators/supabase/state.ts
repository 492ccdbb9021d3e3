import { digest } from '../digest.js';
import type { Call, Reply } from '../simulator.js';
import type { World } from '../world.js';

export const SYSTEM = 'supabase';

/** The access token of the Management API that every world accepts. */
export const SUPABASE_TOKEN = 'sbp_sim-admin';

/** A project ref for worlds that need only one. */
export const SUPABASE_PROJECT = 'simulatedsupabaseprj';

/** Users that every rehearsal's project has. */
export const SUPABASE_USERS: readonly string[] = [1, 2, 3, 4, 5].map(
  (n) => `5eed0000-0000-4000-8000-00000000000${n}`,
);

/** A secret key. Its value is not remembered: that of a created key follows from world, project and id. */
export interface StoredKey {
  readonly id: string;
  readonly name: string;
  readonly digest: string;
  /** The beginning of the value, which the vendor shows. */
  readonly shown: string;
}

export interface LogEntry {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly event_message: string;
}

export interface StoredUser {
  readonly id: string;
  /** ISO 8601, UTC. */
  bannedUntil: string | null;
}

export interface StoredObject {
  readonly path: string;
  readonly bytes: number;
  readonly etag: string;
}

export interface Recovery {
  /** Between these moments the project can be restored to any one, ISO 8601. Without them it has no such backups. */
  readonly range?: { readonly earliest: string; readonly latest: string };
  readonly daily?: readonly { readonly at: string; readonly status: string }[];
  /** How many looks at the project a restore takes. Default: 2. */
  readonly looks?: number;
  /** How many looks pass before a restore shows in the status. Default: 1. */
  readonly looksBefore?: number;
  /** Default: ACTIVE_HEALTHY. */
  readonly endsAs?: 'ACTIVE_HEALTHY' | 'RESTORE_FAILED';
}

export interface StoredProject {
  readonly keys: StoredKey[];
  /** Digest (SHA-256, hex) of each Edge Function secret, which is also what the vendor answers. */
  readonly secrets: Record<string, string>;
  readonly tables: readonly string[];
  readonly logs: readonly LogEntry[];
  /** What follows is missing in a state that an older version of the simulator has kept. */
  users?: StoredUser[];
  /** When each session was opened, ISO 8601. */
  sessions?: string[];
  buckets?: Record<string, readonly StoredObject[]>;
  recovery?: Recovery;
  status?: string;
  /** The restore that is under way, and the looks that are left until it shows and until it ends. */
  restoring?: { readonly to: string; before: number; left: number } | null;
  /** The moment that the project was last restored to, ISO 8601. */
  restoredTo?: string;
}

export interface SupabaseState {
  readonly projects: Record<string, StoredProject>;
  lastKey: number;
}

export interface SupabaseSeed {
  /** 20 lower-case letters. */
  readonly project: string;
  /** Secret keys that exist from the start; without a value the simulator makes one. */
  readonly keys?: readonly { readonly name: string; readonly value?: string }[];
  /** Edge Function secrets, by name. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Tables of schema public. */
  readonly tables?: readonly string[];
  /** What the API gateway has logged. */
  readonly logs?: readonly LogEntry[];
  /** Ids (UUIDs) of the users. */
  readonly users?: readonly string[];
  /** How many sessions are open. */
  readonly sessions?: number;
  /** Buckets of Storage with their objects. */
  readonly buckets?: Readonly<Record<string, readonly StoredObject[]>>;
  /** Backups, and how a restore goes. */
  readonly recovery?: Recovery;
}

export const initialState = (): SupabaseState => ({ projects: {}, lastKey: 0 });

const stateOf = (world: World): SupabaseState => world.state(SYSTEM, initialState);

function projectOf(world: World, ref: string): StoredProject {
  const found = stateOf(world).projects[ref];
  if (found === undefined)
    throw new Error(`The simulated Supabase of ${world.name} has no project ${ref}: seed it first.`);
  return found;
}

/** Adds a project. Returns its keys with their values, which can't be asked for again. */
export function seedSupabase(
  world: World,
  seed: SupabaseSeed,
): readonly { keyId: string; name: string; value: string }[] {
  const state = stateOf(world);
  const { project, keys = [], secrets = {}, tables = [], logs = [] } = seed;
  const { users = [], sessions = 0, buckets = {}, recovery = {} } = seed;
  const seeded = keys.map(({ name, value }) => {
    const made = newKey(world, state, project, name);
    const key =
      value === undefined ? made : { ...made, digest: digest(value), shown: value.slice(0, PREFIX_LENGTH) };
    return { key, value: value ?? madeValue(world, project, made.id) };
  });
  state.projects[project] = {
    keys: seeded.map(({ key }) => key),
    secrets: Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, digest(value)])),
    tables,
    logs,
    users: users.map((id) => ({ id, bannedUntil: null })),
    sessions: Array.from({ length: sessions }, () => new Date().toISOString()),
    buckets: { ...buckets },
    recovery,
    status: 'ACTIVE_HEALTHY',
  };
  return seeded.map(({ key, value }) => ({ keyId: key.id, name: key.name, value }));
}

/** The secret keys that a project takes now; `digest` is the SHA-256 (hex) of the value. */
export function supabaseKeys(
  world: World,
  ref: string,
): readonly { id: string; name: string; digest: string }[] {
  return projectOf(world, ref).keys;
}

/** A person deletes the key with this value in the dashboard. One that is not there is fine. */
export function revokeSupabaseKey(world: World, ref: string, value: string): void {
  const { keys } = projectOf(world, ref);
  const index = keys.findIndex((key) => key.digest === digest(value));
  if (index < 0) return;
  keys.splice(index, 1);
  world.effects.push({ system: SYSTEM, what: 'API key deleted', subject: ref });
}

/** Somebody sets an Edge Function secret, without any step. */
export function setSupabaseSecret(world: World, ref: string, name: string, value: string): void {
  projectOf(world, ref).secrets[name] = digest(value);
}

/** SHA-256 (hex) of an Edge Function secret; undefined when it is not set. */
export function supabaseSecret(world: World, ref: string, name: string): string | undefined {
  return projectOf(world, ref).secrets[name];
}

/** Ids of the users who can't sign in. */
export function disabledSupabaseUsers(world: World, ref: string): readonly string[] {
  const { users = [] } = projectOf(world, ref);
  return users.filter(({ bannedUntil }) => Date.parse(bannedUntil ?? '') > Date.now()).map(({ id }) => id);
}

/** How many sessions are open. */
export function supabaseSessions(world: World, ref: string): number {
  return projectOf(world, ref).sessions?.length ?? 0;
}

/** The moment that a project was last restored to, ISO 8601; undefined when it never was. */
export function supabaseRestoredTo(world: World, ref: string): string | undefined {
  return projectOf(world, ref).restoredTo;
}

/** Replaces what a bucket holds; the bucket is made when it is missing. */
export function setSupabaseBucket(
  world: World,
  ref: string,
  bucket: string,
  objects: readonly StoredObject[],
): void {
  const project = projectOf(world, ref);
  project.buckets = { ...project.buckets, [bucket]: objects };
}

const PREFIX_LENGTH = 'sb_secret_'.length + 5;

const madeValue = (world: World, ref: string, id: string): string =>
  `sb_secret_${Buffer.from(digest(`${world.name}/${ref}/${id}`), 'hex')
    .toString('base64url')
    .slice(0, 31)}`;

/** A new key with a value that the simulator makes. */
export function newKey(world: World, state: SupabaseState, ref: string, name: string): StoredKey {
  const id = `00000000-0000-4000-8000-${String((state.lastKey += 1)).padStart(12, '0')}`;
  const value = madeValue(world, ref, id);
  return { id, name, digest: digest(value), shown: value.slice(0, PREFIX_LENGTH) };
}

/** The value of a key, where the simulator made it. */
export function keyValue(world: World, ref: string, key: StoredKey): string | undefined {
  const value = madeValue(world, ref, key.id);
  return digest(value) === key.digest ? value : undefined;
}

export type SupabaseCall = Call<SupabaseState>;

export const refuse = (status: number, message: string): Reply => ({ status, body: { message } });

/** An operation of the Management API: needs the access token, and a project that exists. */
export const managed =
  (handle: (call: SupabaseCall, project: StoredProject) => Reply) =>
  (call: SupabaseCall): Reply => {
    if (call.headers['authorization'] !== `Bearer ${SUPABASE_TOKEN}`) return refuse(401, 'Unauthorized');
    const project = call.state.projects[call.params['ref'] ?? ''];
    if (project === undefined) return refuse(404, 'Project not found');
    const isJson = call.headers['content-type']?.startsWith('application/json') === true;
    if (call.body !== undefined && !isJson) return refuse(415, 'Unsupported Media Type');
    return handle(call, project);
  };
