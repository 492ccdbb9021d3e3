import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import { z } from 'zod';
import { canSkipTime, LIVE_NAMESPACE, prepareNamespaces } from './namespaces.js';
import { REHEARSAL_NAMESPACE } from '../workflows/engine/mode.js';
import { areFree, freePorts } from './ports.js';
import { lastLines, startProcess, stopOrphan, type ServerProcess } from './processes.js';
import {
  downloadedCli,
  hasBuiltServer,
  hasDownloadedCli,
  onPath,
  SERVER_VERSION,
  temporalServerBinary,
  WayAbsent,
  WayUnavailable,
} from './temporal-binary.js';
import {
  dynamicConfigFile,
  dynamicConfigFlags,
  SERVER_PORTS,
  serverConfig,
  type Store,
} from './temporal-config.js';
import { preparePostgresStore } from './temporal-store.js';

const START_WITHIN_MS = 60_000;
const PORT_ATTEMPTS = 4;

/** How a Temporal server is come by, in the order in which the ways are tried. */
export const TEMPORAL_WAYS = ['address', 'path', 'download', 'go'] as const;
export type TemporalWay = (typeof TEMPORAL_WAYS)[number];

export interface TemporalOptions {
  /** Folder of this stack; created when missing. Database, log and configuration go there. */
  dataDir: string;
  log: (line: string) => void;
  /** Default: `default`. */
  liveNamespace?: string;
  /** A server that cannot skip time is not good enough. */
  rehearsal: boolean;
  /**
   * `sqlite` (default), or databases `<name>` and `<name>_visibility` on the Postgres server of `adminUrl`;
   * only the server built by Go runs on Postgres.
   */
  persistence?: 'sqlite' | { adminUrl: string; name?: string };
  env?: NodeJS.ProcessEnv;
}

export interface TemporalServer {
  /** host:port */
  address: string;
  way: TemporalWay;
  /** Always true when `rehearsal` was asked for. */
  canSkipTime: boolean;
  /** undefined when the server is not ours (TEMPORAL_ADDRESS). */
  pid: number | undefined;
  logFile: string | undefined;
  /** Returns when the process is gone, which is seconds after its port is closed. */
  stop(): Promise<void>;
  /** SIGKILL; for fault tests. Started again on the same folder, the server listens on the same port. */
  kill(): Promise<void>;
  /** SIGKILL without waiting, so that a `stop()` that is under way ends at once. */
  hurry(): void;
}

interface Context {
  dataDir: string;
  log: (line: string) => void;
  liveNamespace: string;
  rehearsal: boolean;
  persistence: NonNullable<TemporalOptions['persistence']>;
  env: NodeJS.ProcessEnv;
}

/** Which server made the database of this folder: databases of different servers cannot be exchanged. */
const Origin = z.object({
  way: z.enum(['path', 'download', 'go']),
  version: z.string(),
  database: z.string(),
});
type Origin = z.infer<typeof Origin>;

const files = (dataDir: string) => ({
  log: join(dataDir, 'temporal.log'),
  pid: join(dataDir, 'temporal.pid.json'),
  config: join(dataDir, 'temporal.yaml'),
  dynamicConfig: join(dataDir, 'temporal-dynamic.yaml'),
  ports: join(dataDir, 'temporal.ports.json'),
  origin: join(dataDir, 'temporal.origin.json'),
});

function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return schema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** The ports of the last time, so that workers find a restarted server again; new ones when those are taken. */
async function choosePorts(dataDir: string, count: number): Promise<number[]> {
  const used = readJson(files(dataDir).ports, z.array(z.number().int()));
  return used?.length === count && (await areFree(used)) ? used : freePorts(count);
}

async function answers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: '2s' });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}

async function waitForAnswer(server: ServerProcess, address: string): Promise<void> {
  const deadline = Date.now() + START_WITHIN_MS;
  while (!(await answers(address))) {
    if (!server.running())
      throw new Error(`Temporal ended while starting (${server.logFile}):\n${lastLines(server.logFile)}`);
    if (Date.now() > deadline) {
      throw new Error(
        `Temporal does not answer at ${address} (${server.logFile}):\n${lastLines(server.logFile)}`,
      );
    }
    await sleep(50);
  }
}

interface Launch {
  command: string;
  ports: number;
  args: (ports: readonly number[]) => string[];
}

