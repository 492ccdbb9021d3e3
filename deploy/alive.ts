import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** How often a process says that it lives, in milliseconds. check-alive.js allows several misses. */
const EVERY_MS = 10_000;

/**
 * Renews a file as long as the process does its work, for the container's health check (deploy/check-alive.js).
 * A blocked event loop, or `isWorking` answering false, lets the file grow old.
 * @param name `worker` or `triggers`; replicas are told apart by their host name
 * @returns stops the renewal and removes the file
 */
export function sayAlive(dataDirectory: string, name: string, isWorking: () => boolean): () => void {
  const directory = join(dataDirectory, 'alive');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${name}@${hostname()}`);
  const renew = (): void => {
    if (isWorking()) writeFileSync(file, '');
  };
  renew();
  const timer = setInterval(renew, EVERY_MS).unref();
  return () => {
    clearInterval(timer);
    rmSync(file, { force: true });
  };
}
