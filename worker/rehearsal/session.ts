import type { Client } from '@temporalio/client';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { Notice } from '../../activities/engine/contract.js';
import { createSteps, type Steps, type Systems } from '../../activities/index.js';
import type { Vault } from '../../activities/vault/contract.js';
import type { SecretInventory } from '../../config/secrets.js';
import { handIn, revokeByHand } from '../../simulators/presets.js';
import type { World } from '../../simulators/world.js';
import type { InboxMessage } from '../../triggers/inbox.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { Rehearsal, ScriptedAnswer } from '../../workflows/engine/types.js';
import { jumpEnded, startJump, virtualNow } from './fast-forward.js';

/** Farther than any runbook waits. A run that is still open then waits for something that nobody answers. */
const FAR_MS = 3 * 365 * 86_400_000;

/** The rehearsal did not go as its script says; the sentence names the question, gate or end. */
export class RehearsalFailed extends Error {
  override readonly name = 'RehearsalFailed';
}

export interface GivenAnswer {
  readonly target: string;
  readonly by: string;
  readonly what: string;
  /** The run's clock, ISO 8601 UTC. */
  readonly at: string;
}

export interface SessionServices {
  readonly run: string;
  readonly client: Client;
  readonly world: World;
  readonly vault: Vault;
  readonly systems: Systems;
  readonly inventory: SecretInventory;
  readonly rehearsal: Rehearsal<unknown>;
  readonly personId: (name: string) => Promise<string | undefined>;
  readonly wrapSteps?: (steps: Steps) => Steps;
  /** Puts a message into the inbox and relays it. */
  readonly send: (message: SentMessage) => Promise<void>;
}
export type SentMessage = InboxMessage extends infer M
  ? M extends InboxMessage
    ? Omit<M, 'org' | 'mode' | 'run' | 'runbook' | 'assurance' | 'channel'>
    : never
  : never;

interface Due {
  readonly at: number;
  readonly target: string;
  readonly answer: ScriptedAnswer;
  readonly isGate: boolean;
}

/** One rehearsal under way: its world, its script, and the clock that jumps from one scripted moment to the next. */
export class Session {
  readonly steps: Steps;
  readonly answers: GivenAnswer[] = [];
  private readonly due: Due[] = [];
  private readonly used = new Map<string, number>();
  private jumps = 0;
  private over = false;
  private reaim = new AbortController();
  /** Notices held until the clock is aimed at the answer they brought. */
  private held: (() => void)[] = [];
  private failure: RehearsalFailed | undefined;
  private fail: (error: RehearsalFailed) => void = () => undefined;
  private readonly failed: Promise<never>;

  constructor(private readonly services: SessionServices) {
    const steps = createSteps(services.systems);
    this.steps = services.wrapSteps?.(steps) ?? steps;
    this.failed = new Promise<never>((_resolve, reject) => (this.fail = reject));
    this.failed.catch(() => undefined);
  }

  get systems(): Systems {
    return this.services.systems;
  }

  /**
   * A notice that the run sends. It is an activity in flight: the run's clock stands still until this returns, so a
   * question can be answered at its scripted moment and no later.
   */
  async onNotice(notice: Notice): Promise<void> {
    if (notice.target === null || (notice.about !== 'gate opened' && notice.about !== 'question asked'))
      return;
    const isGate = notice.about === 'gate opened';
    const answer = this.nextAnswer(notice.target);
    if (answer === undefined) {
      this.stop(
        new RehearsalFailed(
          `The rehearsal "${this.services.rehearsal.name}" has no answer for ${isGate ? 'the gate' : 'the question'} ` +
            `"${notice.target}": ${notice.text}`,
        ),
      );
      return;
    }
    if (answer === 'nobody' || this.over) return;
    const afterMs = answer.after === undefined ? 0 : msToNumber(answer.after);
    const due: Due = { at: Date.parse(notice.virtual) + afterMs, target: notice.target, answer, isGate };
    if (afterMs === 0) {
      await this.give(due, notice.virtual);
      return;
    }
    this.due.push(due);
    this.due.sort((a, b) => a.at - b.at);
    // The jump under way aims farther: the notice is let go by the one that knows of this answer.
    const aimed = new Promise<void>((resolve) => this.held.push(resolve));
    this.reaim.abort();
    await aimed;
  }

