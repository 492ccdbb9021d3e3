import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import proto from '@temporalio/proto';
import { ApplicationFailure } from '@temporalio/common';
import type { Notice, RunIdentity } from '../../activities/engine/contract.js';
import type { Vault } from '../../activities/vault/contract.js';
import { rootOf } from '../../triggers/run-id.js';
import type { Session } from '../../worker/rehearsal/session.js';
import type { TestInstallation } from './engine.js';
import type { RehearsalChildOptions } from './rehearsal-child.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHILD = fileURLToPath(new URL('rehearsal-child.ts', import.meta.url));
const { PENDING_ACTIVITY_STATE_STARTED } = proto.temporal.api.enums.v1.PendingActivityState;

/** Between two steps: right before one acts, or after it has acted and before anybody was told. */
export interface Boundary {
  readonly run: string;
  readonly step: string;
  readonly activity: string;
  readonly point: 'before' | 'after';
}

/** What the parent keeps of a rehearsal while its workers come and go. */
export interface Rehearsed {
  readonly session: Session;
  readonly vault: Vault;
}

export interface Kill {
  /** Signal that ended the process. */
  readonly signal: NodeJS.Signals | null;
  /** Steps that were held there. */
  readonly at: readonly Boundary[];
}

/**
 * Rehearsals whose worker is a process that is killed again and again: whenever each open rehearsal has come to a
 * boundary at which no worker was killed yet. World, vault and scripted people stay in this process.
 */
export class Killer {
  readonly kills: Kill[] = [];
  private readonly rehearsals = new Map<string, Rehearsed>();
  private readonly seen = new Map<string, string[]>();
  private readonly struck = new Set<string>();
  private readonly held = new Map<string, Boundary>();
  private readonly runs = new Set<string>();
  private readonly told = new Map<string, Promise<void>>();
  private readonly children = new Set<ChildProcess>();
  private look: () => void = () => undefined;

  private constructor(
    private readonly test: TestInstallation,
    private readonly server: Server,
    private readonly options: RehearsalChildOptions,
    /** The first steps of each verb of a run; a monitor repeats its step for a day. */
    private readonly ofEachVerb: number,
  ) {}

