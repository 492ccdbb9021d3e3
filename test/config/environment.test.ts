import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EnvironmentError, readEnvironment } from '../../config/environment.js';
import { self } from '../../local/processes.js';

const COMPLETE = {
  DATABASE_URL: 'postgres://runbook_app:app-password@db:5432/runbook',
  TEMPORAL_ADDRESS: 'temporal:7233',
};

let folder: string;
let stackFile: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'runbook-environment-'));
  stackFile = join(folder, 'stack.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const publish = (more: object = {}) =>
  writeFileSync(
    stackFile,
    JSON.stringify({
      ...self(),
      adminUrl: 'postgres://postgres@127.0.0.1:5001/runbook',
      temporalAddress: '127.0.0.1:5002',
      liveNamespace: 'live',
      rehearsalNamespace: 'rehearsal',
      canSkipTime: true,
      extra: {
        databaseUrl: 'postgres://runbook_app@127.0.0.1:5001/runbook',
        simulatorsUrl: 'http://127.0.0.1:5003',
      },
      ...more,
    }),
  );

function problems(env: Record<string, string>): string {
  try {
    readEnvironment(env, stackFile);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.message;
    throw error;
  }
  throw new Error('the environment was accepted');
}

test('every missing and wrong variable is named at once, and no value', () => {
  const message = problems({
    DATABASE_ADMIN_URL: 'mysql://root:hunter2@db/x',
    RUNBOOK_LOCAL: 'perhaps',
    OPENAI_BASE_URL: 'http://evil.example/hunter2',
  });
  expect(message).toContain('DATABASE_URL is not set');
  expect(message).toContain('TEMPORAL_ADDRESS is not set');
  expect(message).toContain('DATABASE_ADMIN_URL must be a PostgreSQL URL');
  expect(message).toContain('RUNBOOK_LOCAL must be 1 or 0');
  expect(message).toContain('OPENAI_BASE_URL must be an https URL');
  expect(message).toContain('npm start');
  expect(message).not.toContain('hunter2');
});

test('a production environment accepts no claimed identity and has no simulators', () => {
  publish();
  const environment = readEnvironment({ ...COMPLETE, OPENAI_ADMIN_KEY: 'sk-admin-1' }, stackFile);
  expect(environment).toMatchObject({
    org: 'default',
    local: false,
    acceptedAssurances: ['slack', 'token', 'step-up'],
    simulatorsUrl: undefined,
    adminUrl: undefined,
    vendors: { openai: { credential: 'sk-admin-1', baseUrl: undefined } },
  });
  expect(environment.temporal.live).toMatchObject({
    connectionOptions: { address: 'temporal:7233' },
    namespace: 'default',
  });
  expect(environment.temporal.rehearsal.namespace).toBe('rehearsal');
});

test('an API key of the environment never goes to the local stack, nor to another rehearsal server', () => {
  publish();
  const onStack = readEnvironment({ TEMPORAL_API_KEY: 'secret' }, stackFile).temporal.live.connectionOptions;
  expect(onStack).toMatchObject({ address: '127.0.0.1:5002' });
  expect(JSON.stringify(onStack)).not.toContain('secret');
  const elsewhere = readEnvironment(
    { ...COMPLETE, TEMPORAL_API_KEY: 'secret', REHEARSAL_TEMPORAL_ADDRESS: 'other:7233' },
    stackFile,
  ).temporal;
  expect(elsewhere.live.connectionOptions).toMatchObject({ apiKey: 'secret' });
  expect(elsewhere.rehearsal.connectionOptions).toEqual({ address: 'other:7233' });
});

test('what is not set comes from the local stack that runs', () => {
  publish();
  const environment = readEnvironment({}, stackFile);
  expect(environment).toMatchObject({
    databaseUrl: 'postgres://runbook_app@127.0.0.1:5001/runbook',
    adminUrl: 'postgres://postgres@127.0.0.1:5001/runbook',
    local: true,
  });
  expect(environment.acceptedAssurances).toContain('claimed');
  expect(environment.simulatorsUrl?.href).toBe('http://127.0.0.1:5003/');
  expect(environment.temporal.live).toMatchObject({
    connectionOptions: { address: '127.0.0.1:5002' },
    namespace: 'live',
  });
});

test('a stack that was killed is not believed', () => {
  publish({ started: 'long ago' });
  expect(problems({})).toContain('DATABASE_URL is not set');
});

test('a stack that is still starting is named', () => {
  publish({ extra: {} });
  expect(problems({})).toContain('still starting');
});

test('live runs may not be put into the rehearsal namespace', () => {
  expect(problems({ ...COMPLETE, TEMPORAL_NAMESPACE: 'rehearsal' })).toContain(
    'TEMPORAL_NAMESPACE is rehearsal',
  );
});
