import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const Entry = z.object({
  at: z.string(),
  kind: z.enum(['logs', 'database-audit', 'storage-access']),
  message: z.string(),
  /** Of the key that was used. */
  fingerprint: z.string().optional(),
  /** Opaque id of who did it. */
  account: z.string().optional(),
  /** What was read or written. */
  record: z.string().optional(),
});
export type Entry = z.output<typeof Entry>;

export interface Log {
  write(entry: Omit<Entry, 'at'>): void;
  /** Entries of a stretch of time, oldest first; both ends count. */
  read(since: string, until: string): Entry[];
}

/** The sample application's log: one JSON object in a line, in the file `log.jsonl` of its folder. */
export function openLog(folder: string): Log {
  const file = join(folder, 'log.jsonl');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    write: (entry) => {
      appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`, {
        mode: 0o600,
      });
    },
    read: (since, until) => {
      const [from, to] = [Date.parse(since), Date.parse(until)];
      return lines(file)
        .flatMap((line) => parse(line))
        .filter(({ at }) => Date.parse(at) >= from && Date.parse(at) <= to);
    },
  };
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** A process that was killed may leave half a line. */
function parse(line: string): Entry[] {
  if (line === '') return [];
  try {
    return [Entry.parse(JSON.parse(line))];
  } catch {
    return [];
  }
}
