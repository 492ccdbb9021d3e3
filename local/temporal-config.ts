import { REHEARSAL_NAMESPACE } from '../workflows/engine/mode.js';

/** A fixed property of a database; few shards start fast and are plenty for one machine. */
const HISTORY_SHARDS = 4;

/**
 * Dynamic configuration of the local server.
 * The poll limits are 20 per second and shard by default: 48 timers and 48 activities took 10.8 s, with these
 * values 1.2 s. The time shift of 1 s would be waited at every timer that is skipped.
 */
const SETTINGS: Readonly<Record<string, boolean | number | string>> = {
  'history.timerProcessorMaxPollRPS': 1000,
  'history.transferProcessorMaxPollRPS': 1000,
  'history.visibilityProcessorMaxPollRPS': 1000,
  'history.timerProcessorMaxTimeShift': '20ms',
  'system.namespaceCacheRefreshInterval': '250ms',
  'frontend.namespaceRPS.namespaceReplicationInducingAPIs': 100,
  'frontend.globalNamespaceRPS.namespaceReplicationInducingAPIs': 1000,
  'frontend.namespaceRPS.visibility': 1000,
  'frontend.namespaceRPS': 20_000,
  'frontend.namespaceCount': 20_000,
  'frontend.enableServerVersionCheck': false,
  'frontend.WorkflowTimeSkippingMaxSkipPerSession': 10_000,
};

const TIME_SKIPPING = 'frontend.WorkflowTimeSkippingEnabled';

/** The file format of `dynamicConfigClient.filepath`: time can be skipped in namespace `rehearsal` only. */
export function dynamicConfigFile(): Record<string, unknown> {
  return {
    ...Object.fromEntries(Object.entries(SETTINGS).map(([name, value]) => [name, [{ value }]])),
    [TIME_SKIPPING]: [{ value: true, constraints: { namespace: REHEARSAL_NAMESPACE } }],
  };
}

/** Flags of `temporal server start-dev`, which knows no constraints. */
export function dynamicConfigFlags(rehearsal: boolean): string[] {
  const values = { ...SETTINGS, ...(rehearsal ? { [TIME_SKIPPING]: true } : {}) };
  return Object.entries(values).flatMap(([name, value]) => [
    '--dynamic-config-value',
    `${name}=${JSON.stringify(value)}`,
  ]);
}

export interface PostgresStore {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  visibilityDatabase: string;
}

export type Store = { kind: 'sqlite'; file: string } | ({ kind: 'postgres' } & PostgresStore);

/** Ports the server needs: gRPC and membership of its four services. */
export const SERVER_PORTS = 8;
const SERVICES = ['frontend', 'history', 'matching', 'worker'] as const;

function datastores(store: Store): Record<string, unknown> {
  switch (store.kind) {
    case 'sqlite': {
      const sql = {
        pluginName: 'sqlite',
        databaseName: store.file,
        connectAddr: 'localhost',
        connectProtocol: 'tcp',
        connectAttributes: { mode: 'rwc', setup: 'true', journal_mode: 'wal', synchronous: '2' },
        maxConns: 1,
        maxIdleConns: 1,
      };
      return { default: { sql }, visibility: { sql } };
    }
    case 'postgres': {
      const sql = (databaseName: string): Record<string, unknown> => ({
        pluginName: 'postgres12',
        databaseName,
        connectAddr: `${store.host}:${store.port}`,
        connectProtocol: 'tcp',
        user: store.user,
        password: store.password,
        maxConns: 20,
        maxIdleConns: 20,
      });
      return { default: { sql: sql(store.database) }, visibility: { sql: sql(store.visibilityDatabase) } };
    }
    default:
      return store satisfies never;
  }
}

/** Configuration of `temporal-server` 1.32 on one machine, loopback only. `ports`: SERVER_PORTS different ones. */
export function serverConfig(
  store: Store,
  ports: readonly number[],
  dynamicConfig: string,
): Record<string, unknown> {
  if (ports.length !== SERVER_PORTS)
    throw new Error(`The Temporal server needs ${SERVER_PORTS} ports, not ${ports.length}.`);
  const frontend = `127.0.0.1:${ports[0] ?? 0}`;
  return {
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: HISTORY_SHARDS,
      datastores: datastores(store),
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: '127.0.0.1' } },
    services: Object.fromEntries(
      SERVICES.map((service, index) => [
        service,
        { rpc: { grpcPort: ports[2 * index], membershipPort: ports[2 * index + 1], bindOnIP: '127.0.0.1' } },
      ]),
    ),
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: { enabled: true, initialFailoverVersion: 1, rpcName: 'frontend', rpcAddress: frontend },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    archival: { history: { state: 'disabled' }, visibility: { state: 'disabled' } },
    namespaceDefaults: { archival: { history: { state: 'disabled' }, visibility: { state: 'disabled' } } },
    publicClient: { hostPort: frontend },
    dynamicConfigClient: { filepath: dynamicConfig, pollInterval: '10s' },
  };
}