async function launch(context: Context, way: TemporalWay, what: Launch): Promise<TemporalServer> {
  const { dataDir, log } = context;
  const { pid: pidFile, log: logFile, ports: portsFile } = files(dataDir);
  for (let attempt = 1; ; attempt++) {
    const ports = await choosePorts(dataDir, what.ports);
    const address = `127.0.0.1:${ports[0] ?? 0}`;
    const server = await startProcess({
      name: 'Temporal',
      command: what.command,
      args: what.args(ports),
      cwd: dataDir,
      env: { PATH: context.env['PATH'], HOME: context.env['HOME'], TMPDIR: context.env['TMPDIR'] },
      logFile,
      pidFile,
      stopSignal: 'SIGTERM',
    });
    try {
      await waitForAnswer(server, address);
      await prepareNamespaces(address, {
        liveNamespace: context.liveNamespace,
        rehearsal: context.rehearsal,
      });
      const skips = await canSkipTime(address, REHEARSAL_NAMESPACE);
      if (context.rehearsal && !skips)
        throw new WayUnavailable('its server is too old to skip time, which rehearsals need');
      writeFileSync(portsFile, JSON.stringify(ports));
      log(`Temporal: listens on ${address}`);
      return {
        address,
        way,
        canSkipTime: skips,
        pid: server.pid,
        logFile,
        stop: () => server.stop(),
        kill: () => server.kill(),
        hurry: () => {
          server.hurry();
        },
      };
    } catch (error) {
      await (error instanceof WayUnavailable ? server.kill() : server.stop());
      const portTaken = /address already in use/i.test((error as Error).message);
      if (!portTaken || attempt === PORT_ATTEMPTS) throw error;
      log('Temporal: somebody took one of its ports; trying others');
    }
  }
}

/** Says loudly when another server than before is used: its runs are not visible to this one. */
function recordOrigin(context: Context, origin: Origin): void {
  const file = files(context.dataDir).origin;
  const before = readJson(file, Origin);
  if (
    before !== undefined &&
    before.database !== origin.database &&
    existsSync(join(context.dataDir, before.database))
  ) {
    context.log(
      `Temporal: WARNING: the runs of before were kept by another server (${before.way}, ${before.version}) in ` +
        `${join(context.dataDir, before.database)}; this server cannot read them. The file is left as it is.`,
    );
  }
  writeFileSync(file, JSON.stringify(origin));
}

function cliVersion(command: string, env: NodeJS.ProcessEnv): string {
  const answer = spawnSync(command, ['--version'], { env, encoding: 'utf8', timeout: 20_000 });
  const version = /Server (\d+\.\d+\.\d+)/i.exec(answer.stdout ?? '')?.[1];
  if (version === undefined)
    throw new WayUnavailable(`${command} is not the Temporal CLI (\`--version\` names no server)`);
  return version;
}

async function startCli(
  context: Context,
  way: 'path' | 'download',
  command: string,
): Promise<TemporalServer> {
  if (context.persistence !== 'sqlite') throw new WayUnavailable("the CLI's server does not run on Postgres");
  const version = cliVersion(command, context.env);
  const database = `temporal-cli-${version}.sqlite`;
  const server = await launch(context, way, {
    command,
    ports: 2,
    args: ([port, http]) => [
      ...[
        'server',
        'start-dev',
        '--headless',
        '--ip',
        '127.0.0.1',
        '--port',
        String(port),
        '--http-port',
        String(http),
      ],
      ...['--db-filename', database, '--log-format', 'json', '--log-level', 'warn'],
      ...dynamicConfigFlags(context.rehearsal),
    ],
  });
  recordOrigin(context, { way, version, database });
  return server;
}

async function storeOf({ persistence, env, log }: Context): Promise<{ store: Store; database: string }> {
  if (persistence === 'sqlite') {
    // Relative to the working folder: the server puts the name into a URI, where a path may break.
    const database = 'temporal.sqlite';
    return { store: { kind: 'sqlite', file: database }, database };
  }
  const store = await preparePostgresStore(persistence.adminUrl, persistence.name ?? 'temporal', env, log);
  return { store: { kind: 'postgres', ...store }, database: `postgres/${store.database}` };
}

async function startGoServer(context: Context): Promise<TemporalServer> {
  const { dataDir, env, log } = context;
  const command = await temporalServerBinary(env, log);
  const { store, database } = await storeOf(context);
  const { config, dynamicConfig } = files(dataDir);
  writeFileSync(dynamicConfig, stringify(dynamicConfigFile()), { mode: 0o600 });
  const server = await launch(context, 'go', {
    command,
    ports: SERVER_PORTS,
    args: (ports) => {
      writeFileSync(config, stringify(serverConfig(store, ports, dynamicConfig)), { mode: 0o600 });
      return ['--config-file', config, '--allow-no-auth', 'start'];
    },
  });
  recordOrigin(context, { way: 'go', version: SERVER_VERSION, database });
  return server;
}

