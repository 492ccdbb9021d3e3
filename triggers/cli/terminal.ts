import picocolors from 'picocolors';
import type { Readable } from 'node:stream';

/** The world of one invocation: the process's own, or a test's. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at Ctrl-C. */
  readonly interrupt: AbortSignal;
  /** Where the local stack describes itself. Default: `.data/service/stack.json` of the checkout. */
  readonly stackFile?: string;
  /** Where live runs are started. Default: the one task queue of all workers. */
  readonly taskQueue?: string;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export type Colours = ReturnType<typeof picocolors.createColors>;

/** https://no-color.org: any value but the empty one switches colours off. */
export function coloursFor({ stdout, env }: Pick<Io, 'stdout' | 'env'>): Colours {
  const isWanted = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  return picocolors.createColors(isWanted && stdout.isTTY === true);
}

/**
 * A text that somebody else wrote, on one line and harmless: control characters (C0, C1, escape sequences) and marks
 * that reverse the direction of writing would move the cursor, hide text or fake lines of ours.
 */
export function clean(text: string): string {
  return text
    .replace(/\r\n?|\n|\t/g, ' ')
    .replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** The same for a value of any depth. JSON escapes C0 itself, but neither C1 nor U+2028. */
export function jsonLine(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `2026-11-20 20:05Z`; with seconds `2026-11-20 20:05:13Z`. */
export function time(iso: string, precision: 'minutes' | 'seconds' = 'minutes'): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, precision === 'minutes' ? 16 : 19)}Z`;
}

/** `45 s`, `12 min`, `7 h 58 min`, `2 d 3 h`. */
export function duration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const parts = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return parts(hours, 'h', minutes % 60, 'min');
  return parts(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** `in 7 h 58 min`, `3 min ago`. */
export function fromNow(iso: string, now: string): string {
  const ms = Date.parse(iso) - Date.parse(now);
  return ms >= 0 ? `in ${duration(ms)}` : `${duration(ms)} ago`;
}

/** Time since the start of a run's own clock: `+00:20`, `+1d 00:20`. */
export function elapsed(iso: string, startedAt: string): string {
  const minutes = Math.max(0, Math.floor((Date.parse(iso) - Date.parse(startedAt)) / 60_000));
  const days = Math.floor(minutes / 1_440);
  const clock = `${pad(Math.floor((minutes % 1_440) / 60))}:${pad(minutes % 60)}`;
  return days === 0 ? `+${clock}` : `+${days}d ${clock}`;
}

/** Columns of equal width; the last one is not padded. Cells may not be coloured yet. */
export function columns(rows: readonly (readonly string[])[]): string[][] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))));
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}
