import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { readEnvironment, type Environment } from '../../config/environment.js';
import { seedWorld } from '../../simulators/presets.js';
import { simulators as allSimulators } from '../../simulators/index.js';
import { startSimulators, type Simulators } from '../../simulators/server.js';
import type { World } from '../../simulators/world.js';
import type { Catalogue } from '../../triggers/catalogue.js';
import { bundleWorkflows, type WorkflowBundle } from '../../worker/bundle.js';
import { dataConverter } from '../../worker/connection.js';
import type { Host } from '../../worker/host.js';
import { openInstallation, type Installation } from '../../worker/installation.js';
import { startLiveWorker } from '../../worker/live.js';
import { RehearsalHost } from '../../worker/rehearsal/index.js';
import { LOCAL_WORLD } from '../../worker/systems.js';
import { openVault } from '../../worker/vault.js';
import { freshDatabase, stack, type TestDatabase } from './stack.js';

export const silent = pino({ level: 'silent' });

/** Once per process, before the first connection. */
export function quietTemporal(): void {
  try {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined), shutdownSignals: [] });
  } catch {
    // Another test file of this process did it.
  }
}

let bundled: Promise<WorkflowBundle> | undefined;
/** The real workflow code, bundled once per process. */
export const workflowBundle = (): Promise<WorkflowBundle> => (bundled ??= bundleWorkflows());

export interface TestInstallation {
  readonly database: TestDatabase;
  readonly environment: Environment;
  /** What a child process needs to be part of this installation. */
  readonly variables: Record<string, string>;
  readonly installation: Installation;
  readonly simulators: Simulators;
  /** The world that live runs act on; every secret of the shipped inventory exists in it. */
  readonly world: World;
  readonly live: Client;
  readonly rehearsal: Client;
  readonly native: NativeConnection;
  /** Task queue of this installation alone. */
  readonly taskQueue: string;
  readonly deployment: string;
  close(): Promise<void>;
}

/** A whole installation on the test run's servers: its own database, simulators, vault key and task queue. */
export async function testInstallation(): Promise<TestInstallation> {
  quietTemporal();
  const { temporalAddress } = stack();
  const database = await freshDatabase();
  const simulators = await startSimulators(allSimulators);
  const folder = mkdtempSync(join(tmpdir(), 'runbook-test-'));
  const keyFile = join(folder, 'vault.key');
  writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
  const variables = {
    DATABASE_URL: database.appUrl,
    AUDIT_DATABASE_URL: database.auditUrl,
    TEMPORAL_ADDRESS: temporalAddress,
    RUNBOOK_LOCAL: '1',
    RUNBOOK_SIMULATORS_URL: `http://127.0.0.1:${simulators.port}`,
    RUNBOOK_DATA_DIR: folder,
    VAULT_KEY_FILE: keyFile,
  };
  const environment = readEnvironment(variables);
  const installation = await openInstallation(environment, 'test');
  const world = simulators.world(LOCAL_WORLD);
  const vault = await openVault(environment, installation.pool);
  await seedWorld(world, vault, installation.configuration.secrets.get());
  const connection = await Connection.connect({ address: temporalAddress });
  const native = await NativeConnection.connect({ address: temporalAddress });
  const client = (namespace: string) => new Client({ connection, namespace, dataConverter: dataConverter() });
  const id = randomBytes(4).toString('hex');
  return {
    database,
    environment,
    variables,
    installation,
    simulators,
    world,
    live: client(stack().liveNamespace),
    rehearsal: client(stack().rehearsalNamespace),
    native,
    taskQueue: `test-${id}`,
    deployment: `test-${id}`,
    close: async () => {
      await native.close();
      await connection.close();
      await installation.close();
      await simulators.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A live worker of an installation, in this process. */
export async function liveWorker(test: TestInstallation, bundle?: WorkflowBundle): Promise<Host> {
  return await startLiveWorker({
    installation: test.installation,
    connection: test.native,
    client: test.live,
    bundle: bundle ?? (await workflowBundle()),
    log: silent,
    taskQueue: test.taskQueue,
    deployment: test.deployment,
  });
}

/** A rehearsal worker of an installation, in this process; with other runbooks when a test brings its own. */
export async function rehearsalHost(
  test: TestInstallation,
  own?: { readonly catalogue: Catalogue; readonly bundle: WorkflowBundle },
): Promise<RehearsalHost> {
  const { rehearsal, native, installation, simulators, environment } = test;
  const { pool, ledger, configuration } = installation;
  return await RehearsalHost.open({
    client: rehearsal,
    connection: native,
    pool,
    ledger,
    org: environment.org,
    configuration,
    catalogue: own?.catalogue ?? installation.catalogue,
    bundle: own?.bundle ?? (await workflowBundle()),
    simulators,
  });
}
