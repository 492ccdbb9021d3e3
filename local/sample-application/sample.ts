import type { SampleDatabase } from './database.js';
import type { Log } from './log.js';
import type { State } from './state.js';
import { load, type Content } from './store.js';

/** The running sample application. */
export interface Sample {
  readonly folder: string;
  readonly log: Log;
  /** By environment. */
  readonly databases: ReadonlyMap<string, SampleDatabase>;
  /** Answers to users that count for the error rate. */
  readonly served: { at: number; failed: boolean }[];
  /** Replaced as a whole, when it is on disk. */
  state: State;
  /** As it was when the application was last deployed. */
  config: Content<'config'>;
}

export const PRODUCTION = 'production';

/** Parts of the application that need nothing to work. */
const SIMPLE = [
  'ai-chat',
  'content-generation',
  'email',
  'embeddings',
  'google-sign-in',
  'payments',
  'sign-in',
  'staging-payments',
];

/** What users do with these is written down somewhere. */
const WRITING = ['content-generation', 'email', 'embeddings', 'orders', 'payments', 'staging-payments'];

export const writes = (part: string): boolean => WRITING.includes(part);

type Check = (sample: Sample, environment: string) => Promise<void> | void;

/** What each health check looks at; a check that is not here fails. */
const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['encrypted-fields', ({ folder }) => void load(folder, 'fields')],
  ['oauth-tokens', ({ folder }) => void load(folder, 'fields')],
  ['stripe-webhooks', ({ folder }) => void load(folder, 'webhooks')],
  ['database', ({ databases }, environment) => databases.get(environment)?.check()],
  ['orders', ({ databases }, environment) => databases.get(environment)?.check()],
  ...SIMPLE.map((name): [string, Check] => [name, () => undefined]),
]);

/** Whether a part of the application works in an environment. */
export async function passes(sample: Sample, check: string, environment = PRODUCTION): Promise<boolean> {
  const { state, config } = sample;
  const elsewhere = environment !== PRODUCTION;
  if (elsewhere && !state.environments.some(({ name }) => name === environment)) return false;
  if (!elsewhere && (state.isolated.includes(check) || config.brokenChecks.includes(check))) return false;
  const look = CHECKS.get(check);
  if (look === undefined) return false;
  try {
    await look(sample, environment);
    return true;
  } catch {
    return false;
  }
}
