import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { catalogueOf } from '../../triggers/catalogue.js';
import { run as runCli } from '../../triggers/cli/run.js';
import { startRelay, type Relay } from '../../triggers/relay.js';
import { bundleWorkflows } from '../../worker/bundle.js';
import type { Host } from '../../worker/host.js';
import type { RunStatus } from '../../workflows/engine/types.js';
import { liveWorker, silent, testInstallation, type TestInstallation } from '../helpers/engine.js';
import * as fixtures from '../workflows/fixtures/index.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const trials = catalogueOf(fixtures);
const NO_STACK = join(tmpdir(), 'runbook-no-such-stack.json');

let lab: TestInstallation;
let worker: Host | undefined;
let relay: Relay | undefined;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'runbook-cli-'));
  const base = await testInstallation();
  const { application } = base.installation;
  const byHand = { ...application, get: () => ({ ...application.get(), verbs: {} }) };
  lab = { ...base, installation: { ...base.installation, catalogue: trials, application: byHand } };
  worker = await startWorker();
  relay = startTheRelay();
}, 120_000);

afterAll(async () => {
  await relay?.stop();
  await worker?.stop();
  await lab?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const trialCode = fileURLToPath(new URL('../workflows/fixtures/index.ts', import.meta.url));
let bundle: ReturnType<typeof bundleWorkflows> | undefined;
const startWorker = async (): Promise<Host> =>
  await liveWorker(lab, await (bundle ??= bundleWorkflows(trialCode)));
const startTheRelay = (): Relay => {
  const { pool, ledger } = lab.installation;
  return startRelay({
    pool,
    ledger,
    clients: { live: lab.live },
    databaseUrl: lab.database.appUrl,
    log: silent,
  });
};

interface Call {
  readonly env?: Record<string, string | undefined>;
  readonly stdin?: string | Keyboard;
  readonly catalogue?: typeof trials;
  readonly interrupt?: AbortSignal;
  readonly onOut?: (soFar: string) => void;
  readonly isTTY?: boolean;
}
interface Answered {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A terminal's keyboard that notes whether what is typed would be echoed. */
class Keyboard extends PassThrough {
  readonly isTTY = true;
  readonly modes: boolean[] = [];
  setRawMode(raw: boolean): this {
    this.modes.push(raw);
    return this;
  }
}

/** One command line, in this process. */
async function cli(argv: readonly string[], call: Call = {}): Promise<Answered> {
  let [out, err] = ['', ''];
  const code = await runCli(
    argv,
    {
      stdout: {
        isTTY: call.isTTY ?? false,
        write: (text) => {
          out += text;
          call.onOut?.(out);
        },
      },
      stderr: { write: (text) => (err += text) },
      stdin: call.stdin instanceof Keyboard ? call.stdin : Readable.from([Buffer.from(call.stdin ?? '')]),
      env: { ...lab.variables, ...call.env },
      interrupt: call.interrupt ?? new AbortController().signal,
      stackFile: NO_STACK,
      taskQueue: lab.taskQueue,
    },
    call.catalogue ?? trials,
  );
  return { code, out, err };
}

const json = async <T>(argv: readonly string[], call: Call = {}): Promise<T> => {
  const { out } = await cli([...argv, '--json'], call);
  return JSON.parse(out) as T;
};

async function begin(trial: string, tag = 'T'): Promise<string> {
  const argv = ['start', 'engine-trial', '--trial', trial, '--tag', tag, '--as', 'Ada'];
  return (await json<{ run: string }>(argv)).run;
}

const picture = (run: string) => json<RunStatus>(['status', run]);

async function until(run: string, holds: (now: RunStatus) => boolean): Promise<RunStatus> {
  for (;;) {
    const now = await picture(run);
    if (holds(now)) return now;
    await sleep(100);
  }
}
const gateOpen = (run: string, gate = 'go') =>
  until(run, ({ gates }) => gates.some(({ id, state }) => id === gate && state === 'open'));
const kinds = async (run: string) =>
  (await json<{ entry: { kind: string; code?: string } }[]>(['ledger', run])).map(({ entry }) =>
    entry.code === undefined ? entry.kind : `${entry.kind} ${entry.code}`,
  );

test('a run is started, its gate is shown and approved by somebody else, and it completes', async () => {
  const started = await cli([
    'start',
    'engineTrial',
    '--trial',
    'gate',
    '--tag',
    'x',
    '--as',
    'ada lovelace',
  ]);
  expect(started).toMatchObject({ code: 0, out: expect.stringContaining('It is admitted') as string });
  const run = /default\.engine-trial\.\S+/.exec(started.out)?.[0] ?? '';
  await gateOpen(run);

  const shown = await cli(['status', run]);
  expect(shown.out).toContain('for Ada Lovelace (cli)');
  expect(shown.out).toContain('Go on?');
  expect(shown.out).toContain(`runbook approve ${run} go`);

  const requester = await cli(['approve', run, 'go', '--as', 'Ada']);
  expect(requester).toMatchObject({
    code: 5,
    err: expect.stringContaining('somebody else must decide') as string,
  });
  const unreasoned = await cli(['decline', run, 'go', '--as', 'Grace']);
  expect(unreasoned).toMatchObject({ code: 5, err: expect.stringContaining('A reason is needed') as string });
  const approved = await cli(['approve', run, 'go', '--as', 'Grace', '--reason', 'Looks right']);
  expect(approved).toMatchObject({
    code: 0,
    out: expect.stringContaining('✓ You approved "Go on?".') as string,
  });
  expect(approved.out).toContain('approval by one of approvers');

  await until(run, ({ state }) => state === 'completed');
  const late = await cli(['approve', run, 'go', '--as', 'Margaret']);
  expect(late).toMatchObject({ code: 5, err: expect.stringContaining('over') as string });
  const recorded = await kinds(run);
  expect(recorded).toContain('message.refused Requester');
  expect(recorded).toContain('message.refused ReasonRequired');
  expect(recorded).toContain('message.refused RunClosed');
});

test('what is not there is answered with what is', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  expect(await cli(['approve', run, 'goo', '--as', 'Grace'])).toMatchObject({
    code: 3,
    err: expect.stringContaining('Did you mean "go"?') as string,
  });
  expect((await cli(['status', 'default.engine-trial.20260101-00000000'])).code).toBe(3);
  expect(await cli(['approve', run, 'go', '--as', 'Garce'])).toMatchObject({
    code: 3,
    err: expect.stringContaining('Did you mean "Grace"?') as string,
  });
  expect(await cli(['start', 'engine-trail'])).toMatchObject({
    code: 3,
    err: expect.stringContaining('Did you mean "engine-trial"?') as string,
  });
  expect(await cli(['list', 'more']), 'an argument too many').toMatchObject({ code: 2 });
  expect(await cli(['show', 'engine-trial', 'more'])).toMatchObject({ code: 2 });
  expect(await cli(['--verbose'])).toMatchObject({ code: 2 });
  expect(await cli(['aprove', run, 'go', '--as', 'Grace'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('Did you mean "approve"?') as string,
  });
  // Nothing of this was sent.
  expect(await kinds(run)).not.toContain('message.refused NoSuchTarget');
});

test('every problem of an input is named at once, by its flag', async () => {
  const { code, err } = await cli(
    ['start', 'secret-rotation', '--secret', 'opnai/api-key', '--mode', 'fast', '--as', 'Ada'],
    {
      catalogue: (await import('../../worker/installation.js')).catalogue,
    },
  );
  expect(code).toBe(2);
  expect(err).toContain('--secret: there is no "opnai/api-key". Did you mean "openai/api-key"?');
  expect(err).toMatch(/--mode: must be one of scheduled, emergency/);
  expect(err).toContain('--reason is missing');
});

test('a plan shows which steps only take something back', async () => {
  const { catalogue } = await import('../../worker/installation.js');
  const { out } = await cli(['show', 'secret-rotation'], { catalogue });
  expect(out).toContain('↺ Only to take it back: Delete the OpenAI key');
  expect(out).toContain('· Create a new OpenAI key');
});

test('who acts must be said, and nobody is assumed', async () => {
  const { code, err } = await cli(['start', 'engine-trial', '--trial', 'gate', '--tag', 'x']);
  expect(code).toBe(2);
  expect(err).toContain('Ada Lovelace <ada@example.com>  operators');
  const named = await cli(['start', 'engine-trial', '--trial', 'step', '--tag', 'ENV'], {
    env: { RUNBOOK_AS: 'Ada' },
  });
  expect(named.code).toBe(0);
});

test('a claimed name is refused where it is not the local stack, and reading goes on', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  const env = { RUNBOOK_LOCAL: '0' };
  const refused = await cli(['approve', run, 'go', '--as', 'Grace'], { env });
  expect(refused).toMatchObject({ code: 5, err: expect.stringContaining('API token') as string });
  expect(
    (await cli(['start', 'engine-trial', '--trial', 'gate', '--tag', 'x', '--as', 'Ada'], { env })).code,
  ).toBe(5);
  expect((await cli(['status', run], { env })).code).toBe(0);
  expect((await picture(run)).gates[0]?.state).toBe('open');
});

test('a person who may not start a runbook is refused', async () => {
  const refused = await cli(['start', 'engine-trial', '--trial', 'gate', '--tag', 'x', '--as', 'Edsger']);
  expect(refused).toMatchObject({
    code: 5,
    err: expect.stringContaining('only members of "operators"') as string,
  });
});

test('the same request id is one run', async () => {
  const argv = [
    'start',
    'engine-trial',
    '--trial',
    'gate',
    '--tag',
    'x',
    '--as',
    'Ada',
    '--request-id',
    'cli-once',
  ];
  const first = await json<{ run: string; duplicate: boolean }>(argv);
  const second = await json<{ run: string; duplicate: boolean }>(argv);
  expect(second).toMatchObject({ run: first.run, duplicate: true });
});

test('a manual step is done with evidence from a file', async () => {
  const run = await begin('manual');
  await until(run, ({ questions }) => questions.length === 1);
  expect(await cli(['operate', run, 'by-hand', 'done', '--as', 'Ada'])).toMatchObject({
    code: 5,
    err: expect.stringContaining('Evidence is needed') as string,
  });
  const file = join(folder, 'proof.txt');
  writeFileSync(file, 'turned to the left at noon');
  const done = await cli(['operate', run, 'by-hand', 'done', '--as', 'Ada', '--evidence', `@${file}`]);
  expect(done.code).toBe(0);
  expect(done.out).toContain('Turn the key to the left.');
  await until(run, ({ state }) => state === 'completed');
  const { rows } = await lab.installation.pool.query<{ evidence: string }>(
    `SELECT body->>'evidence' AS evidence FROM engine.inbox WHERE run = $1 AND outcome->>'refused' IS NULL AND kind = 'operate'`,
    [run],
  );
  expect(rows).toEqual([{ evidence: 'turned to the left at noon' }]);
});

test('a step that nobody automated is done by hand with its result', async () => {
  const run = await begin('health');
  const { questions } = await until(run, (now) => now.questions.length === 1);
  const [question] = questions;
  const argv = ['operate', run, question?.id ?? '', 'done', '--as', 'Ada', '--evidence', 'looked'];
  expect(await cli([...argv, '--result', 'not json'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('--result is not JSON') as string,
  });
  expect(await cli([...argv, '--result', '{"passed":"yes"}'])).toMatchObject({
    code: 5,
    err: expect.stringContaining('result passed') as string,
  });
  expect((await cli([...argv, '--result', '{"passed":true,"failed":[]}'])).code).toBe(0);
  await until(run, ({ state }) => state === 'completed');
});

test('a run is cancelled with a reason, and what it did is shown as taken back', async () => {
  const run = await begin('undo', 'CLI');
  await gateOpen(run);
  expect((await cli(['cancel', run, '--as', 'Ada'])).code).toBe(5);
  expect((await cli(['cancel', run, '--as', 'Ada', '--reason', 'Not today'])).code).toBe(0);
  await until(run, ({ state }) => state === 'cancelled');
  const watched = await cli(['status', run, '--watch']);
  expect(watched.code).toBe(6);
  expect(watched.out).toContain('↺ Everything was taken back');
  expect(watched.out).toContain('Ada Lovelace cancels the run through cli: Not today');
  expect(watched.out).toContain('The run is over: cancelled');
});

test('escape sequences in what people wrote do not reach the terminal', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  const nasty = 'all well\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e\r\nrun.closed';
  expect((await cli(['note', run, nasty, '--as', 'Grace'])).code).toBe(0);
  const { out } = await cli(['ledger', run], { isTTY: true });
  expect(out).toContain('Grace Hopper noted through cli: all well');
  const ours = out.replace(/\u001b\[\d+m/g, '');
  expect(ours).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  expect(ours.split('\n').filter((line) => line.startsWith('run.closed'))).toEqual([]);
});

test('colours are for a terminal that wants them', async () => {
  const escape = '\u001b[';
  expect((await cli(['list'], { isTTY: true })).out).toContain(escape);
  expect((await cli(['list'], { isTTY: true, env: { NO_COLOR: '1' } })).out).not.toContain(escape);
  expect((await cli(['list'])).out).not.toContain(escape);
});

test('a secret is taken from standard input, stored once, and its value is shown nowhere', async () => {
  const value = 'AIza-canary-0123456789';
  const argv = ['secret', 'put', 'google/ai-api-key', '--key-id', 'k-7', '--as', 'Ada'];
  const first = await json<Record<string, unknown>>(argv, { stdin: `${value}\n` });
  expect(first).toMatchObject({
    ref: 'secret://google/ai-api-key@v2',
    state: 'pending',
    keyId: 'k-7',
    stored: true,
  });
  const again = await cli(argv, { stdin: value });
  expect(again.out).toContain('Stored already as secret://google/ai-api-key@v2');
  const list = await cli(['secret', 'list', 'google/ai-api-key']);
  expect(list.out).toContain(String(first['fingerprint']));
  expect(JSON.stringify([first, again, list])).not.toContain(value);

  expect((await cli(argv, { stdin: '' })).code).toBe(2);
  const misplaced = await cli(['secret', 'put', 'SK-LIVE_canary', '--as', 'Ada'], { stdin: '' });
  expect(misplaced.code).toBe(3);
  expect(misplaced.err).not.toContain('canary');
});

test('who handed in a secret is on record, once, without a word about its value', async () => {
  const put = (as: string[], env = {}) =>
    cli(['secret', 'put', 'google/ai-api-key', ...as], { stdin: 'AIza-recorded-canary', env });
  expect(await put([])).toMatchObject({ code: 2, err: expect.stringContaining('Say who acts') as string });
  const { out } = await put(['--as', 'Grace']);
  const version = Number(/@v(\d+)/.exec(out)?.[1]);
  await put(['--as', 'Grace']);
  await put([], { RUNBOOK_LOCAL: '0' });
  expect(await put(['--as', 'Grace'], { RUNBOOK_LOCAL: '0' })).toMatchObject({ code: 5 });
  const { ledger, directory } = lab.installation;
  const entries = (await ledger.read({ org: 'default', run: 'secrets/google/ai-api-key' }))
    .map(({ entry }) => entry)
    .filter((entry) => entry.kind === 'secret.stored' && entry.version === version);
  const common = { kind: 'secret.stored', secret: 'google/ai-api-key', version };
  expect(entries).toMatchObject([
    { ...common, person: await directory.personByName('Grace') },
    { ...common, person: null },
  ]);
  expect(JSON.stringify(entries)).not.toMatch(/canary|fingerprint/);
  expect((await cli(['ledger', 'secrets/google/ai-api-key'])).out).toContain(
    `Version ${version} of google/ai-api-key was handed in by Grace Hopper`,
  );
});

test('a secret that is typed is not echoed, can be corrected, and Ctrl-C stores nothing', async () => {
  const typed = async (keys: string): Promise<Answered & { modes: boolean[] }> => {
    const keyboard = new Keyboard();
    keyboard.write(keys);
    const answered = await cli(['secret', 'put', 'google/oauth-client-secret'], {
      stdin: keyboard,
      env: { RUNBOOK_AS: 'Ada' },
    });
    return { ...answered, modes: keyboard.modes };
  };
  const before = await json<[{ versions: unknown[] }]>(['secret', 'list', 'google/oauth-client-secret']);
  expect(await typed('half-typed\u0003')).toMatchObject({ code: 130, modes: [true, false] });
  expect(await json(['secret', 'list', 'google/oauth-client-secret'])).toEqual(before);
  const stored = await typed('GOCSPX-typex\u007fd-canary\r');
  expect(stored).toMatchObject({ code: 0, modes: [true, false] });
  expect(stored.out + stored.err).not.toContain('canary');
  const again = await cli(['secret', 'put', 'google/oauth-client-secret', '--as', 'Ada'], {
    stdin: 'GOCSPX-typed-canary',
  });
  expect(again.out).toContain('Stored already');
});

test('watching ends with Ctrl-C and the run goes on', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  const interrupt = new AbortController();
  const { code, out } = await cli(['status', run, '--watch'], {
    interrupt: interrupt.signal,
    onOut: (soFar) => {
      if (soFar.includes('Go on?')) interrupt.abort();
    },
  });
  expect(code).toBe(130);
  expect(out).toContain('The run goes on.');
  expect((await picture(run)).state).toBe('waiting');
});

test('a run that Temporal ended without a word is not watched for ever', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  await lab.live.workflow.getHandle(run).terminate('by a stranger');
  const { code, out } = await cli(['status', run, '--watch']);
  expect(code).toBe(6);
  expect(out).toContain('TERMINATED');
});

test('runs are listed with what waits for people', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  for (;;) {
    const listed = await json<{ run: string; awaitsApproval: boolean; state: string }[]>([
      'runs',
      '--open',
      '--limit',
      '500',
    ]);
    const found = listed.find((one) => one.run === run);
    if (found?.awaitsApproval === true) {
      expect(found.state).toBe('waiting');
      break;
    }
    await sleep(100);
  }
  expect((await cli(['runs', '--open', '--closed'])).code).toBe(2);
  expect((await cli(['runs', '--limit', 'many'])).code).toBe(2);
});

