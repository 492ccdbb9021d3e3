import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createSteps, type Steps } from '../../activities/index.js';
import { Redactor } from '../../activities/redactor.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { EnvironmentError, readEnvironment } from '../../config/environment.js';
import { emailSimulator, sentEmails } from '../../simulators/email.js';
import { githubSimulator } from '../../simulators/github.js';
import { pagerdutyAlerts, pagerdutySimulator } from '../../simulators/pagerduty.js';
import { sentTexts, smsSimulator } from '../../simulators/sms.js';
import { audiencesOf, rehearsedAudiences } from '../../worker/messaging.js';
import { liveSystems, worldSystems } from '../../worker/systems.js';
import { failureOf, runVerb, useSimulators } from '../helpers/vendor.js';
import { smtpSink } from './smtp-sink.js';

const vendor = useSimulators(emailSimulator, githubSimulator, pagerdutySimulator, smsSimulator);
const DATABASE_URL = 'postgres://nobody@127.0.0.1:1/nowhere';
const COMPLETE = { DATABASE_URL, TEMPORAL_ADDRESS: '127.0.0.1:1' };
const NOWHERE = '/nowhere/stack.json';

const vendorsOf = (env: Record<string, string>) => readEnvironment({ ...COMPLETE, ...env }, NOWHERE).vendors;

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    vendorsOf(env);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems;
    throw error;
  }
  return [];
}

/** The steps of a worker with these variables; `simulated`: on the local stack. */
async function liveSteps(variables: Record<string, string>, simulated = false): Promise<Steps> {
  const folder = await mkdtemp(join(tmpdir(), 'messaging-'));
  const pool = new Pool({ connectionString: DATABASE_URL });
  onTestFinished(async () => {
    await pool.end();
    await rm(folder, { recursive: true });
  });
  const keyFile = join(folder, 'vault.key');
  await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
  const unused = (): never => expect.fail('this configuration is not read');
  const simulatorsUrl = new URL(vendor.url('email').href.replace(/\/w\/.*$/, ''));
  const systems = await liveSystems({
    environment: {
      ...readEnvironment({ ...COMPLETE, ...variables, VAULT_KEY_FILE: keyFile }, NOWHERE),
      simulatorsUrl: simulated ? simulatorsUrl : undefined,
    },
    pool,
    ledger: {} as never,
    application: unused,
    databases: unused,
    notifications: () => ({
      addresses: { 'on-call': { emails: ['ada@example.com'], phones: ['+15550100'] } },
      audiences: {},
      statusPage: { sev1: 'critical', sev2: 'major', sev3: 'minor', sev4: 'none' },
    }),
    redactor: new Redactor(),
  });
  return createSteps(systems);
}

const page = { summary: 'Down', severity: 'critical' };
const mail = { audience: 'on-call', subject: 'Down', body: 'Down.' };
const dispatched = { repository: 'acme/shop', workflow: 'restore.yml', ref: 'main', inputs: {} };

test('without a credential every step stops for a person, and names the variables', async () => {
  const steps = await liveSteps({});
  for (const [variable, call] of [
    ['PAGERDUTY_ROUTING_KEY', () => runVerb(steps.pagerduty.trigger, page)],
    ['PAGERDUTY_API_TOKEN', () => runVerb(steps.pagerduty.onCall, {})],
    ['SMTP_URL', () => runVerb(steps.email.send, mail)],
    ['SMS_WEBHOOK_TOKEN', () => runVerb(steps.sms.send, { audience: 'on-call', text: 'Down' })],
    ['GITHUB_TOKEN', () => runVerb(steps.github.dispatch, dispatched)],
  ] as const) {
    const failure = await failureOf(call());
    expect(failure).toMatchObject({ type: 'NoCredential', nonRetryable: true });
    expect(failure.message).toContain(variable);
  }
});

test('on the local stack what has no credential is simulated, with the audiences of the file', async () => {
  const steps = await liveSteps({}, true);
  expect(await runVerb(steps.email.send, mail)).toEqual({ messages: 1 });
  expect(await runVerb(steps.sms.send, { audience: 'on-call', text: 'Down' })).toEqual({ messages: 1 });
  expect((await runVerb(steps.pagerduty.trigger, page)).dedupKey).not.toBe('');
  expect((await runVerb(steps.github.dispatch, dispatched)).conclusion).toBe('success');
});

test('on the local stack a real routing key does not go with simulated look-ups', async () => {
  const steps = await liveSteps({ PAGERDUTY_ROUTING_KEY: 'real-routing-key' }, true);
  expect((await failureOf(runVerb(steps.pagerduty.onCall, {}))).type).toBe('NoCredential');
});

