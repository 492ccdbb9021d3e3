import type { Client } from '@temporalio/client';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { Notice, RunIdentity } from '../../activities/engine/contract.js';
import { createSteps, type Steps, type Systems } from '../../activities/index.js';
import type { Vault } from '../../activities/vault/contract.js';
import type { SecretInventory } from '../../config/secrets.js';
import { handIn, revokeByHand } from '../../simulators/presets.js';
import type { World } from '../../simulators/world.js';
import type { InboxMessage } from '../../triggers/inbox.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { Rehearsal, ScriptedAnswer } from '../../workflows/engine/types.js';
import { Clock, type Moment } from './clock.js';

/** The rehearsal did not go as its script says; the sentence names the question, gate or end. */
export class RehearsalFailed extends Error {
  override readonly name = 'RehearsalFailed';
}

export interface GivenAnswer {
  /** The run it was given to: the rehearsed one or a child of it. */
  readonly run: string;
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
  /**
   * Puts a message into the inbox of a run and relays it.
   * @returns what the run answers: undefined when it was accepted, otherwise why not
   */
  readonly send: (
    run: string,
    message: SentMessage,
  ) => Promise<{ readonly refusal: Promise<string | undefined> }>;
}
export type SentMessage = InboxMessage extends infer M
  ? M extends InboxMessage
    ? Omit<M, 'org' | 'mode' | 'run' | 'runbook' | 'assurance' | 'channel'>
    : never
  : never;

interface Due extends Moment {
  readonly run: string;
  readonly target: string;
  readonly answer: ScriptedAnswer;
  readonly isGate: boolean;
}

/** One rehearsal under way: its world, its script, and the clocks of its runs. */
export class Session {
  readonly steps: Steps;
  readonly answers: GivenAnswer[] = [];
  private readonly used = new Map<string, number>();
  private readonly clocks = new Map<string, Clock<Due>>();
  private readonly runbooks = new Map<string, string>();
  private over = false;
  private failure: RehearsalFailed | undefined;
  private fail: (error: Error) => void = () => undefined;
  private readonly failed: Promise<never>;

  constructor(private readonly services: SessionServices) {
    const steps = createSteps(services.systems);
    this.steps = services.wrapSteps?.(steps) ?? steps;
    this.failed = new Promise<never>((_resolve, reject) => (this.fail = reject));
    this.failed.catch(() => undefined);
  }

  /** The runbook of a run of this rehearsal that has said something. */
  runbookOf(run: string): string | undefined {
    return this.runbooks.get(run);
  }

  get systems(): Systems {
    return this.services.systems;
  }

  /**
   * A notice that a run sends. It is an activity in flight: the run's clock stands still until this returns, so a
   * question can be answered at its scripted moment and no later.
   */
  async onNotice({ run, runbook }: RunIdentity, notice: Notice): Promise<void> {
    this.runbooks.set(run, runbook);
    if (notice.about === 'child started') this.follow(run);
    if (notice.target === null || (notice.about !== 'gate opened' && notice.about !== 'question asked'))
      return;
    const isGate = notice.about === 'gate opened';
    const { target } = notice;
    const answer = this.nextAnswer(run, target);
    if (answer === undefined) {
      this.stop(
        new RehearsalFailed(
          `The rehearsal "${this.services.rehearsal.name}" has no answer for ${isGate ? 'the gate' : 'the question'} ` +
            `"${this.nameOf(run, target)}": ${notice.text}`,
        ),
      );
      return;
    }
    if (answer === 'nobody' || this.over) return;
    for (const each of [answer, ...(answer.also ?? [])]) {
      const afterMs = each.after === undefined ? 0 : msToNumber(each.after);
      const due: Due = { at: Date.parse(notice.virtual) + afterMs, run, target, answer: each, isGate };
      const clock = this.clocks.get(run);
      if (afterMs === 0 || clock === undefined) await this.give(due);
      else await clock.add(due);
    }
  }

  /** Drives the run, and its children, to their end. @throws RehearsalFailed */
  async drive(closed: Promise<void>): Promise<void> {
    this.follow(this.services.run);
    try {
      await Promise.race([closed, this.failed]);
    } finally {
      this.over = true;
      for (const clock of this.clocks.values()) clock.release();
    }
    if (this.failure !== undefined) throw this.failure;
  }

  private follow(run: string): void {
    if (this.clocks.has(run)) return;
    const clock = new Clock<Due>(this.services.client, run, (due) => this.give(due));
    this.clocks.set(run, clock);
    clock
      .drive(() => this.over)
      .then(
        (end) => {
          if (end === 'closed') return;
          this.stop(
            new RehearsalFailed(`Run ${run} still waits after three years: for nothing in the script.`),
          );
        },
        (error: unknown) => this.fail(error as Error),
      );
  }

  /** A child's questions are scripted as `<id of the child>/<question>`. */
  private nameOf(run: string, target: string): string {
    const path = run.slice(this.services.run.length + 1);
    return path === '' ? target : `${path.replaceAll('.', '/')}/${target}`;
  }

  private nextAnswer(run: string, target: string): ScriptedAnswer | 'nobody' | undefined {
    const { answers } = this.services.rehearsal;
    const full = this.nameOf(run, target);
    const name = full in answers ? full : full.replace(/#\d+(?=$|\/)/, '');
    const script = answers[name];
    if (script === undefined || script === 'nobody') return script;
    if (!Array.isArray(script)) return script as ScriptedAnswer;
    const used = this.used.get(name) ?? 0;
    this.used.set(name, used + 1);
    return (script as readonly ScriptedAnswer[])[used];
  }

  private async give({ run, at, target, answer, isGate }: Due): Promise<void> {
    const { world, vault, inventory, personId, client } = this.services;
    const virtual = new Date(at).toISOString();
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
      this.answers.push({ run, target, by: answer.by, what: verdict, at: virtual });
      await this.say(run, answer, {
        ...common,
        kind: 'decide',
        verdict,
        ...(planDigest === null ? {} : { planDigest }),
      });
    } else {
      const { option } = answer;
      const choice = answer.choice ?? (option === undefined ? 'done' : 'choose');
      this.answers.push({ run, target, by: answer.by, what: option ?? choice, at: virtual });
      await this.say(run, answer, {
        ...common,
        kind: 'operate',
        choice,
        ...(option === undefined ? {} : { option }),
        ...(evidence === undefined ? {} : { evidence }),
        ...(answer.input === undefined ? {} : { input: answer.input as never }),
        ...(answer.result === undefined ? {} : { result: answer.result as never }),
      });
    }
  }

  /** A scripted answer that is refused would leave the run waiting for ever. */
  private async say(
    run: string,
    { by, refused = false }: ScriptedAnswer,
    message: SentMessage,
  ): Promise<void> {
    const { send, rehearsal } = this.services;
    const { refusal } = await send(run, message);
    refusal
      .then((sentence) => {
        if ((sentence !== undefined) === refused || this.over) return;
        const target = 'target' in message ? this.nameOf(run, message.target ?? '') : message.kind;
        this.stop(
          new RehearsalFailed(
            `The rehearsal "${rehearsal.name}": what ${by} answers to "${target}" is ${sentence === undefined ? 'not refused' : `refused: ${sentence}`}`,
          ),
        );
      })
      // The database was closed: the rehearsal is over.
      .catch(() => undefined);
  }

  private stop(error: RehearsalFailed): void {
    this.failure ??= error;
    this.fail(error);
  }
}
