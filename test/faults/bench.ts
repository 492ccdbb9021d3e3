import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Client } from '@temporalio/client';
import { vi } from 'vitest';
import { stringify } from 'yaml';
import type { StoredEntry } from '../../activities/ledger/contract.js';
import type { EntryOf, LedgerKind } from '../../activities/ledger/entry.js';
import { readEnvironment } from '../../config/environment.js';
import { catalogueOf, type Catalogue } from '../../triggers/catalogue.js';
import { put } from '../../triggers/inbox.js';
import { deliver } from '../../triggers/relay.js';
import { start } from '../../triggers/start.js';
import { bundleWorkflows, type WorkflowBundle } from '../../worker/bundle.js';
import { openInstallation, type Installation } from '../../worker/installation.js';
import { LOCAL_WORLD } from '../../worker/systems.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { RunStatus } from '../../workflows/engine/types.js';
import type { ChildOptions } from '../helpers/child-worker.js';
import { testInstallation, type TestInstallation } from '../helpers/engine.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHILD = fileURLToPath(new URL('../helpers/child-worker.ts', import.meta.url));
const CHILD_STARTS_WITHIN_MS = 60_000;

// Processes are started and time-outs are waited for, on a machine that may be busy with other test files.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Entries of application.yaml, by verb; may write into the folder. */
export type Ways = (folder: string) => Readonly<Record<string, object>>;

export interface ChildWorker {
  readonly process: ChildProcess;
  /** Everything it has written so far. */
  output(): string;
  /** SIGKILL. Resolves with the signal that ended it, when the process is gone. */
  kill(): Promise<NodeJS.Signals | null>;
}

export interface Code {
  readonly bundle: WorkflowBundle;
  readonly bundleFile: string;
  readonly workflows: string;
  readonly catalogue: Catalogue;
}

export interface Bench {
  readonly test: TestInstallation;
  readonly installation: Installation;
  readonly variables: Readonly<Record<string, string>>;
  readonly folder: string;
  /** A folder of runbooks below test/faults/workflows, bundled; with what else its bundle.ts exports. */
  code(name: 'steps' | 'v1' | 'v2' | 'locks'): Promise<Code>;
  /** Starts a live worker in a process of its own, and returns when it takes work. */
  worker(code: Code, options?: ChildWorkerOptions): Promise<ChildWorker>;
  /** Starts a run as Ada, as every surface does. */
  start(code: Code, runbook: string, input: unknown, client?: Client): Promise<string>;
  entries(run: string): Promise<StoredEntry[]>;
  status(run: string): Promise<RunStatus>;
  person(name: string): Promise<string>;
  /** A decision through inbox and relay. */
  decide(run: string, target: string, by: string, options?: DecideOptions): Promise<string>;
  close(): Promise<void>;
}

export interface ChildWorkerOptions {
  readonly variables?: Readonly<Record<string, string>>;
  /** Modules that are loaded before everything else. */
  readonly preload?: readonly string[];
}

export interface DecideOptions {
  readonly verdict?: 'approve' | 'decline';
  readonly planDigest?: string;
  readonly client?: Client;
}

