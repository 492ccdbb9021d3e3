import type { z } from 'zod';
import type { applicationSchemas, ApplicationVerb } from '../../activities/application/contract.js';
import type { Call } from '../simulator.js';
import type { World } from '../world.js';

export const SYSTEM = 'application';

/** The application that rehearsals act on: plain JSON. */
export interface ApplicationState {
  /** One is consumed by each question; the last one repeats. */
  errorRates: number[];
  /** Requests in the time that is asked for. */
  requests: number;
  /** Checks of production that fail: one list is consumed by each question; the last one repeats. */
  failingChecks: string[][];
  /** The same for the other environments, by name. */
  failingChecksIn: Record<string, string[][]>;
  encryptedFields: number;
  unreadableFields: number;
  /** Log lines that show the use of a key, by its fingerprint; `*` for every other key. */
  logMatches: Record<string, number>;
  /** Which reference the fields are encrypted with, by secret; absent: nobody knows, any key reads them. */
  encryptedWith: Record<string, string>;
  /** References whose values are accepted, sorted, by the name of the secret. */
  accepted: Record<string, string[]>;
  deployments: number;
  reports: { id: string; title: string }[];
  maintenance: { message: string; until: string } | null;
  trafficStopped: boolean;
  /** How often switching maintenance mode off is answered and has no effect. */
  stuckMaintenance: number;
  readOnly: boolean;
  isolated: string[];
  monitoring: 'usual' | 'enhanced';
  breachSuspected: boolean;
  /** Accounts whose access looks wrong. */
  suspiciousAccounts: number;
  /** Deployments and changes of the configuration before the run. */
  recentChanges: number;
  /** Ids of the changes made since, oldest first. */
  changes: string[];
  migrations: { applied: string[]; pending: string[] };
  failingMigrations: boolean;
  /** What was deployed to production, oldest first. */
  releases: { id: string; version: string }[];
  /** The release that serves production. */
  serving: string;
  /** Deployment by the name of the environment, production not among them. */
  environments: Record<string, string>;
  users: { all: number; affected: number };
  notices: { audience: string; subject: string }[];
  flags: Record<string, boolean>;
  /** Components that were given more, once for each step. */
  scaled: string[];
  /** What was answered to each idempotency key. */
  answered: Record<string, { request: string; body: unknown }>;
}

export const initialState = (): ApplicationState => ({
  errorRates: [0],
  requests: 1000,
  failingChecks: [[]],
  failingChecksIn: {},
  encryptedFields: 24,
  unreadableFields: 0,
  logMatches: {},
  encryptedWith: {},
  accepted: {},
  deployments: 0,
  reports: [],
  maintenance: null,
  trafficStopped: false,
  stuckMaintenance: 0,
  readOnly: false,
  isolated: [],
  monitoring: 'usual',
  breachSuspected: false,
  suspiciousAccounts: 0,
  recentChanges: 0,
  changes: [],
  migrations: { applied: [], pending: ['migration-1', 'migration-2'] },
  failingMigrations: false,
  releases: [{ id: 'release-1', version: '1.0.0' }],
  serving: 'release-1',
  environments: {},
  users: { all: 240, affected: 12 },
  notices: [],
  flags: {},
  scaled: [],
  answered: {},
});

/** What a rehearsal can prepare; everything else stays as it is. */
export type ApplicationSeed = Partial<Omit<ApplicationState, 'answered' | 'deployments' | 'reports'>>;

/** Prepares the application of a world. */
export function seedApplication(world: World, seed: ApplicationSeed): void {
  Object.assign(world.state(SYSTEM, initialState), seed);
}

/** What the simulated application says no to. */
export class Refusal {
  constructor(
    readonly status: number,
    readonly message: string,
  ) {}
}

type Handler<V extends ApplicationVerb> = (
  input: z.output<(typeof applicationSchemas)[V]['input']>,
  call: Call<ApplicationState>,
) => z.input<(typeof applicationSchemas)[V]['output']> | Refusal;

/** How some verbs are done. */
export type Handlers<V extends ApplicationVerb> = { readonly [K in V]: Handler<K> };

/** Takes what was prepared for one question; the last one repeats. */
export function nextOf<T>(prepared: T[]): T | undefined {
  return prepared.length > 1 ? prepared.shift() : prepared[0];
}
