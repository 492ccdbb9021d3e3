import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect, test } from 'vitest';
import { startTemporal, type TemporalOptions, type TemporalServer } from '../../local/temporal.js';
import { downloadedCli, onPath, temporalServerBinary } from '../../local/temporal-binary.js';
import { stack } from '../helpers/stack.js';
import {
  afterwards,
  freshDataFolder,
  isAlive,
  isExecutable,
  OLD_CLI,
  pathWith,
  plainEnvironment,
} from './support.js';

const SYSTEM_PATH = '/usr/bin:/bin';
const PROXY_OFF = {
  HTTPS_PROXY: undefined,
  https_proxy: undefined,
  ALL_PROXY: undefined,
  all_proxy: undefined,
};
/** Nobody listens there: a download fails at once, whether or not this machine has internet. */
const NO_INTERNET = { ...PROXY_OFF, HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '' };
const CACHE = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');

interface Started extends TemporalServer {
  lines: string[];
}

async function start(options: Omit<TemporalOptions, 'log'>): Promise<Started> {
  const lines: string[] = [];
  const server = await startTemporal({ ...options, log: (line) => lines.push(line) });
  afterwards(() => server.stop());
  return { ...server, lines };
}

const hasOldCli = isExecutable(OLD_CLI);
if (!hasOldCli) {
  process.stderr.write(
    `SKIPPED: the tests with an old Temporal CLI on the PATH, because ${OLD_CLI} is missing. Build it (about 2 minutes): ` +
      `GOBIN=$(mktemp -d) go install github.com/temporalio/cli/cmd/temporal@v1.5.1, and move it there.\n`,
  );
}

test('TEMPORAL_ADDRESS is used, nothing is started, and stop leaves that server alone', async () => {
  const { temporalAddress } = stack();
  const dataDir = freshDataFolder();
  const env = plainEnvironment({ TEMPORAL_ADDRESS: temporalAddress });
  const server = await start({ dataDir, rehearsal: true, env });
  expect(server).toMatchObject({
    way: 'address',
    address: temporalAddress,
    pid: undefined,
    canSkipTime: true,
  });
  await server.stop();
  const connection = await Connection.connect({ address: temporalAddress });
  await connection.close();
});

test.skipIf(!hasOldCli)(
  'an old CLI on the PATH runs live runs and keeps them, is passed over for rehearsals, and is never replaced as TEMPORAL_ADDRESS',
  async () => {
    const dataDir = freshDataFolder();
    mkdirSync(dataDir, { recursive: true });
    const bin = pathWith(dataDir, { temporal: OLD_CLI });
    const env = plainEnvironment({ PATH: `${bin}:${SYSTEM_PATH}`, XDG_CACHE_HOME: CACHE, ...NO_INTERNET });

    const first = await start({ dataDir, rehearsal: false, env });
    expect(first).toMatchObject({ way: 'path', canSkipTime: false });
    const connection = await Connection.connect({ address: first.address });
    await new Client({ connection }).workflow.start('waitsForEver', {
      workflowId: 'some-run',
      taskQueue: 'nobody',
    });
    await connection.close();

    const asAddress = plainEnvironment({ TEMPORAL_ADDRESS: first.address });
    await expect(
      startTemporal({ dataDir, log: () => undefined, rehearsal: true, env: asAddress }),
    ).rejects.toThrow(/cannot skip time in namespace rehearsal.*Install Temporal server 1\.32 or newer/);
    await first.stop();
    expect(isAlive(first.pid ?? 0)).toBe(false);

    const second = await start({ dataDir, rehearsal: false, env });
    expect(second).toMatchObject({ way: 'path', address: first.address });
    const again = await Connection.connect({ address: second.address });
    const run = await new Client({ connection: again }).workflow.getHandle('some-run').describe();
    expect(run.status.name).toBe('RUNNING');
    await again.close();
    await second.stop();

    const rehearsal = await start({ dataDir, rehearsal: true, env });
    expect(rehearsal).toMatchObject({ way: 'go', canSkipTime: true });
    expect(rehearsal.lines.join('\n')).toContain('too old to skip time');
    expect(rehearsal.lines.join('\n')).toContain('WARNING: the runs of before were kept by another server');
  },
  120_000,
);

