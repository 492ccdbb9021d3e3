import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createApplication } from '../../activities/application/index.js';
import type { Evidence } from '../../activities/application/runner/command.js';
import { redact } from '../../activities/redact.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { applicationSchema, type ApplicationConfig } from '../../config/application.js';
import { assertLeaksNothing, failureOf, stepContext } from '../helpers/vendor.js';

const OLD = 'the-old-encryption-key-+/=0123456789';
const NEW = 'the-new-encryption-key-+/=9876543210';
const vault = memoryVault();
let folder: string;
let evidence: Evidence[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'application-command-'));
  evidence = [];
  await vault.put('db/key', OLD, { key: 'old' });
  await vault.put('db/key', NEW, { key: 'new' });
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** The application whose verbs are node programs, given as their source. */
function application(verbs: Record<string, object>) {
  const config: ApplicationConfig = applicationSchema({}).parse({
    executables: ['node', 'missing-program'],
    verbs,
  });
  return createApplication({ config: () => config, vault, folder, evidence: (e) => void evidence.push(e) });
}
const program = (source: string, more: object = {}, ...args: string[]) => ({
  command: { argv: ['node', '-e', source, ...args], graceSeconds: 0.3, ...more },
});
const REENCRYPT = { secret: 'db/key', from: 'secret://db/key@v1', to: 'secret://db/key@v2' };
const secretEnv = { OLD_KEY: 'from', NEW_KEY: 'to' };
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const status = `/proc/${pid}/status`;
  // A process that has ended but was not waited for yet still has its number.
  return !existsSync(status) || !/^State:\s+Z/m.test(readFileSync(status, 'utf8'));
};
const lines = (name: string): string[] =>
  existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8').trim().split('\n') : [];
const written = async (name: string, count = 1): Promise<string[]> =>
  await vi.waitFor(() => {
    expect(lines(name).length).toBeGreaterThanOrEqual(count);
    return lines(name);
  }, 10_000);

