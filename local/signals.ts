import process from 'node:process';

/**
 * Resolves at the first SIGINT or SIGTERM. The second one calls `hurry`; from the third on the process ends at
 * once, and the servers are told to end by the exit handler of processes.ts.
 */
export function stopSignal(hurry: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let count = 0;
    const received = (signal: NodeJS.Signals): void => {
      count += 1;
      if (count === 1) resolve(signal);
      else if (count === 2) hurry();
      else process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.on('SIGINT', received).on('SIGTERM', received);
  });
}