test('a download that hangs is given up within 15 s and leaves no process', async () => {
  // The proxy takes the connection and never says a word: what a dead network looks like.
  const blackHole = createServer(() => undefined);
  await new Promise<void>((resolve) => blackHole.listen(0, '127.0.0.1', resolve));
  afterwards(() => blackHole.close());
  const connected = new Promise<void>((resolve) =>
    blackHole.once('connection', () => {
      resolve();
    }),
  );
  const address = blackHole.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const cache = freshDataFolder();
  const env = plainEnvironment({
    XDG_CACHE_HOME: cache,
    ...PROXY_OFF,
    HTTPS_PROXY: `http://127.0.0.1:${port}`,
    NO_PROXY: '',
  });
  const begun = Date.now();
  await expect(downloadedCli(env, () => undefined)).rejects.toThrow('made no progress');
  expect(Date.now() - begun).toBeLessThan(15_000);
  await connected;
  expect(processesWith(cache)).toEqual([]);
  expect(readdirSync(join(cache, 'runbook'))).toEqual([]);
});

function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(text) ? [command] : [];
      } catch {
        return [];
      }
    });
}

test('with no way to a server, one error names all four and why each failed', async () => {
  const cache = freshDataFolder();
  const env = plainEnvironment({ PATH: SYSTEM_PATH, XDG_CACHE_HOME: cache, ...NO_INTERNET });
  expect(onPath('go', env)).toBeUndefined();
  const failure = startTemporal({ dataDir: freshDataFolder(), log: () => undefined, rehearsal: true, env });
  await expect(failure).rejects.toThrow(
    /there is no `temporal` on the PATH[^]*download of the Temporal CLI failed[^]*Go is not on the PATH[^]*TEMPORAL_ADDRESS[^]*Temporal CLI[^]*temporal\.download[^]*Go 1\.26\.8/,
  );
});

test('a Go that is too old is told so, and what is needed', async () => {
  const cache = freshDataFolder();
  mkdirSync(cache, { recursive: true });
  const bin = pathWith(cache, { go: { script: '#!/bin/sh\necho go1.24.3\n' } });
  const env = plainEnvironment({ PATH: `${bin}:${SYSTEM_PATH}`, XDG_CACHE_HOME: cache });
  await expect(temporalServerBinary(env, () => undefined)).rejects.toThrow(
    /Go 1\.24\.3 is too old.*1\.26\.8 or newer/,
  );
});

test('two checkouts that need the server at once build it once', async () => {
  const cache = freshDataFolder();
  mkdirSync(cache, { recursive: true });
  const record = join(cache, 'builds');
  writeFileSync(record, '');
  const script = `#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit 0; fi
echo "$* flags=$GOFLAGS" >> ${record}
sleep 1
printf '#!/bin/sh\\n' > "$GOBIN/server" && chmod +x "$GOBIN/server"
`;
  const bin = pathWith(cache, { go: { script } });
  const env = plainEnvironment({
    PATH: `${bin}:${SYSTEM_PATH}`,
    XDG_CACHE_HOME: cache,
    GOFLAGS: '-mod=vendor',
  });
  const lines: string[] = [];
  const build = () => temporalServerBinary(env, (line) => lines.push(line));
  const [one, two] = await Promise.all([build(), build()]);
  expect(one).toBe(two);
  expect(isExecutable(one)).toBe(true);
  expect(readFileSync(record, 'utf8')).toBe('install go.temporal.io/server/cmd/server@v1.32.1 flags=\n');
  expect(lines.join('\n')).toMatch(/about 4 minutes[^]*waiting for it/);
  expect(readdirSync(dirname(one))).toEqual(['temporal-server-v1.32.1']);
});

test('the server built by Go runs on Postgres too, keeps its runs there, and can skip time', async () => {
  const dataDir = freshDataFolder();
  const name = `temporal_${process.pid}`;
  const options: Omit<TemporalOptions, 'log'> = {
    dataDir,
    rehearsal: true,
    // The schema tool may have to be built first: with the network as it is.
    env: plainEnvironment({ XDG_CACHE_HOME: CACHE }),
    persistence: { adminUrl: stack().adminUrl, name },
  };
  const first = await start(options);
  expect(first).toMatchObject({ way: 'go', canSkipTime: true });
  const connection = await Connection.connect({ address: first.address });
  await new Client({ connection }).workflow.start('waitsForEver', {
    workflowId: 'some-run',
    taskQueue: 'nobody',
  });
  await connection.close();
  await first.kill();
  const second = await start(options);
  expect(second.address).toBe(first.address);
  const again = await Connection.connect({ address: second.address });
  expect(
    (await new Client({ connection: again }).workflow.getHandle('some-run').describe()).status.name,
  ).toBe('RUNNING');
  await again.close();
}, 120_000);
