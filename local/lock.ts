import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { isSameProcess, self, type ProcessId } from './processes.js';

const Holder = z.object({ pid: z.number().int().positive(), started: z.string() });

export type Lock = { held: true; release: () => void } | { held: false; by: ProcessId };

function holderOf(file: string): ProcessId | undefined {
  try {
    const parsed = Holder.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

let attempts = 0;

/** Takes a lock file, also from a holder that no longer lives. Never waits. */
export function tryLock(file: string): Lock {
  const me = self();
  const mine = `${file}.${me.pid}-${++attempts}`;
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(mine, file);
        return {
          held: true,
          release: () => {
            const holder = holderOf(file);
            if (holder?.pid === me.pid && holder.started === me.started) rmSync(file, { force: true });
          },
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = holderOf(file);
      if (holder !== undefined && isSameProcess(holder)) return { held: false, by: holder };
      // Moved aside and looked at again: between the look and the move somebody else may have taken over.
      const aside = `${mine}.stale`;
      try {
        renameSync(file, aside);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        continue;
      }
      const moved = holderOf(aside);
      if (moved !== undefined && isSameProcess(moved)) linkSync(aside, file);
      rmSync(aside, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}
