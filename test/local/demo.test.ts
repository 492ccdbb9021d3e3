import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { afterwards, freshDataFolder, plainEnvironment } from './support.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly afterMs: number;
}

/** The demo as a process group of its own, as a terminal starts it; SIGINT to the whole group when `moment` shows. */
async function interrupted(
  folder: string,
  moment: string | number,
  story = 'secret-rotation',
): Promise<Ended> {
  const program = ['--import', 'tsx', 'local/demo.ts', story, folder];
  const child = spawn(process.execPath, program, {
    cwd: ROOT,
    env: plainEnvironment({ NO_COLOR: '1' }),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  afterwards(() => child.kill('SIGKILL'));
  let output = '';
  let sentAt: number | undefined;
  const press = (): void => {
    if (sentAt !== undefined || child.pid === undefined) return;
    sentAt = performance.now();
    process.kill(-child.pid, 'SIGINT');
  };
  const heard = (chunk: Buffer): void => {
    output += chunk.toString();
    if (typeof moment === 'string' && output.includes(moment)) press();
  };
  child.stdout.on('data', heard);
  child.stderr.on('data', heard);
  if (typeof moment === 'number') setTimeout(press, moment);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output, afterMs: performance.now() - (sentAt ?? Number.NaN) };
}

/** Processes of this machine that name a folder in their command line. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
        return command.includes(folder) ? [`${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

test.runIf(process.platform === 'linux').each<[string, string | number]>([
  ['while its servers start', 'listens on'],
  ['while it bundles', 'Building the workflows'],
  ['while the rehearsal runs', 'REHEARSAL'],
])(
  'Ctrl-C %s ends the demo within seconds, with one sentence, and leaves nothing running',
  async (_, moment) => {
    const folder = freshDataFolder();
    const { code, output, afterMs } = await interrupted(folder, moment);
    expect(output.trimEnd().split('\n').at(-1)).toBe(
      'The demo was stopped. Nothing real was touched, and nothing is left running.',
    );
    expect(code).toBe(130);
    expect(afterMs).toBeLessThan(5_000);
    expect(processesIn(folder)).toEqual([]);
  },
);

test('a demo that there is not is named, with those that there are, and nothing is started', async () => {
  const { code, output } = await interrupted(freshDataFolder(), 'never', 'nonsense');
  expect(code).toBe(1);
  expect(output).toContain('There is no demo "nonsense". There are: secret-rotation, data-breach.');
});
