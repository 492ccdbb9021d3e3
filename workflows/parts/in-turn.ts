import type { Run } from '../engine/runbook.js';

/** Background work of a run, one thing after the other. When one is given up, those behind it are not begun. */
export class InTurn {
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly run: Pick<Run, 'meanwhile'>) {}

  add(work: () => Promise<unknown>): void {
    this.run.meanwhile(() => (this.last = this.last.then(work)));
  }

  /** Waits until everything that was added is done. */
  async done(): Promise<void> {
    await this.last;
  }
}
