import { setTimeout as pause } from 'node:timers/promises';

const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 50;

/**
 * Looks until what it sees holds. An error of a look counts as "not yet".
 * @throws Error that names what was waited for, after half a minute
 */
export async function eventually<T>(
  look: () => Promise<T>,
  holds: (now: T) => boolean,
  what: string,
): Promise<T> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  for (;;) {
    let seen: { readonly now: T } | undefined;
    try {
      seen = { now: await look() };
      if (holds(seen.now)) return seen.now;
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
    }
    if (Date.now() > giveUpAt) {
      throw new Error(`waited in vain for ${what}: ${JSON.stringify(seen?.now)?.slice(0, 500)}`);
    }
    await pause(LOOK_EVERY_MS);
  }
}
