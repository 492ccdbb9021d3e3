import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { freshDataFolder } from './support.js';

const PRE = fileURLToPath(new URL('../../local/pre.mjs', import.meta.url));

function run(script: string, nodeArgs: string[] = []) {
  const { status, stderr } = spawnSync(process.execPath, [...nodeArgs, script], { encoding: 'utf8' });
  return { status, stderr };
}

/** A checkout with one dependency-free package. */
function checkout(lockName: string): string {
  const folder = freshDataFolder();
  mkdirSync(join(folder, 'local'), { recursive: true });
  cpSync(PRE, join(folder, 'local', 'pre.mjs'));
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      name: 'some',
      version: '1.0.0',
      dependencies: lockName === 'some' ? {} : { absent: '1.0.0' },
    }),
  );
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({
      name: 'some',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name: 'some', version: '1.0.0' } },
    }),
  );
  return join(folder, 'local', 'pre.mjs');
}

test('with everything installed it does nothing and says nothing', () => {
  expect(run(PRE)).toEqual({ status: 0, stderr: '' });
});

test('a Node that is too old is refused with what to install', () => {
  const old = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'20.18.3'}})`;
  const { status, stderr } = run(PRE, ['--import', old]);
  expect(status).toBe(1);
  expect(stderr).toContain('Node 20.18.3 is too old: 20.19 or newer is needed');
});

test('missing dependencies are installed', () => {
  const script = checkout('some');
  const { status, stderr } = run(script);
  expect(stderr).toContain('Installing the dependencies (npm ci)');
  expect(status).toBe(0);
});

test('an installation that fails ends with one clear sentence and exit code 1', () => {
  const { status, stderr } = run(checkout('out of step'));
  expect(status).toBe(1);
  expect(stderr).toContain('The dependencies could not be installed: npm ci ended with exit code 1');
});
