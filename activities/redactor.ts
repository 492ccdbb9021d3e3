import { redactValues } from './redact.js';

/** How many values are remembered; far more than the secrets that one process handles at a time. */
const REMEMBERED = 1_000;
/** Shorter values would blank out ordinary words. */
const SHORTEST = 8;

/** Removes secret values that this process has handled from texts that leave it: errors, logs, messages. */
export class Redactor {
  private readonly values = new Set<string>();

  note(value: string): void {
    if (value.length < SHORTEST) return;
    this.values.delete(value);
    this.values.add(value);
    const [oldest] = this.values;
    if (this.values.size > REMEMBERED && oldest !== undefined) this.values.delete(oldest);
  }

  redact(text: string): string {
    return redactValues(text, [...this.values]);
  }
}
