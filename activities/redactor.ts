/** How many values are remembered; far more than the secrets that one process handles at a time. */
const REMEMBERED = 5_000;
/** Shorter values would blank out ordinary words. */
const SHORTEST = 8;

/** Removes secret values that this process has handled from texts that leave it: errors, logs, messages. */
export class Redactor {
  private readonly values = new Set<string>();

  note(value: string): void {
    if (value.length < SHORTEST) return;
    this.values.delete(value);
    this.values.add(value);
    for (const oldest of this.values) {
      if (this.values.size <= REMEMBERED) break;
      this.values.delete(oldest);
    }
  }

  redact(text: string): string {
    let clean = text;
    for (const value of this.values) {
      if (clean.includes(value)) clean = clean.replaceAll(value, '[secret]');
      const encoded = encodeURIComponent(value);
      if (encoded !== value && clean.includes(encoded)) clean = clean.replaceAll(encoded, '[secret]');
    }
    return clean;
  }
}
