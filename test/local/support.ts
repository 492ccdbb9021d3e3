import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { z } from 'zod';
import { cacheFolder } from '../../local/temporal-binary.js';
import { processId } from '../../local/processes.js';
import { removeDataFolder } from '../../local/postgres.js';
import { dataFolder } from '../../local/stack.js';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

const cleanUps: (() => unknown)[] = [];
/** Done after the test, last one first, also when the test fails. */
export function afterwards(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

let folders = 0;
/** A data folder below `.data/`, removed after the test. */
export function freshDataFolder(): string {
  const folder = dataFolder(`test-${process.pid}-${Date.now()}-${++folders}`);
  afterwards(() => {
    removeDataFolder(folder);
  });
  return folder;
}

/** Our environment without what would choose the servers for us. */
export function plainEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const env = { ...process.env, ...more };
  for (const name of ['TEMPORAL_ADDRESS', 'DATABASE_ADMIN_URL'])
    if (more[name] === undefined) delete env[name];
  return env;
}

/** A folder for the PATH that holds exactly these programs: name to file, or to the text of a script. */
export function pathWith(folder: string, programs: Record<string, string | { script: string }>): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, program] of Object.entries(programs)) {
    const file = join(bin, name);
    rmSync(file, { force: true });
    if (typeof program === 'string') symlinkSync(program, file);
    else writeFileSync(file, program.script, { mode: 0o755 });
  }
  return bin;
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** CLI of before time skipping (server 1.29), kept in the cache like our own builds. */
export const OLD_CLI = join(cacheFolder({ HOME: homedir(), ...process.env }), 'temporal-cli-v1.5.1');

export function isAlive(pid: number): boolean {
  return processId(pid) !== undefined;
}

const Announcement = z.object({
  adminUrl: z.string(),
  temporalAddress: z.string(),
  postgresPid: z.number(),
  temporalPid: z.number(),
});

export interface StackProcess extends z.infer<typeof Announcement> {
  child: ChildProcess;
  exited: Promise<number | null>;
}

/** A process of its own that runs a stack, killed after the test when it still runs. */
export async function runStack(dataDir: string): Promise<StackProcess> {
  const script = fileURLToPath(new URL('fixtures/run-stack.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, dataDir], {
    cwd: CHECKOUT,
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  afterwards(() => child.kill('SIGKILL'));
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const line = await new Promise<string>((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('\n')) resolve(output);
    });
    exited.then(() => {
      reject(new Error(errors));
    }, reject);
  });
  return { ...Announcement.parse(JSON.parse(line)), child, exited };
}
