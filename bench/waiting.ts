import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadVaultKeys } from '../activities/vault/keys.js';
import { postgresVault } from '../activities/vault/postgres.js';
import { seedWorld } from '../simulators/presets.js';
import { catalogueOf } from '../triggers/catalogue.js';
import * as workflows from '../workflows/index.js';
import { startRun, WORLD } from './engine-worker.js';
import { metric, type Result } from './report.js';
import { CONFIG_DIRECTORY, type BenchStack } from './stack.js';
import { inTurn } from './statistics.js';
import type { ChildMessage, ChildQuestion, ChildSettings } from './waiting-child.js';

/** Each takes a minute or two, so there are few; the growth of memory varies little. */
const PAIRS = 3;
const RUNS = 1_000;
/** Parked before the first look, so that what a worker takes once is not counted. */
const FIRST = 100;
const AT_ONCE = 32;
const PARKED_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 250;
/** Asks at a gate after two steps, because a check of the application fails. */
const INPUT = { secret: 'resend/api-key', reason: 'Benchmark of waiting runs' };
const FAILING = { failingChecks: [['email']] };

interface Side {
  readonly name: ChildSettings['side'];
  start(taskQueue: string): Promise<unknown>;
  parked(child: Child, taskQueue: string): Promise<number>;
}

/** P10: memory of a worker with runs that wait for an approval. */
export async function waiting(stack: BenchStack, progress: (line: string) => void): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'runbook-bench-'));
  try {
    const vaultKeyFile = join(folder, 'vault.key');
    writeFileSync(vaultKeyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
    const { pool, simulators, configuration } = stack;
    const keys = await loadVaultKeys({ keyFile: vaultKeyFile });
    const vault = postgresVault({ pool, org: 'default', keys });
    await seedWorld(simulators.world(WORLD), vault, configuration.secrets.get(), FAILING);
    const grown = (side: Side) => growth(stack, side, vaultKeyFile);
    const pairs = await inTurn(
      PAIRS,
      () => grown(ours(stack)),
      () => grown(bare(stack)),
      (pair, a, b) => progress(`pair ${pair}: ${mb(a)} / ${mb(b)} MB = ${(a / b).toFixed(3)}`),
      0,
    );
    return {
      name: 'waiting',
      metrics: [
        metric(
          `memory of ${RUNS} runs at a gate / ${RUNS} bare workflows`,
          'x',
          pairs.map((pair) => pair.ours / pair.peer),
          { atMost: 1.25 },
        ),
        metric(
          `${RUNS} runs at a gate`,
          'GB',
          pairs.map((pair) => pair.ours / 1e9),
          { atMost: 1 },
        ),
        metric(
          `${RUNS} bare workflows`,
          'GB',
          pairs.map((pair) => pair.peer / 1e9),
        ),
      ],
      assertions: [],
      notes: [
        `Growth of the resident set of a worker's process between ${FIRST} and ${FIRST + RUNS} cached runs, after garbage collection.`,
        `${PAIRS} pairs instead of 12: each takes minutes. None is dropped: every measurement has a fresh process.`,
        'The runs are real secret rotations that ask, after two steps, whether to go on although a check fails.',
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ours({ live, pool, ledger, configuration }: BenchStack): Side {
  const services = { client: live, pool, ledger, configuration, catalogue: catalogueOf(workflows) };
  return {
    name: 'ours',
    start: (taskQueue) => startRun(services, { taskQueue, runbook: 'secretRotation', input: INPUT }),
    parked: async (_child, taskQueue) =>
      (await live.workflow.count(`TaskQueue = "${taskQueue}" AND AwaitingApproval = true`)).count,
  };
}

function bare({ live }: BenchStack): Side {
  return {
    name: 'bare',
    start: (taskQueue) =>
      live.workflow.start('bareWait', { taskQueue, workflowId: `bare.${randomBytes(6).toString('hex')}` }),
    parked: async (child) => {
      const reply = await child.ask('cached');
      return 'cached' in reply ? reply.cached : 0;
    },
  };
}

/** Bytes by which a worker's process grows from `FIRST` waiting runs to `RUNS` more. */
async function growth(stack: BenchStack, side: Side, vaultKeyFile: string): Promise<number> {
  const child = new Child();
  try {
    const taskQueue = await child.start({
      side: side.name,
      temporalAddress: stack.temporalAddress,
      appUrl: stack.appUrl,
      simulatorsUrl: `http://127.0.0.1:${stack.simulators.port}`,
      configDirectory: CONFIG_DIRECTORY,
      vaultKeyFile,
      maxCachedWorkflows: 2 * (FIRST + RUNS),
    });
    await park(side, child, taskQueue, FIRST, FIRST);
    const before = await child.rss();
    await park(side, child, taskQueue, RUNS, FIRST + RUNS);
    return (await child.rss()) - before;
  } finally {
    await child.stop();
  }
}

async function park(side: Side, child: Child, taskQueue: string, more: number, all: number): Promise<void> {
  let started = 0;
  const starter = async (): Promise<void> => {
    while (started < more) {
      started += 1;
      await side.start(taskQueue);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, starter));
  const giveUpAt = Date.now() + PARKED_WITHIN_MS;
  for (let parked = 0; parked < all; parked = await side.parked(child, taskQueue).catch(() => 0)) {
    if (Date.now() > giveUpAt)
      throw new Error(`Only ${parked} of ${all} runs wait after ${PARKED_WITHIN_MS / 1_000} s.`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** The process of one worker. */
class Child {
  private readonly process: ChildProcess = fork(fileURLToPath(new URL('waiting-child.ts', import.meta.url)), {
    execArgv: ['--expose-gc', '--import', 'tsx'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });

  /** @returns its task queue */
  async start(settings: ChildSettings): Promise<string> {
    const reply = await this.exchange(settings);
    if (!('taskQueue' in reply)) throw new Error("The worker's process did not say its task queue.");
    return reply.taskQueue;
  }

  async rss(): Promise<number> {
    const reply = await this.ask('rss');
    if (!('rss' in reply)) throw new Error("The worker's process did not say its memory.");
    return reply.rss;
  }

  ask(question: ChildQuestion): Promise<ChildMessage> {
    return this.exchange(question);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }

  private async exchange(message: ChildSettings | ChildQuestion): Promise<ChildMessage> {
    const reply = new Promise<ChildMessage>((resolve, reject) => {
      const exited = (): void => reject(new Error("The worker's process ended by itself."));
      this.process.once('exit', exited);
      this.process.once('message', (answer) => {
        this.process.off('exit', exited);
        resolve(answer as ChildMessage);
      });
    });
    this.process.send(message);
    const answer = await reply;
    if ('failed' in answer) throw new Error(`The worker's process failed: ${answer.failed}`);
    return answer;
  }
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
