import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { asFailure, isTransient } from './failures.js';

export interface Leaf {
  readonly eventKey: string;
  readonly bytes: Uint8Array;
}

interface Call {
  readonly leaves: readonly Leaf[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Leaves in one statement; a call with more goes alone. */
const MAX_BATCH = 256;
/** Statements in flight. The calls that arrive meanwhile share the next one, and so one commit. */
const MAX_IN_FLIGHT = 2;
/** Retrying starts for as long as this; then the engine waits, without holding a worker's slot. */
const RETRY_FOR_MS = 2_000;
const FIRST_RETRY_MS = 50;

/**
 * Appends leaves. Calls of the same moment go in one statement, and each call still waits for its own commit. A
 * statement whose answer was lost is repeated under the same keys, so it ends as exactly one entry each.
 */
export class AppendQueue {
  readonly #pool: pg.Pool;
  readonly #waiting: Call[] = [];
  #inFlight = 0;
  #scheduled = false;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  append(leaves: readonly Leaf[]): Promise<void> {
    if (leaves.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ leaves, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= MAX_IN_FLIGHT || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const calls = this.#take();
      this.#inFlight += 1;
      const done = (): void => {
        this.#inFlight -= 1;
        this.#schedule();
      };
      this.#flush(calls).then(done, done);
      this.#schedule();
    });
  }

  #take(): Call[] {
    let leaves = 0;
    const end = this.#waiting.findIndex(
      (call, index) => (leaves += call.leaves.length) > MAX_BATCH && index > 0,
    );
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  /** Never rejects: each call hears of its own fate. */
  async #flush(calls: readonly Call[]): Promise<void> {
    try {
      await this.#store(calls.flatMap((call) => call.leaves));
      for (const call of calls) call.resolve();
    } catch (error) {
      const [only] = calls;
      if (only === undefined) return;
      if (calls.length === 1 || isTransient(error)) {
        for (const call of calls) call.reject(asFailure(error, whatOf(call)));
        return;
      }
      // One bad entry must not fail the calls that only happened to come at the same moment.
      for (const call of calls) await this.#flush([call]);
    }
  }

  async #store(leaves: readonly Leaf[]): Promise<void> {
    const values = [leaves.map((leaf) => leaf.eventKey), leaves.map((leaf) => leaf.bytes)];
    await retried(() =>
      this.#pool.query({ name: 'ledger.append', text: 'SELECT ledger.append($1, $2)', values }),
    );
  }
}

/** Repeats a transient failure for about two seconds. The work must be idempotent. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  for (let pause = FIRST_RETRY_MS; ; pause *= 2) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error) || performance.now() - start + pause > RETRY_FOR_MS) throw error;
      await sleep(pause);
    }
  }
}

function whatOf(call: Call): string {
  const [first] = call.leaves;
  const more = call.leaves.length > 1 ? ` and ${call.leaves.length - 1} more` : '';
  return `append ledger entry ${first?.eventKey ?? ''}${more}`;
}
