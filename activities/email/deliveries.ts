import { createHash } from 'node:crypto';

/** Steps that are remembered. What is forgotten counts as "nobody can tell". */
const STEPS = 1_000;

interface Step {
  /** No attempt was made before, in milliseconds since 1970. */
  readonly since: number;
  /** By message: `open` while nobody knows whether the server took it. */
  readonly messages: Map<string, 'open' | 'accepted'>;
}

/**
 * What this process knows of the messages it has sent. It makes a repeated attempt exact where the server has no
 * memory of its own: a message that was accepted is not sent again, one that was refused is.
 */
export class Deliveries {
  private readonly steps = new Map<string, Step>();

  /** @param now milliseconds since 1970 */
  constructor(private readonly now: () => number = Date.now) {}

  /** Whether an earlier attempt has sent it. Otherwise it is open from now on. */
  begin(step: string, message: string): boolean {
    const { messages } = this.remember(step, this.now());
    if (messages.get(message) === 'accepted') return true;
    messages.set(message, 'open');
    return false;
  }

  accepted(step: string, message: string): void {
    this.steps.get(step)?.messages.set(message, 'accepted');
  }

  /** The server did not take it: that is certain. */
  refused(step: string, message: string): void {
    this.steps.get(step)?.messages.delete(message);
  }

  /** Notes that no attempt of a step was made before a moment, unless something is known already. */
  remember(step: string, since: number): Step {
    const known = this.steps.get(step);
    if (known !== undefined) return known;
    const oldest = this.steps.size >= STEPS ? this.steps.keys().next().value : undefined;
    if (oldest !== undefined) this.steps.delete(oldest);
    const made: Step = { since, messages: new Map() };
    this.steps.set(step, made);
    return made;
  }

  /** When the first attempt of a step was made at the earliest; undefined: this process has made none. */
  since(step: string): number | undefined {
    return this.steps.get(step)?.since;
  }

  /** Whether it is certain for every message of a step that it was or was not sent. */
  isCertain(step: string): boolean {
    const known = this.steps.get(step);
    return known !== undefined && ![...known.messages.values()].includes('open');
  }
}

/** The same for every attempt to send the step's message to this address, also when the audience has changed. */
export const messageKey = (stepKey: string, address: string): string =>
  createHash('sha256').update(`${stepKey}/${address}`).digest('hex').slice(0, 40);
