// Runs before `npm run demo`, `npm test`, `npm start`, ...: installs what is missing. Uses nothing but Node.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const NODE_AT_LEAST = [20, 19];
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const LOCK = join(ROOT, 'package-lock.json');
const INSTALLED = join(ROOT, 'node_modules', '.package-lock.json');

/** @param {string} sentence @returns {never} */
function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** @param {string} file */
function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

/**
 * `npm install` may write the lock file after its own record. Then the two are compared: every package of the
 * lock file that this platform needs must be there in the same version.
 */
function sameContent() {
  const wanted = JSON.parse(readFileSync(LOCK, 'utf8')).packages;
  const present = JSON.parse(readFileSync(INSTALLED, 'utf8')).packages;
  const isSame = (path) =>
    wanted[path]?.version === present[path]?.version && wanted[path]?.integrity === present[path]?.integrity;
  return (
    Object.keys(wanted).every(
      (path) => path === '' || isSame(path) || (wanted[path].optional === true && !(path in present)),
    ) && Object.keys(present).every(isSame)
  );
}

function isInstalled() {
  const lock = modified(LOCK);
  const installed = modified(INSTALLED);
  if (lock === undefined)
    fail(`${LOCK} is missing. Is this a complete checkout? Try: git checkout package-lock.json`);
  if (installed === undefined) return false;
  if (installed >= lock) return true;
  try {
    if (!sameContent()) return false;
    const now = new Date();
    utimesSync(INSTALLED, now, now);
    return true;
  } catch {
    return false;
  }
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < NODE_AT_LEAST[0] || (major === NODE_AT_LEAST[0] && minor < NODE_AT_LEAST[1])) {
  fail(
    `Node ${process.versions.node} is too old: ${NODE_AT_LEAST.join('.')} or newer is needed (22 or 24 are best). ` +
      'Install it from https://nodejs.org and try again.',
  );
}
if (!isInstalled()) {
  process.stderr.write(
    'Installing the dependencies (npm ci). This happens once, and after a change of package-lock.json.\n',
  );
  const npm = process.env.npm_execpath;
  // NODE_ENV=production would leave out what the tests and the local stack need.
  const options = { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NODE_ENV: 'development' } };
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const done =
    npm !== undefined && /\.c?js$/.test(npm)
      ? spawnSync(process.execPath, [npm, ...args], options)
      : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (done.error !== undefined)
    fail(`npm could not be started: ${done.error.message}. Install npm (it comes with Node) and try again.`);
  if (done.status !== 0) {
    fail(
      `The dependencies could not be installed: npm ci ended with ${done.signal ?? `exit code ${done.status}`}; its reason is above. ` +
        "Without internet, set npm's registry to a mirror that you can reach (npm config set registry URL).",
    );
  }
}
