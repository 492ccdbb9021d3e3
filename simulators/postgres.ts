import { createHash } from 'node:crypto';
import { z } from 'zod';
import { backupId, previousName } from '../activities/postgres/contract.js';
import { digest } from './digest.js';
import type { Call, Operation, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

const SYSTEM = 'postgres';

/** What every request to the simulated database service carries. */
export const POSTGRES_SIMULATED_TOKEN = 'sim-postgres';

/** Rows and checksum of every table. */
type Tables = Readonly<Record<string, { readonly rows: number; readonly checksum: string }>>;

interface StoredServer {
  main: Tables;
  /** Databases beside it, by scratch name. */
  readonly beside: Record<string, Tables>;
}

interface StoredBackup {
  readonly backup: string;
  readonly database: string;
  readonly key: string;
  readonly at: string;
  readonly bytes: number;
  readonly tables: Tables;
  readonly damaged: boolean;
}

export interface PostgresState {
  readonly servers: Record<string, StoredServer>;
  readonly backups: StoredBackup[];
  /** The newest backup of a database can't be restored, whichever it is. */
  newestDamaged: boolean;
  problems: readonly string[];
  /** How far a database is behind, in seconds, by id. */
  readonly behindSeconds: Record<string, number>;
  /** A row is written to a database whenever it was backed up. */
  writesAfterBackup?: boolean;
}

export interface PostgresSeed {
  /** Rows by table, by database. */
  readonly databases: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Backups that exist from the start, oldest first. */
  readonly backups?: readonly { readonly database: string; readonly label: string; readonly at: Date }[];
  readonly newestDamaged?: boolean;
  readonly integrityProblems?: readonly string[];
  readonly behindSeconds?: Readonly<Record<string, number>>;
  readonly writesAfterBackup?: boolean;
}

const initialState = (): PostgresState => ({
  servers: {},
  backups: [],
  newestDamaged: false,
  problems: [],
  behindSeconds: {},
});
const stateOf = (world: World): PostgresState => world.state(SYSTEM, initialState);

/** Databases with some tables, and the backups that were taken of them before. */
export function seedPostgres(world: World, seed: PostgresSeed): void {
  const state = stateOf(world);
  for (const [id, tables] of Object.entries(seed.databases)) {
    const content = Object.entries(tables).map(([table, rows]) => [
      table,
      { rows, checksum: digest(`${table} ${rows}`) },
    ]);
    state.servers[id] = { main: Object.fromEntries(content) as Tables, beside: {} };
  }
  state.newestDamaged = seed.newestDamaged ?? false;
  state.problems = seed.integrityProblems ?? [];
  Object.assign(state.behindSeconds, seed.behindSeconds);
  state.writesAfterBackup = seed.writesAfterBackup ?? false;
  for (const [index, { database, label, at }] of (seed.backups ?? []).entries()) {
    const last = index + 1 === seed.backups?.length;
    addBackup(state, {
      database,
      label,
      key: digest(`seeded ${index}`),
      at,
      damaged: state.newestDamaged && last,
    });
  }
}

/** Somebody loses the rows of a table. */
export function losePostgresRows(world: World, database: string, table: string): void {
  const server = stateOf(world).servers[database];
  if (server === undefined)
    throw new Error(`The simulated databases of ${world.name} have no ${database}: seed it first.`);
  server.main = { ...server.main, [table]: { rows: 0, checksum: digest('') } };
}

/** What a database, or a scratch database beside it, holds now; undefined when there is none. */
export function postgresContent(world: World, database: string, scratch?: string): Tables | undefined {
  const server = stateOf(world).servers[database];
  return scratch === undefined ? server?.main : server?.beside[scratch];
}

function addBackup(
  state: PostgresState,
  taken: { database: string; label: string; key: string; at: Date; damaged: boolean },
): StoredBackup {
  const { database, label, key, damaged } = taken;
  const at = taken.at.toISOString();
  const tables = state.servers[database]?.main ?? {};
  const bytes = 1_000 + 100 * fingerprintOf(tables).rows;
  const stored = { backup: backupId(database, label, key, at), database, key, at, bytes, tables, damaged };
  state.backups.push(stored);
  return stored;
}

function fingerprintOf(tables: Tables): { tables: number; rows: number; digest: string } {
  const lines = Object.entries(tables).map(([table, { rows, checksum }]) => `${table} ${rows} ${checksum}\n`);
  return {
    tables: lines.length,
    rows: Object.values(tables).reduce((sum, { rows }) => sum + rows, 0),
    digest: createHash('sha256').update(lines.sort().join('')).digest('hex'),
  };
}

function withOneRowMore(tables: Tables): Tables {
  const [[table, { rows }] = ['log', { rows: 0 }]] = Object.entries(tables);
  return { ...tables, [table]: { rows: rows + 1, checksum: digest(`${table} ${rows + 1}`) } };
}

const shownBackup = ({ backup, bytes, at, tables }: StoredBackup) => ({
  backup,
  bytes,
  sha256: digest(backup),
  at,
  ...fingerprintOf(tables),
});

const newestFirst = (state: PostgresState, database: string): StoredBackup[] =>
  state.backups.filter((stored) => stored.database === database).sort((a, b) => b.at.localeCompare(a.at));

const Input = z.object({
  key: z.string().min(8),
  database: z.string(),
  label: z.string().default(''),
  before: z.string().optional(),
  backup: z.string().default(''),
  scratch: z.string().optional(),
  previous: z.string().default(''),
});
type Input = z.output<typeof Input>;

const refuse = (status: number, type: string, message: string): Reply => ({
  status,
  body: { type, message },
});

type Handle = (call: Call<PostgresState>, input: Input, server: StoredServer) => Reply;

/** An operation of the simulated service: `POST /<name>` with the input and the step's key as JSON. */
function operation(name: string, handle: Handle): Operation<PostgresState> {
  return {
    method: 'post',
    path: `/${name}`,
    source: 'activities/postgres/contract.ts',
    handle(call) {
      const parsed = Input.safeParse(call.body);
      if (!parsed.success) return refuse(400, 'InvalidInput', parsed.error.message);
      const server = call.state.servers[parsed.data.database];
      if (server === undefined)
        return refuse(404, 'UnknownDatabase', `There is no database ${parsed.data.database}.`);
      return handle(call, parsed.data, server);
    },
  };
}

function contentOf(server: StoredServer, scratch: string | undefined): Tables | undefined {
  return scratch === undefined ? server.main : server.beside[scratch];
}

const noScratch = ({ database, scratch = '' }: Pick<Input, 'database' | 'scratch'>): Reply =>
  refuse(
    422,
    'VendorRefused',
    `There is no database ${database}__${scratch}. Restore into it first, then retry.`,
  );

const handlers: Readonly<Record<string, Handle>> = {
  findBackup: ({ state }, { key, database }) => {
    const found = state.backups.find((stored) => stored.key === key && stored.database === database);
    return { body: found === undefined ? null : shownBackup(found) };
  },

  backup: (call, { key, database, label }, server) => {
    const found = call.state.backups.find((stored) => stored.key === key && stored.database === database);
    if (found !== undefined) return { body: shownBackup(found) };
    call.effect('backup taken', `${database}: ${label}`);
    const stored = addBackup(call.state, { database, label, key, at: new Date(), damaged: false });
    if (call.state.writesAfterBackup === true) server.main = withOneRowMore(server.main);
    return { body: shownBackup(stored) };
  },

  listBackups: ({ state }, { database, before }) => {
    const wanted = newestFirst(state, database).filter(({ at }) => before === undefined || at < before);
    return { body: { backups: wanted.slice(0, 50).map(({ backup, at, bytes }) => ({ backup, at, bytes })) } };
  },

  restoreInto: (call, { database, backup, scratch = '' }, server) => {
    const stored = call.state.backups.find((candidate) => candidate.backup === backup);
    if (stored === undefined) return refuse(422, 'VendorRefused', `There is no backup ${backup}.`);
    const [newest] = newestFirst(call.state, stored.database);
    if (stored.damaged || (call.state.newestDamaged && stored === newest)) {
      return refuse(
        422,
        'BackupDamaged',
        `Backup ${backup} is damaged: its SHA-256 is not the one of the manifest.`,
      );
    }
    const there = server.beside[scratch];
    server.beside[scratch] = stored.tables;
    // Repeated, it changes nothing: the first one is dropped, and the same comes back.
    if (there === undefined || fingerprintOf(there).digest !== fingerprintOf(stored.tables).digest)
      call.effect('database restored', `${database}__${scratch}`);
    return { body: { scratch, at: stored.at, ...fingerprintOf(stored.tables) } };
  },

  fingerprint: (_call, input, server) => {
    const content = contentOf(server, input.scratch);
    return content === undefined ? noScratch(input) : { body: fingerprintOf(content) };
  },

  checkIntegrity: ({ state: { problems } }, input, server) =>
    contentOf(server, input.scratch) === undefined
      ? noScratch(input)
      : { body: { passed: problems.length === 0, problems, amcheck: true } },

  promoted: (_call, { key, scratch = '' }, server) => {
    const previous = previousName(key);
    const done = server.beside[previous] !== undefined && server.beside[scratch] === undefined;
    return { body: done ? { previous } : null };
  },

  promote: (call, input, server) => {
    const { database, key, scratch = '' } = input;
    const previous = previousName(key);
    const restored = server.beside[scratch];
    if (restored === undefined)
      return server.beside[previous] === undefined ? noScratch(input) : { body: { previous } };
    server.beside[previous] = server.main;
    server.main = restored;
    Reflect.deleteProperty(server.beside, scratch);
    call.effect('database replaced', `${database} by ${scratch}`);
    return { body: { previous } };
  },

  putBack: (call, { database, previous, scratch = '' }, server) => {
    const former = server.beside[previous];
    if (former === undefined) {
      return server.beside[scratch] === undefined ? noScratch({ database, scratch: previous }) : {};
    }
    server.beside[scratch] = server.main;
    server.main = former;
    Reflect.deleteProperty(server.beside, previous);
    call.effect('database put back', `${database} instead of ${scratch}`);
    return {};
  },

  dropScratch: (call, { database, scratch = '' }, server) => {
    if (server.beside[scratch] === undefined) return {};
    Reflect.deleteProperty(server.beside, scratch);
    call.effect('database dropped', `${database}__${scratch}`);
    return {};
  },

  position: ({ state }, { database }) => {
    const at = new Date(Date.now() - (state.behindSeconds[database] ?? 0) * 1_000);
    return { body: { at: at.toISOString(), lsn: '0/3000060' } };
  },
};

/** A database service with backups: what rehearsals use, where neither servers nor pg_dump are at hand. */
export const postgresSimulator: Simulator<PostgresState> = {
  system: SYSTEM,
  initialState,
  authenticate: ({ headers }) =>
    headers['authorization'] === `Bearer ${POSTGRES_SIMULATED_TOKEN}`
      ? undefined
      : refuse(401, 'VendorRefused', 'The token is wrong.'),
  operations: Object.fromEntries(
    Object.entries(handlers).map(([name, handle]) => [name, operation(name, handle)]),
  ),
};