  /** Drives the run to its end. @throws RehearsalFailed */
  async drive(closed: Promise<void>): Promise<void> {
    const end = closed.then(() => 'closed' as const);
    try {
      for (;;) {
        const outcome = await Promise.race([this.jump(), end, this.failed]);
        if (outcome === 'closed') break;
      }
    } finally {
      this.over = true;
      release(this.held);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** One jump, to the next scripted answer or to the end. */
  private async jump(): Promise<void> {
    const { client, run } = this.services;
    this.reaim = new AbortController();
    const { signal } = this.reaim;
    const now = await virtualNow(client, run);
    const [next] = this.due;
    const aimedFor = this.held.splice(0);
    try {
      await this.jumpTo(next, now, signal, () => release(aimedFor));
    } finally {
      release(aimedFor);
    }
  }

  private async jumpTo(
    next: Due | undefined,
    now: number,
    signal: AbortSignal,
    aimed: () => void,
  ): Promise<void> {
    const { client, run } = this.services;
    this.jumps += 1;
    const id = `jump-${this.jumps}`;
    if (next === undefined || next.at > now) {
      const started = await startJump(client, run, id, next === undefined ? FAR_MS : next.at - now).then(
        () => true,
        (error: unknown) => {
          if (isOver(error)) return false;
          throw error;
        },
      );
      aimed();
      // The run is closed: the caller's race ends with it.
      if (!started) return await new Promise<never>(() => undefined);
      const ended = await jumpEnded(client, run, id, signal);
      if (ended === 'failed') return await new Promise<never>(() => undefined);
      if (ended === 'abandoned') return;
      if (next === undefined) {
        this.stop(
          new RehearsalFailed(
            `The run still waits after ${FAR_MS / 86_400_000} days: for nothing in the script.`,
          ),
        );
        return;
      }
    }
    // Another answer may have come to the front meanwhile.
    this.due.splice(this.due.indexOf(next), 1);
    await this.give(next, new Date(next.at).toISOString());
  }

  private nextAnswer(target: string): ScriptedAnswer | 'nobody' | undefined {
    const { answers } = this.services.rehearsal;
    const name = target in answers ? target : target.replace(/#\d+(?=$|\/)/, '');
    const script = answers[name];
    if (script === undefined || script === 'nobody') return script;
    if (!Array.isArray(script)) return script as ScriptedAnswer;
    const used = this.used.get(name) ?? 0;
    this.used.set(name, used + 1);
    return (script as readonly ScriptedAnswer[])[used];
  }

  private async give({ target, answer, isGate }: Due, virtual: string): Promise<void> {
    const { world, vault, inventory, personId, send, client, run } = this.services;
    const person = await personId(answer.by);
    if (person === undefined) {
      this.stop(new RehearsalFailed(`Nobody in the cast is called ${answer.by}: see simulators/cast.ts.`));
      return;
    }
    const acted = answer.handsIn ?? answer.revokes;
    const secret = acted === undefined ? undefined : inventory.get(acted);
    if (acted !== undefined && secret === undefined) {
      this.stop(
        new RehearsalFailed(`The inventory has no secret ${acted}, which ${answer.by} would handle.`),
      );
      return;
    }
    if (secret !== undefined) {
      if (answer.handsIn === undefined) await revokeByHand(world, vault, secret);
      else await handIn(world, vault, secret);
    }
    const { reason, evidence } = answer;
    const common = { person, target, virtual, ...(reason === undefined ? {} : { reason }) };
    if (isGate) {
      const { planDigest } = await client.workflow.getHandle(run).query(statusQuery);
      const verdict = answer.verdict ?? 'approve';
      this.answers.push({ target, by: answer.by, what: verdict, at: virtual });
      await send({ ...common, kind: 'decide', verdict, ...(planDigest === null ? {} : { planDigest }) });
    } else {
      const choice = answer.choice ?? 'done';
      this.answers.push({ target, by: answer.by, what: choice, at: virtual });
      await send({
        ...common,
        kind: 'operate',
        choice,
        ...(evidence === undefined ? {} : { evidence }),
        ...(answer.input === undefined ? {} : { input: answer.input as never }),
        ...(answer.result === undefined ? {} : { result: answer.result as never }),
      });
    }
  }

  private stop(error: RehearsalFailed): void {
    this.failure ??= error;
    this.fail(error);
  }
}

function release(held: readonly (() => void)[]): void {
  for (const letGo of held) letGo();
}

/** What Temporal answers when the run has closed meanwhile. */
function isOver(error: unknown): boolean {
  return error instanceof Error && /already completed|not found|NOT_FOUND/i.test(error.message);
}