test('e-mail goes by SMTP where SMTP_URL is set', async () => {
  const sink = await smtpSink();
  const steps = await liveSteps({ SMTP_URL: sink.url, EMAIL_FROM: 'Runbooks <runbooks@example.com>' });
  expect(await runVerb(steps.email.send, mail)).toEqual({ messages: 1 });
  expect(sink.taken.map(({ to }) => to)).toEqual(['ada@example.com']);
});

test('a rehearsal reaches every system, and nobody', async () => {
  const steps = createSteps(worldSystems((system) => vendor.url(system), memoryVault()));
  const { world } = vendor;
  await runVerb(steps.pagerduty.trigger, page);
  await runVerb(steps.email.send, { audience: 'ops-team', subject: 'Down', body: 'Down.' });
  await runVerb(steps.sms.send, { audience: 'on-call', text: 'Down' });
  await runVerb(steps.github.dispatch, dispatched);
  expect((await runVerb(steps.pagerduty.onCall, {})).people).toBe(1);
  expect(pagerdutyAlerts(world)).toHaveLength(1);
  expect(sentEmails(world).map(({ to }) => to)).toEqual(['ops-team@rehearsal.invalid']);
  expect(sentTexts(world).map(({ to }) => to)).toEqual([expect.stringMatching(/^\+999\d{8}$/)]);
  expect(world.effects.map(({ system, subject }) => `${system}: ${subject}`)).toEqual([
    'pagerduty: critical',
    'email: ops-team',
    expect.stringMatching(/^sms: [0-9a-f]{12}$/),
    'github: acme/shop restore.yml',
  ]);
});

test('a number of a rehearsal is the same in every rehearsal', async () => {
  expect(await rehearsedAudiences.phones('on-call')).toEqual(await rehearsedAudiences.phones('on-call'));
  expect(await rehearsedAudiences.phones('on-call')).not.toEqual(await rehearsedAudiences.phones('legal'));
});

test('an audience is what the file says at the moment of sending', async () => {
  let emails = ['a@example.com'];
  const audiences = audiencesOf(() => ({
    addresses: { legal: { emails, phones: ['+15550100'] } },
    audiences: {},
    statusPage: { sev1: 'critical', sev2: 'major', sev3: 'minor', sev4: 'none' },
  }));
  emails = ['b@example.com'];
  expect(await audiences.emails('legal')).toEqual(['b@example.com']);
  expect(await audiences.phones('legal')).toEqual(['+15550100']);
  expect(await audiences.emails('nobody')).toEqual([]);
});

test('credentials come from the environment, each vendor for itself', () => {
  expect(vendorsOf({})).toEqual({});
  expect(
    vendorsOf({
      PAGERDUTY_API_TOKEN: 'token',
      SMTP_URL: 'smtps://user:pass@mail.example.com:465',
      EMAIL_FROM: 'Runbooks <runbooks@example.com>',
      SMS_WEBHOOK_URL: 'https://sms.example.com/messages',
      SMS_WEBHOOK_TOKEN: 'bearer',
      GITHUB_TOKEN: 'pat',
      GITHUB_API_URL: 'https://github.example.com/api/v3',
    }),
  ).toMatchObject({
    'pagerduty-api': { credential: 'token' },
    email: { credential: 'smtps://user:pass@mail.example.com:465', id: 'Runbooks <runbooks@example.com>' },
    sms: { credential: 'bearer', baseUrl: new URL('https://sms.example.com/messages') },
    github: { credential: 'pat', baseUrl: new URL('https://github.example.com/api/v3') },
  });
});

test('e-mail in two ways, without a sender, or by something else than SMTP is refused at the start, without values', () => {
  const problems = [
    ...problemsOf({ RESEND_API_KEY: 're_hunter2', SMTP_URL: 'smtps://u:hunter2@h', EMAIL_FROM: 'a@b' }),
    ...problemsOf({ RESEND_API_KEY: 're_hunter2' }),
    ...problemsOf({ SMTP_URL: 'https://u:hunter2@h', EMAIL_FROM: 'a@b' }),
  ];
  expect(problems).toEqual([
    expect.stringContaining('SMTP_URL and RESEND_API_KEY are both set'),
    expect.stringContaining('EMAIL_FROM is not set'),
    expect.stringContaining('SMTP_URL must be an SMTP URL'),
  ]);
  expect(problems.join()).not.toContain('hunter2');
});
