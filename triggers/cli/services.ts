import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import type pg from 'pg';
import type { Ledger } from '../../activities/ledger/contract.js';
import { postgresLedger } from '../../activities/ledger/postgres.js';
import { EnvironmentError, readEnvironment, type Environment } from '../../config/environment.js';
import { openConfiguration, type Configuration } from '../../config/index.js';
import { createPool } from '../../database/pool.js';
import { castDirectory } from '../../simulators/cast.js';
import type { Mode } from '../../workflows/engine/types.js';
import type { ModeClient } from '../../worker/connection.js';
import { databaseDirectory, type Directory } from '../people.js';
import type { Io } from './terminal.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One command needs few connections; following the ledger takes one for itself. */
const CONNECTIONS = 4;

const SILENT = { error: () => undefined };

/** What commands work with, each part opened when it is first used. */
export class Services {
  private opened: { readonly environment?: Environment; configuration?: Configuration; pool?: pg.Pool } = {};
  private openedLedger: Ledger | undefined;
  private readonly clients = new Map<Mode, Promise<ModeClient>>();

  constructor(private readonly io: Pick<Io, 'env' | 'stackFile' | 'taskQueue'>) {}

  /** @throws EnvironmentError */
  get environment(): Environment {
    if (this.opened.environment !== undefined) return this.opened.environment;
    const environment = readEnvironment(
      this.io.env,
      ...(this.io.stackFile === undefined ? [] : ([this.io.stackFile] as const)),
    );
    this.opened = { ...this.opened, environment };
    return environment;
  }

  get org(): string {
    return this.environment.org;
  }

  /** What only reads the configuration works without a database or Temporal. */
  get configuration(): Configuration {
    return (this.opened.configuration ??= openConfiguration(this.configDirectory, { log: SILENT }));
  }

  get configDirectory(): string {
    try {
      return this.environment.configDirectory;
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      return resolve(ROOT, this.io.env['RUNBOOK_CONFIG_DIR'] || 'config');
    }
  }

  get pool(): pg.Pool {
    return (this.opened.pool ??= createPool(this.environment.databaseUrl, 'runbook-cli', {
      max: CONNECTIONS,
      onIdleError: () => undefined,
    }));
  }

  get ledger(): Ledger {
    return (this.openedLedger ??= postgresLedger(this.pool));
  }

  /** The people of access.yaml. */
  get directory(): Directory {
    const { pool, org } = this;
    return databaseDirectory({ pool, access: this.configuration.access, org });
  }

  /** Connects at the first call that is made with it. */
  async client(mode: Mode): Promise<Client> {
    let opening = this.clients.get(mode);
    if (opening === undefined) {
      // Temporal's native module is loaded by commands that talk to Temporal only.
      opening = import('../../worker/connection.js').then(({ lazyClient }) =>
        lazyClient(this.environment, mode),
      );
      this.clients.set(mode, opening);
    }
    return (await opening).client;
  }

  /** Where live runs are worked on. */
  async taskQueue(): Promise<string> {
    return this.io.taskQueue ?? (await import('../../worker/connection.js')).TASK_QUEUE;
  }

  async close(): Promise<void> {
    for (const opening of this.clients.values()) await (await opening).close().catch(() => undefined);
    await this.opened.pool?.end();
  }
}

/** Names of people, looked up once each; the cast of the rehearsals included. */
export class NameBook {
  private readonly known = new Map<string, string>();
  private readonly cast = castDirectory();

  constructor(private readonly directory: () => Directory) {}

  async learn(people: Iterable<string>): Promise<void> {
    for (const person of people) {
      if (this.known.has(person)) continue;
      const name = (await this.cast.nameOf(person)) ?? (await this.directory().nameOf(person));
      this.known.set(person, name ?? person);
    }
  }

  readonly of = (person: string): string => this.known.get(person) ?? person;

  /** A sentence with the names of the people whose ids it holds. */
  async inText(text: string): Promise<string> {
    const ids = new Set(text.match(/p_[0-9A-HJKMNP-TV-Z]{26}/g) ?? []);
    await this.learn(ids);
    return [...ids].reduce((named, id) => named.replaceAll(id, this.of(id)), text);
  }
}
