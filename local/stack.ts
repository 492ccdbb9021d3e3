import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { tryLock } from './lock.js';
import { LIVE_NAMESPACE } from './namespaces.js';
import { REHEARSAL_NAMESPACE } from '../workflows/engine/mode.js';
import { removeDataFolder, startPostgres, type PostgresServer } from './postgres.js';
import { isSameProcess, self } from './processes.js';
import { startTemporal, type TemporalOptions, type TemporalServer } from './temporal.js';

const CHECKOUT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const STACK_FILE = 'stack.json';

/** Folder of a local stack below `.data/` of the checkout: `service` (npm start), `demo`, `test-<pid>`. */
export function dataFolder(name: string): string {
  return join(CHECKOUT, '.data', name);
}

export interface StackOptions {
  dataDir: string;
  /** true: only a Temporal server that can skip time will do. */
  rehearsal: boolean;
  log?: (line: string) => void;
  /** Default: `default`. */
  liveNamespace?: string;
  /** false turns Postgres' fsync off; for tests only. */
  durable?: boolean;
  persistence?: TemporalOptions['persistence'];
  /** Writes `<dataDir>/stack.json`, by which the CLI finds this stack. */
  publish?: boolean;
  /** Goes into stack.json beside the addresses, e.g. the URL of the triggers. */
  extra?: Record<string, string>;
  env?: NodeJS.ProcessEnv;
}

export interface Stack {
  dataDir: string;
  /** Superuser's URL: for migrations only. */
  adminUrl: string;
  /** host:port */
  temporalAddress: string;
  liveNamespace: string;
  rehearsalNamespace: string;
  canSkipTime: boolean;
  postgres: PostgresServer;
  temporal: TemporalServer;
  /** Adds to stack.json what is known only later. Needs `publish`. */
  publish(extra: Record<string, string>): void;
  /** Stops both servers and returns when their processes are gone. May be called more than once. */
  stop(): Promise<void>;
  /** For a second Ctrl-C: makes a `stop()` that is under way end at once. Nothing committed is lost. */
  hurry(): void;
  /** Stops, and removes the data. */
  destroy(): Promise<void>;
}

const StackFile = z.object({
  pid: z.number().int(),
  started: z.string(),
  adminUrl: z.string(),
  temporalAddress: z.string(),
  liveNamespace: z.string(),
  rehearsalNamespace: z.string(),
  canSkipTime: z.boolean(),
  postgresPid: z.number().int().optional(),
  temporalPid: z.number().int().optional(),
  extra: z.record(z.string(), z.string()),
});
export type StackFile = z.infer<typeof StackFile>;

/** What a running stack has published, or undefined when none runs on that folder. */
export function readStackFile(dataDir: string): StackFile | undefined {
  let text: string;
  try {
    text = readFileSync(join(dataDir, STACK_FILE), 'utf8');
  } catch {
    return undefined;
  }
  try {
    const parsed = StackFile.safeParse(JSON.parse(text));
    return parsed.success && isSameProcess(parsed.data) ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Both at once; when one fails, the other is stopped before the error goes on. */
async function startBoth(
  options: StackOptions,
  log: (line: string) => void,
): Promise<[PostgresServer, TemporalServer]> {
  const { dataDir, rehearsal, durable, liveNamespace, persistence, env } = options;
  const [postgres, temporal] = await Promise.allSettled([
    startPostgres({
      dataDir,
      log,
      ...(durable === undefined ? {} : { durable }),
      ...(env === undefined ? {} : { env }),
    }),
    startTemporal({
      dataDir,
      log,
      rehearsal,
      ...(liveNamespace === undefined ? {} : { liveNamespace }),
      ...(persistence === undefined ? {} : { persistence }),
      ...(env === undefined ? {} : { env }),
    }),
  ]);
  if (postgres.status === 'fulfilled' && temporal.status === 'fulfilled')
    return [postgres.value, temporal.value];
  const started = [postgres, temporal].flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  );
  await Promise.all(started.map((server) => server.stop()));
  const failed = [postgres, temporal].flatMap((result) =>
    result.status === 'rejected' ? [result.reason as Error] : [],
  );
  throw new Error(failed.map((error) => error.message).join('\n'), { cause: failed[0] });
}

/**
 * Starts Postgres and Temporal on a data folder and keeps its data from one start to the next.
 * @throws when another process runs a stack on that folder, or when a server cannot be started
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const log = options.log ?? (() => undefined);
  const dataDir = resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const lock = tryLock(join(dataDir, 'stack.lock'));
  if (!lock.held) {
    throw new Error(
      `The local stack of ${dataDir} already runs, in process ${lock.by.pid}. ` +
        `Use it, or stop it first (Ctrl-C in its terminal, or: kill ${lock.by.pid}).`,
    );
  }
  const release = (): void => {
    process.off('exit', release);
    lock.release();
  };
  process.once('exit', release);
  let servers: [PostgresServer, TemporalServer];
  try {
    servers = await startBoth({ ...options, dataDir }, log);
  } catch (error) {
    release();
    throw error;
  }
  const [postgres, temporal] = servers;
  const file = join(dataDir, STACK_FILE);
  const liveNamespace = options.liveNamespace ?? LIVE_NAMESPACE;
  let extra = options.extra ?? {};

  const publish = (more: Record<string, string>): void => {
    extra = { ...extra, ...more };
    const content: StackFile = {
      ...self(),
      adminUrl: postgres.adminUrl,
      temporalAddress: temporal.address,
      liveNamespace,
      rehearsalNamespace: REHEARSAL_NAMESPACE,
      canSkipTime: temporal.canSkipTime,
      ...(postgres.pid === undefined ? {} : { postgresPid: postgres.pid }),
      ...(temporal.pid === undefined ? {} : { temporalPid: temporal.pid }),
      extra,
    };
    rmSync(file, { force: true });
    writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  };
  if (options.publish === true) publish({});

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      rmSync(file, { force: true });
      try {
        // Temporal first: with its store on this Postgres it still writes while it ends.
        await temporal.stop();
      } finally {
        await postgres.stop();
        release();
      }
    })());

  return {
    dataDir,
    adminUrl: postgres.adminUrl,
    temporalAddress: temporal.address,
    liveNamespace,
    rehearsalNamespace: REHEARSAL_NAMESPACE,
    canSkipTime: temporal.canSkipTime,
    postgres,
    temporal,
    publish,
    stop,
    hurry() {
      temporal.hurry();
      postgres.hurry();
    },
    async destroy() {
      await stop();
      removeDataFolder(dataDir);
    },
  };
}