describe('a command', () => {
  test('answers with its last line, and gets key and input in its environment', async () => {
    const app = application({
      errorRate: program(
        `console.log('measuring'); console.log(JSON.stringify({ratio: 0.25, requests: JSON.parse(process.env.RUNBOOK_INPUT).minutes, key: process.env.RUNBOOK_STEP_KEY}))`,
      ),
    });
    const step = stepContext();
    expect(await app.errorRate({ minutes: 30 }, step)).toEqual({ ratio: 0.25, requests: 30 });
    expect(step.heartbeats.length).toBeGreaterThan(0);
    expect(evidence).toMatchObject([{ verb: 'errorRate', exitCode: 0, key: step.key, truncated: false }]);
    expect(evidence[0]?.stdout).toContain(step.key);
  });

  test('gets no argument for an input that is not given', async () => {
    const source = `console.log(JSON.stringify({passed: false, failed: process.argv.slice(1)}))`;
    const app = application({
      health: program(source, {}, '--', '--environment={environment}', '{checks}'),
    });
    expect((await app.health({ checks: ['email'] }, stepContext())).failed).toEqual(['email']);
    expect((await app.health({ checks: ['email'], environment: 'dr' }, stepContext())).failed).toEqual([
      '--environment=dr',
      'email',
    ]);
  });

  test.each([
    '; rm -rf .',
    '$(touch injected)',
    '`touch injected`',
    '| touch injected',
    '--eval=1',
    '-rf',
    '"\'\\ \n*',
  ])('gets the input %j as one plain argument', async (component) => {
    const source = `console.log(JSON.stringify({deployment: JSON.stringify(process.argv.slice(1))}))`;
    const app = application({
      redeploy: { command: { argv: ['node', '-e', source, '--', '--name={component}', '{component}'] } },
    });
    const { deployment } = await app.redeploy({ component }, stepContext());
    expect(JSON.parse(deployment)).toEqual([`--name=${component}`, component]);
    expect(existsSync(join(folder, 'injected'))).toBe(false);
  });

  test('gets a list as several arguments', async () => {
    const source = `console.log(JSON.stringify({passed: false, failed: process.argv.slice(1)}))`;
    const app = application({ health: { command: { argv: ['node', '-e', source, '--', '{checks}'] } } });
    expect((await app.health({ checks: ['a b', '-c'] }, stepContext())).failed).toEqual(['a b', '-c']);
  });

  test('does not get the environment of the worker', async () => {
    process.env['CANARY_OF_THE_WORKER'] = 'canary-value';
    try {
      const source = `console.log(JSON.stringify({deployment: Object.keys(process.env).sort().join()}))`;
      const app = application({ redeploy: program(source, { env: { OWN: '1' } }) });
      const { deployment } = await app.redeploy({ component: 'api' }, stepContext());
      expect(deployment.split(',')).toEqual(expect.arrayContaining(['OWN', 'PATH', 'RUNBOOK_STEP_KEY']));
      expect(deployment).not.toContain('CANARY');
    } finally {
      delete process.env['CANARY_OF_THE_WORKER'];
    }
  });

  test('gets secret values in its environment, and they are in no output, error or result', async () => {
    const show = `
      const both = [process.env.OLD_KEY, process.env.NEW_KEY];
      const forms = both.flatMap((v) => [v, encodeURIComponent(v), Buffer.from(v).toString('base64'), Buffer.from('x' + v).toString('hex')]);
      if (both.join() !== ${JSON.stringify(`${OLD},${NEW}`)}) process.exit(9);
      console.log(forms.join('\\n')); console.error(forms.join(' '), 'sk_live_0123456789abcdefghij');`;
    const app = application({
      reencrypt: program(`${show} console.log(JSON.stringify({fields: 3, note: process.env.NEW_KEY}))`, {
        secretEnv,
      }),
    });
    expect(await app.reencrypt(REENCRYPT, stepContext())).toEqual({ fields: 3 });
    assertLeaksNothing(evidence, [OLD, NEW, 'sk_live_0123456789abcdefghij']);
    expect(evidence[0]?.stdout).toContain('[redacted]');

    const failing = application({ reencrypt: program(`${show} process.exit(2)`, { secretEnv }) });
    const failure = await failureOf(failing.reencrypt(REENCRYPT, stepContext()));
    expect(failure).toMatchObject({ type: 'CommandFailed', nonRetryable: true });
    expect(failure.message).toContain('exit code 2: [redacted]');
    assertLeaksNothing(failure, [OLD, NEW, 'sk_live_0123456789abcdefghij']);

    const leaking = application({
      redeploy: program(`console.log(JSON.stringify({deployment: 'whsec_0123456789abcdefghijkl'}))`),
    });
    expect(await leaking.redeploy({ component: 'api' }, stepContext())).toEqual({ deployment: '[redacted]' });
  });

  test('that prints more than is kept loses the start, never half a line, and still answers', async () => {
    const source = `for (let i = 0; i < 60000; i++) console.log('line ' + i + ' ' + process.env.OLD_KEY); console.log(JSON.stringify({fields: 1}))`;
    const app = application({ reencrypt: program(source, { secretEnv }) });
    expect(await app.reencrypt(REENCRYPT, stepContext())).toEqual({ fields: 1 });
    expect(evidence[0]).toMatchObject({ truncated: true });
    expect(evidence[0]?.stdout).toMatch(/^line \d+ \[redacted\]\n/);
  });

  test.each([
    [
      'an exit code',
      `console.error('the disk is full'); process.exit(3)`,
      'CommandFailed',
      true,
      'exit code 3: the disk is full',
    ],
    ['exit code 75', `process.exit(75)`, 'CommandFailed', false, 'tried again'],
    ['a signal', `process.kill(process.pid, 'SIGKILL')`, 'CommandEnded', false, 'SIGKILL'],
    ['no JSON', `console.log('done')`, 'UnexpectedAnswer', true, 'not JSON'],
    ['another shape', `console.log('{"fields":"many"}')`, 'UnexpectedAnswer', true, 'fields: invalid_type'],
  ])('that ends with %s fails clearly', async (_name, source, type, final, sentence) => {
    const failure = await failureOf(
      application({ reencrypt: program(source) }).reencrypt(REENCRYPT, stepContext()),
    );
    expect([failure.type, failure.nonRetryable ?? false]).toEqual([type, final]);
    expect(failure.message).toContain(sentence);
  });

  test('that is not installed, or whose folder is missing, fails clearly', async () => {
    const app = application({
      redeploy: { command: { argv: ['missing-program'] } },
      fileIncidentReport: program('', { cwd: 'no-such-folder' }),
    });
    expect((await failureOf(app.redeploy({ component: 'a' }, stepContext()))).message).toContain(
      'not on the PATH',
    );
    const report = app.fileIncidentReport({ title: 't', summary: 's' }, stepContext());
    expect((await failureOf(report)).message).toContain('no-such-folder does not exist');
  });
});

