import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, isGrpcServiceError } from '@temporalio/client';
import protoPackage from '@temporalio/proto';
import Long from 'long';
import { REHEARSAL_NAMESPACE } from '../workflows/engine/mode.js';

const { temporal } = protoPackage;
const { INDEXED_VALUE_TYPE_KEYWORD: KEYWORD, INDEXED_VALUE_TYPE_BOOL: BOOL } =
  temporal.api.enums.v1.IndexedValueType;

export const LIVE_NAMESPACE = 'default';

/** How long closed runs stay in Temporal; the archive keeps them after that. In days. */
const LIVE_RETENTION_DAYS = 30;
const REHEARSAL_RETENTION_DAYS = 3;
const USABLE_WITHIN_MS = 60_000;
const DAY_SECONDS = 86_400;

/** The typed search attributes of every run (design of the engine: registered at start-up). */
const SEARCH_ATTRIBUTES = {
  RunbookName: KEYWORD,
  RunbookState: KEYWORD,
  Origin: KEYWORD,
  Mode: KEYWORD,
  Org: KEYWORD,
  Severity: KEYWORD,
  AwaitingApproval: BOOL,
} as const;

/** gRPC status codes (https://grpc.io/docs/guides/status-codes/). */
const GRPC = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
};

export interface NamespaceOptions {
  /** Default: `default`. */
  liveNamespace?: string;
  /** false leaves the namespace `rehearsal` alone. */
  rehearsal?: boolean;
}

export function grpcCode(error: unknown): number | undefined {
  return isGrpcServiceError(error) ? error.code : undefined;
}

async function withConnection<T>(
  target: Connection | string,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  if (typeof target !== 'string') return use(target);
  const connection = await Connection.connect({ address: target, connectTimeout: '10s' });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

/** Repeats `ask` while the server says that it is not ready or that we ask too often. */
async function patiently<T>(
  what: string,
  ask: () => Promise<T>,
  alsoWaitFor: readonly number[] = [],
): Promise<T> {
  const deadline = Date.now() + USABLE_WITHIN_MS;
  const wait: number[] = [GRPC.RESOURCE_EXHAUSTED, GRPC.UNAVAILABLE, ...alsoWaitFor];
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!wait.includes(grpcCode(error) ?? -1) || Date.now() > deadline) {
        throw new Error(
          `Temporal: ${what} failed: ${error instanceof Error ? error.message : String(error)}`,
          {
            cause: error,
          },
        );
      }
      await sleep(100);
    }
  }
}

async function register(connection: Connection, namespace: string, retentionDays: number): Promise<void> {
  await patiently(`registering namespace ${namespace}`, async () => {
    try {
      // Asked first: the namespace may exist where we have no right to register one.
      await connection.workflowService.describeNamespace({ namespace });
      return;
    } catch (error) {
      if (grpcCode(error) !== GRPC.NOT_FOUND) throw error;
    }
    try {
      await connection.workflowService.registerNamespace({
        namespace,
        workflowExecutionRetentionPeriod: { seconds: Long.fromNumber(retentionDays * DAY_SECONDS) },
      });
    } catch (error) {
      if (grpcCode(error) !== GRPC.ALREADY_EXISTS) throw error;
    }
  });
}

async function missingAttributes(connection: Connection, namespace: string): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => {
    const found = customAttributes?.[name];
    if (found !== undefined && found !== null && found !== type) {
      throw new Error(
        `Temporal's namespace ${namespace} has a search attribute ${name} of another type. ` +
          `Remove it (temporal operator search-attribute remove --name ${name}) or use another namespace.`,
      );
    }
    return found === type ? [] : [name];
  });
}

async function addAttributes(connection: Connection, namespace: string): Promise<void> {
  await patiently(
    `registering search attributes in ${namespace}`,
    async () => {
      const missing = await missingAttributes(connection, namespace);
      if (missing.length === 0) return;
      const searchAttributes = Object.fromEntries(
        Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => missing.includes(name)),
      );
      try {
        await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
      } catch (error) {
        if (grpcCode(error) !== GRPC.ALREADY_EXISTS) throw error;
      }
    },
    [GRPC.NOT_FOUND],
  );
}

