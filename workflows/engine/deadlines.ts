import { msToNumber } from '@temporalio/common/lib/time.js';
import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import type { Questions } from './questions.js';
import type { Journal } from './record.js';
import { isoNow, nthId, type RunState } from './state.js';
import type { DeadlineStatus } from './types.js';

/** Parts of the time after which people are reminded. */
const REMIND_AT = [0.5, 0.8, 0.95] as const;

export interface DeadlineOptions {
  /** What must be done by then, in a sentence. */
  readonly what: string;
  readonly within: Duration;
  /** The moment at which the clock started: awareness of a breach, say. Default: now. */
  readonly from?: Date;
  /** Who is reminded, and who justifies it when it is missed. */
  readonly group: string;
  /** Reaches people when it is missed: begins something in the background. */
  readonly onMissed?: () => void;
}

/** A clock that people must beat. It never ends the run. */
export interface Deadline {
  readonly due: Date;
  /** What was to be done is done. Too late is recorded as too late. */
  met(): void;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Legal and promised clocks: they remind, and a missed one demands a justification that goes on record. */
export class Deadlines {
  private readonly scope = new CancellationScope();
  private readonly working: Promise<void>[] = [];
  private readonly used: string[] = [];

  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
    private readonly questions: Questions,
  ) {}

  start(base: string, options: DeadlineOptions): Deadline {
    const id = nthId(base, this.used);
    this.used.push(id);
    const fromMs = options.from?.getTime() ?? Date.now();
    const dueMs = fromMs + msToNumber(options.within);
    const status: Writable<DeadlineStatus> = {
      id,
      what: options.what,
      from: new Date(fromMs).toISOString(),
      due: new Date(dueMs).toISOString(),
      state: 'running',
    };
    this.state.deadlines.push(status);
    this.journal.record({ kind: 'deadline.started', deadline: id, from: status.from, due: status.due });
    const work = this.scope
      .run(() => this.run(status, options, fromMs, dueMs))
      .catch((error: unknown) => {
        if (!isCancellation(error)) throw error;
      });
    this.working.push(work);
    return {
      due: new Date(dueMs),
      met: () => {
        if (status.state !== 'running') return;
        status.state = 'met';
        status.endedAt = isoNow();
        this.journal.record({ kind: 'deadline.ended', deadline: id, outcome: 'met' });
      },
    };
  }

  /** Settles when every missed deadline is justified. Those that still run stop here: the run is at its end. */
  async settle(): Promise<void> {
    this.stop();
    await Promise.all(this.working);
  }

  /** Ends every clock; open justifications are given up when the run is not completed. */
  abandon(): void {
    this.stop();
    this.scope.cancel();
  }

  private stop(): void {
    for (const status of this.state.deadlines) {
      if (status.state !== 'running') continue;
      status.state = 'stopped';
      status.endedAt = isoNow();
      this.journal.record({ kind: 'deadline.ended', deadline: status.id, outcome: 'stopped' });
    }
  }

  private async run(
    status: Writable<DeadlineStatus>,
    { group, onMissed }: DeadlineOptions,
    fromMs: number,
    dueMs: number,
  ): Promise<void> {
    const { id, what } = status;
    const over = () => status.state !== 'running';
    for (const part of [...REMIND_AT, 1]) {
      const left = fromMs + (dueMs - fromMs) * part - Date.now();
      if (left > 0) await condition(over, left, { summary: `deadline ${id}` });
      if (over()) return;
      // A clock that started before the run has reminders that are over already: only the last one is told.
      const isNewest = fromMs + (dueMs - fromMs) * (nextPart(part) ?? 1) > Date.now();
      if (part < 1 && isNewest) {
        this.journal.record({ kind: 'deadline.reminded', deadline: id });
        this.announce(status, group, 'deadline reminder', `${what}: due ${status.due}`);
      }
    }
    status.state = 'missed';
    this.journal.record({ kind: 'deadline.missed', deadline: id });
    this.announce(status, group, 'deadline missed', `${what}: it was due ${status.due}`);
    onMissed?.();
    await this.questions.ask({
      id: `${id}/missed`,
      kind: 'justification',
      what: `Why was this not done in time: ${what}?`,
      group,
      choices: ['justify'],
      needsResult: false,
      critical: true,
      escalateAtOnce: true,
    });
    status.state = 'justified';
    status.endedAt = isoNow();
    this.journal.record({ kind: 'deadline.ended', deadline: id, outcome: 'justified' });
  }

  private announce(
    status: DeadlineStatus,
    group: string,
    about: 'deadline reminder' | 'deadline missed',
    text: string,
  ): void {
    this.journal.announce({ about, target: status.id, groups: [group], person: null, text });
  }
}

function nextPart(part: number): number | undefined {
  return [...REMIND_AT, 1].find((other) => other > part);
}