  /** Serves what the workers ask of this process. */
  static async open(
    test: TestInstallation,
    { bundleFile, ofEachVerb }: { bundleFile: string; ofEachVerb: number },
  ): Promise<Killer> {
    const opened: { killer?: Killer } = {};
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        const answer = opened.killer?.answer(request.url ?? '', JSON.parse(body)) ?? Promise.resolve();
        answer.then(
          (value) => response.end(JSON.stringify({ value })),
          (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
        );
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const options = {
      taskQueue: `killed-${test.taskQueue}`,
      bundleFile,
      parent: `http://127.0.0.1:${port}`,
    };
    return (opened.killer = new Killer(test, server, options, ofEachVerb));
  }

  get taskQueue(): string {
    return this.options.taskQueue;
  }

  /** Has the worker of this rehearsal killed until `ended` is called with its run. */
  add(run: string, rehearsed: Rehearsed): void {
    this.rehearsals.set(run, rehearsed);
    this.runs.add(run);
  }

  ended(run: string): void {
    this.rehearsals.delete(run);
    this.look();
  }

  /** Starts workers and kills them until every rehearsal has ended. */
  async drive(): Promise<void> {
    let next = this.spawn();
    while (this.rehearsals.size > 0) {
      const worker = await next;
      worker.stdin?.write('go\n');
      next = this.spawn();
      next.catch(() => undefined);
      await this.everybodyIsHeld(worker);
      if (this.rehearsals.size === 0) break;
      await this.kill(worker);
    }
    await next;
  }

  async close(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async spawn(): Promise<ChildProcess> {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, ['--import', 'tsx', CHILD, JSON.stringify(this.options)], {
      cwd: ROOT,
      env: { PATH, HOME, ...this.test.variables },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.children.add(child);
    let output = '';
    let onOutput: () => void = () => undefined;
    const ready = new Promise<void>((resolve, reject) => {
      onOutput = () => output.includes('ready\n') && resolve();
      child.once('exit', () => reject(new Error(`The worker ended by itself:\n${output}`)));
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        onOutput();
      });
    }
    await ready;
    return child;
  }

  private async everybodyIsHeld(worker: ChildProcess): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const died = (): void => reject(new Error('The worker ended by itself.'));
      worker.once('exit', died);
      this.look = () => {
        const waiting = new Set([...this.held.values()].map(({ run }) => rootOf(run)));
        if (![...this.rehearsals.keys()].every((run) => waiting.has(run))) return;
        worker.off('exit', died);
        resolve();
      };
      this.look();
    });
  }

  private async kill(worker: ChildProcess): Promise<void> {
    const gone = once(worker, 'exit');
    worker.kill('SIGKILL');
    await gone;
    this.children.delete(worker);
    this.kills.push({ signal: worker.signalCode, at: [...this.held.values()] });
    for (const key of this.held.keys()) this.struck.add(key);
    this.held.clear();
    await Promise.all([...this.runs].map((run) => this.giveUpAttempts(run)));
  }

  /** What the time-outs would do, minutes later: the killed worker is asked no more, and its attempts have failed. */
  private async giveUpAttempts(workflowId: string): Promise<void> {
    const { rehearsal } = this.test;
    const { namespace } = rehearsal.options;
    await rehearsal.workflowService
      .resetStickyTaskQueue({ namespace, execution: { workflowId } })
      .catch(() => undefined);
    const { raw } = await rehearsal.workflow.getHandle(workflowId).describe();
    const lost = (raw.pendingActivities ?? []).filter(
      ({ state }) => state === PENDING_ACTIVITY_STATE_STARTED,
    );
    for (const { activityId } of lost) {
      await rehearsal.activity
        .fail(
          { workflowId, activityId: activityId ?? '' },
          ApplicationFailure.retryable('Its worker was killed.', 'WorkerKilled'),
        )
        .catch(() => undefined);
    }
  }

  private async answer(path: string, body: unknown): Promise<unknown> {
    switch (path) {
      case '/boundary':
        return await this.onBoundary(body as Boundary);
      case '/notice':
        return await this.onNotice(body as { identity: RunIdentity; notice: Notice; key: string });
      case '/vault': {
        const { root, method, args } = body as { root: string; method: keyof Vault; args: never[] };
        const vault = this.rehearsals.get(root)?.vault;
        if (vault === undefined) throw new Error(`No rehearsal is called ${root}.`);
        return await (vault[method] as (...given: never[]) => Promise<unknown>)(...args);
      }
      default:
        throw new Error(`Nobody answers ${path}.`);
    }
  }

  /** Never returns where a worker is to be killed. */
  private async onBoundary(boundary: Boundary): Promise<void> {
    const { run, step, activity, point } = boundary;
    this.runs.add(run);
    const steps = this.seen.get(`${run} ${activity}`) ?? [];
    if (!steps.includes(step)) steps.push(step);
    this.seen.set(`${run} ${activity}`, steps);
    const key = `${run} ${step} ${point}`;
    const nth = steps.indexOf(step);
    // Half as many kills as at both, and a verb that is used twice gets both.
    const wanted = nth % 2 === 0 ? 'after' : 'before';
    if (nth >= this.ofEachVerb || point !== wanted || this.struck.has(key)) return;
    this.held.set(key, boundary);
    this.look();
    await new Promise<never>(() => undefined);
  }

  /** A notice that is sent again by the next worker was given to the scripted people already. */
  private onNotice({ identity, notice, key }: { identity: RunIdentity; notice: Notice; key: string }) {
    this.runs.add(identity.run);
    const id = `${identity.run} ${key}`;
    const session = this.rehearsals.get(rootOf(identity.run))?.session;
    const done = this.told.get(id) ?? session?.onNotice(identity, notice) ?? Promise.resolve();
    this.told.set(id, done);
    return done;
  }
}