/**
 * A query over every attribute answers only when the frontend knows the namespace and all of them.
 * Quoted, because `Mode` is a keyword of Temporal's query language.
 */
async function waitUntilUsable(connection: Connection, namespace: string): Promise<void> {
  const query = Object.entries(SEARCH_ATTRIBUTES)
    .map(([name, type]) => `\`${name}\` = ${type === BOOL ? 'true' : "'probe'"}`)
    .join(' AND ');
  await patiently(
    `waiting until namespace ${namespace} is usable`,
    () => connection.workflowService.countWorkflowExecutions({ namespace, query }),
    [GRPC.NOT_FOUND, GRPC.INVALID_ARGUMENT],
  );
  // Starting a run is another path than listing: history reads the namespace from a cache of its own.
  const workflowId = 'no-such-run.probe';
  await patiently(
    `waiting until namespace ${namespace} takes runs`,
    () =>
      connection.workflowService
        .terminateWorkflowExecution({ namespace, workflowExecution: { workflowId } })
        .then(
          () => undefined,
          (error: unknown) => {
            const unknownRun =
              grpcCode(error) === GRPC.NOT_FOUND && !/namespace/i.test((error as Error).message);
            if (!unknownRun) throw error;
          },
        ),
    [GRPC.NOT_FOUND],
  );
}

/**
 * Registers the live and the rehearsal namespace with their retention and search attributes, and returns when
 * they are usable. What exists already is left as it is, so it may be called at every start.
 * @throws when the server cannot be reached, refuses, or has an attribute of another type
 */
export async function prepareNamespaces(
  target: Connection | string,
  options: NamespaceOptions = {},
): Promise<void> {
  const { liveNamespace = LIVE_NAMESPACE, rehearsal = true } = options;
  const retention: [string, number][] = [[liveNamespace, LIVE_RETENTION_DAYS]];
  if (rehearsal) retention.push([REHEARSAL_NAMESPACE, REHEARSAL_RETENTION_DAYS]);
  await withConnection(target, (connection) =>
    Promise.all(
      retention.map(async ([namespace, days]) => {
        await register(connection, namespace, days);
        await addAttributes(connection, namespace);
        await waitUntilUsable(connection, namespace);
      }),
    ),
  );
}

/**
 * Whether runs of namespace `rehearsal` can skip time on this server; false when there is no such namespace. Asked about a run that does not exist:
 * a server that can skip says NOT_FOUND, one that cannot says UNIMPLEMENTED.
 */
export async function canSkipTime(
  target: Connection | string,
  namespace = REHEARSAL_NAMESPACE,
): Promise<boolean> {
  const workflowExecution = { workflowId: 'no-such-run.time-skipping-probe' };
  return withConnection(target, async (connection) => {
    const code = async (ask: Promise<unknown>): Promise<number | undefined> =>
      ask.then(
        () => undefined,
        (error: unknown) => {
          const found = grpcCode(error);
          if (found === undefined) throw error;
          return found;
        },
      );
    const service = connection.workflowService;
    if ((await code(service.describeNamespace({ namespace }))) !== undefined) return false;
    const poll = await code(
      service.pollWorkflowExecutionTimeSkipping({ namespace, workflowExecution, fastForwardId: 'probe' }),
    );
    if (poll === GRPC.UNIMPLEMENTED) return false;
    const update = await code(
      service.updateWorkflowExecutionOptions({
        namespace,
        workflowExecution,
        updateMask: { paths: ['time_skipping_config'] },
        workflowExecutionOptions: {
          timeSkippingConfig: {
            enabled: true,
            fastForwardConfig: { id: 'probe', duration: { seconds: Long.fromNumber(1) } },
          },
        },
      }),
    );
    return update === GRPC.NOT_FOUND;
  });
}