/** Ignores SIGTERM, as does its child; both write their numbers to `pids`. */
const STUBBORN = `
  process.on('SIGTERM', () => {});
  const { spawn } = require('node:child_process');
  const { appendFileSync } = require('node:fs');
  appendFileSync('pids', process.pid + '\\n');
  if (process.argv[1] !== 'child') spawn(process.execPath, ['-e', process.env.SOURCE, 'child'], { stdio: 'inherit' });
  setInterval(() => {}, 1000);`;
const stubborn = (more: object = {}) => program(STUBBORN, { env: { SOURCE: STUBBORN }, ...more });

describe('a command that ignores SIGTERM, and its child,', () => {
  test('are killed at the time-out', async () => {
    const app = application({ redeploy: stubborn({ timeoutSeconds: 2 }) });
    const failure = await failureOf(app.redeploy({ component: 'api' }, stepContext()));
    expect([failure.type, failure.nonRetryable ?? false]).toEqual(['CommandTimedOut', false]);
    expect(lines('pids')).toHaveLength(2);
    expect(lines('pids').map(Number).filter(alive)).toEqual([]);
  });

  test('are killed when the step is cancelled', async () => {
    const app = application({ redeploy: stubborn() });
    const step = stepContext();
    const ended = app.redeploy({ component: 'api' }, step).then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.name : 'other'),
    );
    await written('pids', 2);
    step.abort();
    expect(await ended).toBe('AbortError');
    expect(lines('pids').map(Number).filter(alive)).toEqual([]);
  });

  test('are killed before another attempt of the same step starts', async () => {
    const app = application({ redeploy: stubborn() });
    const step = stepContext();
    const first = failureOf(app.redeploy({ component: 'api' }, step));
    const pids = (await written('pids', 2)).map(Number);
    const quick = application({
      redeploy: program(`
        const alive = ${JSON.stringify(pids)}.filter((pid) => { try { process.kill(pid, 0); return !/^State:\\s+Z/m.test(require('node:fs').readFileSync('/proc/' + pid + '/status', 'utf8')); } catch { return false; } });
        console.log(JSON.stringify({deployment: 'alive: ' + alive.length}))`),
    });
    expect(await quick.redeploy({ component: 'api' }, { ...step, attempt: 2 })).toEqual({
      deployment: 'alive: 0',
    });
    expect(await first).toMatchObject({ type: 'CommandEnded' });
  });

  test('are killed when the worker dies without a word', async () => {
    const worker = `
      import { startProcess } from ${JSON.stringify(new URL('../../activities/application/runner/process.ts', import.meta.url).href)};
      startProcess({ argv: ['node', '-e', process.env.SOURCE], cwd: process.cwd(), env: process.env, graceMs: 300, limit: 1000 });`;
    const child = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', worker],
      { cwd: folder, env: { ...process.env, SOURCE: STUBBORN }, stdio: 'ignore' },
    );
    const pids = (await written('pids', 2)).map(Number);
    expect(pids.filter(alive)).toHaveLength(2);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(pids.filter(alive)).toEqual([]), 10_000);
  });
});

test('what a command leaves running behind it is ended with it', async () => {
  const source = `
    const { spawn } = require('node:child_process');
    const left = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    console.log(JSON.stringify({deployment: String(left.pid)})); process.exit(0);`;
  const { deployment } = await application({ redeploy: program(source) }).redeploy(
    { component: 'a' },
    stepContext(),
  );
  expect(alive(Number(deployment))).toBe(false);
});

test('redaction finds values within other encodings and leaves innocent text', () => {
  const value = 'a secret/value+with=signs and "quotes"';
  const text = [
    value,
    JSON.stringify({ value }),
    encodeURIComponent(value),
    Buffer.from(value).toString('base64url'),
  ];
  const redacted = redact(`${text.join('\n')}\n3 fields of database/encryption-key, INC-12`, [value]);
  assertLeaksNothing(redacted, [value]);
  expect(redacted).toContain('3 fields of database/encryption-key, INC-12');
  expect(redact('postgres://app:hunter22@db/x Bearer abcdefghijkl', [])).toBe(
    'postgres://app:[redacted]@db/x [redacted]',
  );
});
