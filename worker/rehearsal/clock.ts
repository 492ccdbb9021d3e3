import type { Client } from '@temporalio/client';
import { jumpEnded, startJump, virtualNow } from './fast-forward.js';

/** Farther than any runbook waits. A run that is still open then waits for something that nobody answers. */
const FAR_MS = 3 * 365 * 86_400_000;

/** Something that a scripted person does at a moment of the run's clock. */
export interface Moment {
  /** Milliseconds since the epoch, the run's clock. */
  readonly at: number;
}

/**
 * The clock of one run: it jumps from one scripted moment to the next, and stands still while something is in flight.
 * While a child of the run is open, the run's clock stands still and the child's goes on.
 */
export class Clock<M extends Moment> {
  private readonly moments: M[] = [];
  private jumps = 0;
  private reaim = new AbortController();
  /** Held until the clock is aimed at the moment they brought. */
  private held: (() => void)[] = [];

  constructor(
    private readonly client: Client,
    private readonly run: string,
    private readonly act: (moment: M) => Promise<void>,
  ) {}

  /** Adds a moment; returns once the clock can't pass it any more. */
  async add(moment: M): Promise<void> {
    this.moments.push(moment);
    this.moments.sort((a, b) => a.at - b.at);
    const aimed = new Promise<void>((resolve) => this.held.push(resolve));
    this.reaim.abort();
    await aimed;
  }

  /** Lets everybody go who waits for the clock: the rehearsal is over. */
  release(): void {
    letGo(this.held.splice(0));
  }

  /**
   * Jumps from moment to moment until the run has closed.
   * @returns `closed`, or `idle` when it still waits after three years: for nothing in the script
   */
  async drive(isClosed: () => boolean): Promise<'closed' | 'idle'> {
    while (!isClosed()) {
      this.reaim = new AbortController();
      const { signal } = this.reaim;
      const now = await virtualNow(this.client, this.run);
      const [next] = this.moments;
      const aimedFor = this.held.splice(0);
      try {
        if (next === undefined || next.at > now) {
          const arrived = await this.jump(next === undefined ? FAR_MS : next.at - now, signal, () =>
            letGo(aimedFor),
          );
          if (arrived === 'closed') return 'closed';
          if (arrived === 'abandoned') continue;
          if (next === undefined) return 'idle';
        }
        // Another moment may have come to the front meanwhile.
        this.moments.splice(this.moments.indexOf(next), 1);
        await this.act(next);
      } finally {
        letGo(aimedFor);
      }
    }
    return 'closed';
  }

  private async jump(
    ms: number,
    signal: AbortSignal,
    aimed: () => void,
  ): Promise<'arrived' | 'abandoned' | 'closed'> {
    this.jumps += 1;
    const id = `jump-${this.jumps}`;
    try {
      await startJump(this.client, this.run, id, ms);
    } catch (error) {
      if (isOver(error)) return 'closed';
      throw error;
    }
    aimed();
    const ended = await jumpEnded(this.client, this.run, id, signal);
    return ended === 'failed' ? 'closed' : ended;
  }
}

function letGo(held: readonly (() => void)[]): void {
  for (const go of held) go();
}

/** What Temporal answers when the run has closed meanwhile. */
function isOver(error: unknown): boolean {
  return error instanceof Error && /already completed|not found|NOT_FOUND/i.test(error.message);
}
