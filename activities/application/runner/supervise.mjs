/**
 * Runs one command and leaves nothing of it behind. It leads a process group of its own; the command and its
 * children belong to it. The group is ended when the command exits, and when standard input closes: that is
 * also how it learns that the worker died, so a command never outlives the attempt that started it.
 *
 * Arguments: grace in milliseconds, program, arguments. File descriptor 3 gets one JSON line:
 * `{"code":0,"signal":null}` or `{"error":"ENOENT"}`.
 */
import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';

const [grace = '5000', program = '', ...args] = process.argv.slice(2);

const report = (result) => {
  try {
    writeSync(3, `${JSON.stringify(result)}\n`);
  } catch {
    // The worker is gone: nobody is left to tell.
  }
};
const killGroup = (signal) => process.kill(-process.pid, signal);

// The signal goes to the whole group, this process included.
process.on('SIGTERM', () => undefined);

const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
child.on('error', (error) => {
  report({ error: error.code ?? 'unknown' });
  process.exit(127);
});
child.on('exit', (code, signal) => {
  report({ code, signal });
  killGroup('SIGKILL');
});

process.stdin.resume();
process.stdin.on('error', () => undefined);
process.stdin.on('close', () => {
  killGroup('SIGTERM');
  setTimeout(() => killGroup('SIGKILL'), Number(grace));
});