/** An installation whose application is the simulated one, or as `ways` says. */
export async function openBench(ways: Ways = () => ({})): Promise<Bench> {
  const test = await testInstallation();
  const folder = mkdtempSync(join(tmpdir(), 'runbook-faults-'));
  const variables = { ...test.variables, RUNBOOK_CONFIG_DIR: configFolder(test, folder, ways) };
  const installation = await openInstallation(readEnvironment(variables), 'faults');
  const { pool, ledger, directory, configuration } = installation;
  const children: ChildWorker[] = [];

  const person = async (name: string): Promise<string> => {
    const id = await directory.personByName(name);
    if (id === undefined) throw new Error(`Nobody is called ${name}.`);
    return id;
  };
  const status = (run: string) => test.live.workflow.getHandle(run).query(statusQuery);

  return {
    test,
    installation,
    variables,
    folder,
    person,
    status,
    code: (name) => bundled(name, folder),
    worker: async (code, options = {}) => {
      const child = await startChild(
        test,
        code,
        { ...variables, ...options.variables },
        options.preload ?? [],
      );
      children.push(child);
      return child;
    },
    start: async ({ catalogue }, runbook, input, client = test.live) => {
      const { taskQueue } = test;
      const acceptedAssurances = ['claimed'] as const;
      const result = await start(
        {
          pool,
          ledger,
          client,
          mode: 'live',
          org: 'default',
          catalogue,
          directory,
          configuration,
          acceptedAssurances,
          taskQueue,
        },
        { runbook, input, person: await person('Ada'), assurance: 'claimed', channel: 'cli' },
      );
      if (!result.started) throw new Error(result.sentence);
      return result.run;
    },
    entries: async (run) => await ledger.read({ org: 'default', run }),
    decide: async (run, target, by, { verdict = 'approve', planDigest, client = test.live } = {}) => {
      const { id } = await put(pool, ledger, {
        kind: 'decide',
        ...{
          org: 'default',
          mode: 'live',
          run,
          person: await person(by),
          assurance: 'claimed',
          channel: 'cli',
        },
        ...{ target, verdict, planDigest: planDigest ?? (await status(run)).planDigest ?? undefined },
      });
      await deliver({ pool, ledger, clients: { live: client } }, id);
      return id;
    },
    close: async () => {
      await Promise.all(children.map((child) => child.kill()));
      await installation.close();
      await test.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The shipped configuration, but for the application: that is the simulated one. */
function configFolder({ simulators }: TestInstallation, folder: string, ways: Ways): string {
  const config = join(folder, 'config');
  cpSync(join(ROOT, 'config'), config, { recursive: true, filter: (path) => !path.endsWith('.ts') });
  const base = simulators.url(LOCAL_WORLD, 'application').href;
  const verbs = [
    'health',
    'errorRate',
    'redeploy',
    'searchLogs',
    'fileIncidentReport',
    'acceptBoth',
    'acceptOnly',
    'reencrypt',
    'verifyEncrypted',
  ];
  const http = Object.fromEntries(verbs.map((verb) => [verb, { http: { url: `${base}/verbs/${verb}` } }]));
  writeFileSync(
    join(config, 'application.yaml'),
    stringify({ executables: ['node'], verbs: { ...http, ...ways(folder) } }),
  );
  return config;
}

async function bundled(name: string, folder: string): Promise<Code> {
  const workflows = join(ROOT, 'test', 'faults', 'workflows', name, 'index.ts');
  const withMore = join(ROOT, 'test', 'faults', 'workflows', name, 'bundle.ts');
  const bundle = await bundleWorkflows(existsSync(withMore) ? withMore : workflows);
  const bundleFile = join(folder, `${name}.bundle.js`);
  writeFileSync(bundleFile, bundle.code);
  const exports = (await import(pathToFileURL(workflows).href)) as Record<string, unknown>;
  return { bundle, bundleFile, workflows, catalogue: catalogueOf(exports) };
}

async function startChild(
  { taskQueue, deployment }: TestInstallation,
  { bundleFile, workflows }: Code,
  variables: Readonly<Record<string, string>>,
  preload: readonly string[],
): Promise<ChildWorker> {
  const options: ChildOptions = { taskQueue, deployment, bundleFile, workflows };
  const { PATH = '', HOME = '' } = process.env;
  const imports = ['tsx', ...preload].flatMap((module) => ['--import', module]);
  const child = spawn(process.execPath, [...imports, CHILD, JSON.stringify(options)], {
    cwd: ROOT,
    env: { PATH, HOME, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const ended = once(child, 'exit');
  await vi.waitUntil(() => output.includes('"msg":"worker runs"') || child.exitCode !== null, {
    timeout: CHILD_STARTS_WITHIN_MS,
    interval: 20,
  });
  if (child.exitCode !== null) throw new Error(`The child worker ended by itself:\n${output}`);
  return {
    process: child,
    output: () => output,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
      return child.signalCode;
    },
  };
}

/** Entries of one kind, in the order of their ids. */
export function entriesOf<K extends LedgerKind>(entries: readonly StoredEntry[], kind: K): EntryOf<K>[] {
  return entries.flatMap(({ entry }) => (entry.kind === kind ? [entry as EntryOf<K>] : []));
}