test('doctor finds a whole installation whole', async () => {
  const { code, out } = await cli(['doctor']);
  expect(out).not.toContain('✗');
  expect(out).toContain('Postgres');
  expect(out).toContain("can't change the record");
  expect(code).toBe(0);
});

test('with the stack down the first sentence says so, and what to do', async () => {
  const env = { DATABASE_URL: undefined, TEMPORAL_ADDRESS: undefined };
  for (const argv of [['runs'], ['status', 'x'], ['secret', 'list'], ['approve', 'x', 'y', '--as', 'Ada']]) {
    const { code, err } = await cli(argv, { env });
    expect(code).toBe(4);
    expect(err).toMatch(/^The local stack is not running\. Run `npm start`/);
  }
  const { code, out } = await cli(['doctor'], { env });
  expect(code).toBe(1);
  expect(out).toMatch(/^✗ Environment  The local stack is not running\. Run `npm start`/);
});

test('doctor names what is missing and what to do', async () => {
  const superuser = await cli(['doctor'], { env: { DATABASE_URL: lab.database.adminUrl } });
  expect(superuser.code).toBe(1);
  expect(superuser.out).toContain('is a superuser');
  const away = await cli(['doctor', '--json'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:9' } });
  expect(away.code).toBe(1);
  const { findings } = JSON.parse(away.out) as { findings: { part: string; state: string; todo?: string }[] };
  expect(findings.find(({ part }) => part === 'Temporal')).toMatchObject({
    state: 'fail',
    todo: expect.stringContaining('TEMPORAL_ADDRESS') as string,
  });
  const nothing = await cli(['doctor'], { env: { DATABASE_URL: undefined, TEMPORAL_ADDRESS: undefined } });
  expect(nothing.code).toBe(1);
  expect(nothing.out).toContain('npm start');
  expect(nothing.out).not.toContain(new URL(lab.database.appUrl).password);
});

test('a server that does not answer is exit code 4', async () => {
  const temporal = await cli(['runs'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:9' } });
  expect(temporal).toMatchObject({
    code: 4,
    err: expect.stringContaining('Temporal does not answer') as string,
  });
  const database = await cli(['status', 'default.engine-trial.20260101-00000000'], {
    env: { DATABASE_URL: 'postgres://runbook_app:hidden@127.0.0.1:9/runbook' },
  });
  expect(database.code).toBe(4);
  expect(database.err).not.toContain('hidden');
  const nothing = await json<{ error: { exitCode: number } }>(['runs'], { env: { DATABASE_URL: undefined } });
  expect(nothing.error.exitCode).toBe(4);
});

test('a rehearsal is told as it happens and ends as scripted', async () => {
  const { catalogue } = await import('../../worker/installation.js');
  const argv = ['rehearse', 'secret-rotation', '--rehearsal', 'openai key, scheduled'];
  const { code, out } = await cli(argv, { catalogue });
  expect(out).toContain('+00:20     ✓ Grace approved “Both keys of OpenAI API key are valid');
  expect(out).toContain('+00:20     ◷ Waiting until +1d 00:20: both keys are valid');
  expect(out).toContain('46 more times, all well');
  expect(out).toContain('+1d 00:20  ✓ Revoke the OpenAI key');
  expect(out).toContain('✓ As scripted: completed.');
  expect(code).toBe(0);
}, 120_000);

test('a rehearsal with another input says which answer its script lacks', async () => {
  const { catalogue } = await import('../../worker/installation.js');
  const argv = ['rehearse', 'secret-rotation', '--secret', 'google/ai-api-key', '--json'];
  const { code, out } = await cli(argv, { catalogue });
  expect(code).toBe(6);
  expect(out).toContain('has no answer for the question \\"create-by-hand\\"');
}, 120_000);

test('`npx runbook` works in the checkout, offline and with an empty cache of npm', async () => {
  const { stdout } = await promisify(execFile)('npx', ['runbook', 'list', '--json'], {
    cwd: ROOT,
    env: {
      ...process.env,
      npm_config_cache: join(folder, 'npm'),
      npm_config_registry: 'http://127.0.0.1:9/',
    },
  });
  expect((JSON.parse(stdout) as { command: string }[]).map(({ command }) => command)).toContain(
    'secret-rotation',
  );
});

test('a decision is delivered when no relay runs', async () => {
  await relay?.stop();
  relay = undefined;
  try {
    const run = await begin('gate');
    await gateOpen(run);
    expect((await cli(['approve', run, 'go', '--as', 'Grace'])).code).toBe(0);
    await until(run, ({ state }) => state === 'completed');
  } finally {
    relay = startTheRelay();
  }
});

test('a run that is over is shown within seconds when no worker has it, and its state is final', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  await cli(['approve', run, 'go', '--as', 'Grace']);
  await until(run, ({ state }) => state === 'completed');
  await worker?.stop();
  worker = undefined;
  try {
    const before = performance.now();
    const over = await picture(run);
    expect(performance.now() - before).toBeLessThan(6_000);
    expect(over).toMatchObject({
      source: 'ledger',
      state: 'completed',
      gates: [{ id: 'go', state: 'approved' }],
    });
    expect(over).not.toHaveProperty('stale');
    const { out } = await cli(['status', run]);
    expect(out).toContain('completed · live');
    expect(out).not.toContain('what happens now may not be in it');
  } finally {
    worker = await startWorker();
  }
});

test('without a worker the last known state is shown as such, and a decision waits and counts once', async () => {
  const run = await begin('gate');
  await gateOpen(run);
  await worker?.stop();
  worker = undefined;
  try {
    const stale = await picture(run);
    expect(stale).toMatchObject({ stale: true, state: 'waiting', gates: [{ id: 'go', state: 'open' }] });
    expect((await cli(['status', run])).out).toContain('No worker answers');
    const decided = await cli(['approve', run, 'go', '--as', 'Grace']);
    expect(decided).toMatchObject({
      code: 0,
      out: expect.stringContaining('the run will answer when a worker runs') as string,
    });
  } finally {
    worker = await startWorker();
  }
  const { gates } = await until(run, ({ state }) => state === 'completed');
  expect(gates[0]?.approvals).toHaveLength(1);
});