async function useAddress(context: Context, address: string): Promise<TemporalServer> {
  const { log, rehearsal, liveNamespace } = context;
  try {
    const connection = await Connection.connect({ address, connectTimeout: '10s' });
    await connection.close();
  } catch (error) {
    throw new Error(
      `TEMPORAL_ADDRESS is ${address}, but no Temporal server answers there: ${(error as Error).message}. ` +
        'Start that server or correct the address; unset TEMPORAL_ADDRESS to have a local server started.',
      { cause: error },
    );
  }
  await prepareNamespaces(address, { liveNamespace, rehearsal });
  const skips = await canSkipTime(address);
  if (rehearsal && !skips) {
    throw new Error(
      `TEMPORAL_ADDRESS is ${address}, and that server cannot skip time in namespace ${REHEARSAL_NAMESPACE}, which rehearsals need. ` +
        'Install Temporal server 1.32 or newer there and set the dynamic configuration frontend.WorkflowTimeSkippingEnabled ' +
        `to true for namespace ${REHEARSAL_NAMESPACE}; or unset TEMPORAL_ADDRESS to have a local server started.`,
    );
  }
  log(`Temporal: the server of TEMPORAL_ADDRESS (${address})`);
  const nothing = (): Promise<void> => Promise.resolve();
  return {
    address,
    way: 'address',
    canSkipTime: skips,
    pid: undefined,
    logFile: undefined,
    stop: nothing,
    kill: nothing,
    hurry: () => undefined,
  };
}

async function startWay(context: Context, way: OwnWay): Promise<TemporalServer> {
  switch (way) {
    case 'path': {
      const command = onPath('temporal', context.env);
      if (command === undefined) throw new WayAbsent('there is no `temporal` on the PATH');
      return startCli(context, 'path', command);
    }
    case 'download': {
      if (context.persistence !== 'sqlite')
        throw new WayUnavailable("the CLI's server does not run on Postgres");
      return startCli(context, 'download', await downloadedCli(context.env, context.log));
    }
    case 'go':
      return startGoServer(context);
    default:
      return way satisfies never;
  }
}

type OwnWay = Exclude<TemporalWay, 'address'>;

/**
 * The server that made this folder's database goes first. Then what is on this machine already goes before what
 * has to be fetched: without internet a download takes seconds to fail, at every start.
 */
function order(env: NodeJS.ProcessEnv, origin: Origin | undefined): OwnWay[] {
  const goFirst = hasBuiltServer(env) && !hasDownloadedCli(env);
  const ways: OwnWay[] = [
    'path',
    ...(goFirst ? (['go', 'download'] as const) : (['download', 'go'] as const)),
  ];
  return origin === undefined ? ways : [origin.way, ...ways.filter((way) => way !== origin.way)];
}

const WAY_NAMES: Readonly<Record<OwnWay, string>> = {
  path: '`temporal` on the PATH',
  download: 'download of the Temporal CLI',
  go: 'server built by Go',
};

/**
 * Uses the server of TEMPORAL_ADDRESS, or starts one: the `temporal` CLI on the PATH, the CLI by the SDK's
 * download, or the official server built by Go. Its namespaces and search attributes are usable on return.
 * @throws one error that names every way and why it did not work
 */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  const dataDir = resolve(options.dataDir);
  const context: Context = {
    dataDir,
    log: options.log,
    liveNamespace: options.liveNamespace ?? LIVE_NAMESPACE,
    rehearsal: options.rehearsal,
    persistence: options.persistence ?? 'sqlite',
    env: options.env ?? process.env,
  };
  const address = context.env['TEMPORAL_ADDRESS'];
  if (address !== undefined && address !== '') return useAddress(context, address);

  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const orphan = await stopOrphan(files(dataDir).pid);
  if (orphan !== undefined)
    context.log(`Temporal: stopped the one a killed process had left (pid ${orphan})`);

  const reasons: string[] = [];
  const origin = readJson(files(dataDir).origin, Origin);
  for (const way of order(context.env, origin)) {
    try {
      return await startWay(context, way);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // Another server would start with an empty database, and runs that wait in this one would seem lost.
      if (way === origin?.way && !(error instanceof WayUnavailable)) {
        throw new Error(`The Temporal server that keeps the runs of ${dataDir} does not start. ${reason}`, {
          cause: error,
        });
      }
      reasons.push(`${WAY_NAMES[way]}: ${reason}`);
      if (!(error instanceof WayAbsent)) context.log(`Temporal: not by ${WAY_NAMES[way]}: ${reason}`);
    }
  }
  throw new Error(
    `No Temporal server${context.rehearsal ? ' that can skip time' : ''} could be started.\n` +
      reasons.map((reason) => `  - ${reason}\n`).join('') +
      'Do one of these: set TEMPORAL_ADDRESS to a running server (1.32 or newer for rehearsals); install the Temporal CLI ' +
      '1.9 or newer (https://docs.temporal.io/cli); allow access to https://temporal.download; or install Go 1.26.8 or newer.',
  );
}
