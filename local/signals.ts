import process from 'node:process';
import { endServers } from './processes.js';

/** One Ctrl-C reaches a process several times: from the terminal, from npm, and from tsx. */
const SAME_PRESS_MS = 400;

/** How long servers may take to end in order once everything is dropped. */
const DROP_GRACE_MS = 1_500;

const EXIT_CODES: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** Calls back for each press of Ctrl-C and each signal, with how many there were. */
function onSignal(
  signals: readonly NodeJS.Signals[],
  heard: (signal: NodeJS.Signals, count: number) => void,
): void {
  const last = new Map<NodeJS.Signals, number>();
  let count = 0;
  for (const name of signals) {
    process.on(name, () => {
      const isSamePress = Date.now() - (last.get(name) ?? 0) < SAME_PRESS_MS;
      last.set(name, Date.now());
      if (isSamePress) return;
      count += 1;
      heard(name, count);
    });
  }
}

/**
 * Resolves at the first SIGINT or SIGTERM. The second one calls `hurry`; from the third on the process ends at
 * once, and the servers are told to end by the exit handler of processes.ts.
 */
export function stopSignal(hurry: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    onSignal(['SIGINT', 'SIGTERM'], (signal, count) => {
      if (count === 1) resolve(signal);
      else if (count === 2) hurry();
      else process.exit(EXIT_CODES[signal]);
    });
  });
}

/**
 * For a program whose work may be dropped at any moment: a signal says the sentence, ends the local servers within
 * seconds, whatever else is under way, and ends the process with the exit code of that signal.
 */
export function dropOnSignal(sentence: string): void {
  onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal, count) => {
    const exit = (): never => process.exit(EXIT_CODES[signal]);
    if (count > 1) exit();
    // The line that a story overwrites ends first; whatever breaks off from here on is no news.
    process.stdout.write(process.stdout.isTTY ? `\r\u001b[K${sentence}\n` : `${sentence}\n`);
    const silent = (): boolean => true;
    process.stdout.write = silent;
    process.stderr.write = silent;
    endServers(DROP_GRACE_MS).then(exit, exit);
  });
}
