import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { groupsOfEmail } from '../../config/access.js';
import { openConfiguration } from '../../config/index.js';
import { ConfigError } from '../../config/load.js';
import { isSecretName } from '../../activities/vault/ref.js';

const EXAMPLE = fileURLToPath(new URL('../../config', import.meta.url));

const ACCESS = `people:
  - { email: Ada@example.com, name: Ada Lovelace, slack: [U0ADA0001] }
  - { email: grace@example.com, name: Grace Hopper }
groups:
  operators: [ada@example.com]
  approvers: [grace@example.com]
  security: [grace@example.com]
  owners: [ada@example.com]
  on-call: [ada@example.com]
  legal: [grace@example.com]
  executives: [grace@example.com]
`;
const SECRETS = `secrets:
  openai/api-key:
    title: OpenAI API key
    variable: OPENAI_API_KEY
    provider: { kind: openai, project: proj_1 }
    deployedTo: [{ system: supabase, project: abcdefghijklmnopqrst }]
    checks: [ai-chat]
    rotateEveryDays: 90
    owners: owners
`;

let folder: string;
let logged: string[];
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const open = () =>
  openConfiguration(folder, {
    log: { error: (fields, message) => logged.push(`${message} ${JSON.stringify(fields)}`) },
  });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'runbook-config-'));
  logged = [];
  write('access.yaml', ACCESS);
  write('secrets.yaml', SECRETS);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the shipped example holds every secret of the inventory, with the shortest interval', () => {
  const { access, secrets } = openConfiguration(EXAMPLE);
  expect(Object.keys(access.get().groups)).toEqual(
    expect.arrayContaining(['operators', 'approvers', 'security', 'owners']),
  );
  const intervals = Object.fromEntries([...secrets.get().values()].map((s) => [s.id, s.rotateEveryDays]));
  expect(intervals).toEqual({
    'openai/api-key': 90,
    'supabase/service-role-key': 90,
    'keyring/token': 180,
    'google/ai-api-key': null,
    'stripe/secret-key': 90,
    'stripe/staging-test-key': null,
    'stripe/webhook-secret': 90,
    'resend/api-key': 90,
    'google/oauth-client-secret': null,
    'database/encryption-key': 90,
  });
  for (const id of secrets.get().keys()) expect(isSecretName(id), id).toBe(true);
  const secret = secrets.get().get('openai/api-key');
  expect(JSON.parse(JSON.stringify(secret))).toEqual(secret);
});

test('a reference of a runbook stands for the secret, an unknown one for nothing', () => {
  const configuration = open();
  expect(configuration.resolve('secrets/openai/api-key')).toMatchObject({
    id: 'openai/api-key',
    variable: 'OPENAI_API_KEY',
  });
  expect(configuration.resolve('secrets/none')).toBeUndefined();
  expect(configuration.resolve('passwords/openai/api-key')).toBeUndefined();
  write('services.yaml', 'services: {}');
  expect(configuration.references()).toEqual(['secrets/openai/api-key', 'notifications', 'escalation']);
});

test('groups changed in access.yaml count at the next look-up', () => {
  const { access } = open();
  expect(groupsOfEmail(access.get(), 'ada@example.com')).toEqual(['on-call', 'operators', 'owners']);
  write(
    'access.yaml',
    ACCESS.replace('approvers: [grace@example.com]', 'approvers: [grace@example.com, ada@example.com]'),
  );
  expect(groupsOfEmail(access.get(), 'ADA@example.com')).toEqual([
    'approvers',
    'on-call',
    'operators',
    'owners',
  ]);
});

test('a broken edit is logged once with its line, and the last good content stays in force', () => {
  const { access } = open();
  access.get();
  write('access.yaml', ACCESS.replace('operators: [ada@example.com]', 'operators: [ada@example.com'));
  expect(groupsOfEmail(access.get(), 'ada@example.com')).toContain('operators');
  access.get();
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain('access.yaml:6:');
  expect(access.problem()?.message).toContain('not valid YAML');
  write('access.yaml', ACCESS);
  expect(access.problem()).toBeUndefined();
});

test('a deleted file leaves the last good content in force', () => {
  const { access } = open();
  access.get();
  rmSync(join(folder, 'access.yaml'));
  expect(access.get().people).toHaveLength(2);
  expect(access.problem()?.message).toContain('does not exist');
});

function problemsOf(name: 'access.yaml' | 'secrets.yaml', text: string): readonly string[] {
  write(name, text);
  const configuration = open();
  try {
    (name === 'access.yaml' ? configuration.access : configuration.secrets).get();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the file was accepted');
}

test.each([
  [
    'a member who is nobody',
    ACCESS.replace('owners: [ada@', 'owners: [who@'),
    'access.yaml:8:12: groups.owners[0]: who@example.com is not listed under people',
  ],
  [
    'a group that nobody is in',
    ACCESS.replace('security: [grace@example.com]', 'security: []'),
    'access.yaml:7:3: groups.security: Group security needs at least one member',
  ],
  [
    'a missing group',
    ACCESS.replace('  owners: [ada@example.com]\n', ''),
    'access.yaml:4:1: groups.owners: Group owners needs',
  ],
  [
    'a person listed twice',
    ACCESS.replace('grace@example.com, name', 'ada@example.com, name'),
    'access.yaml:3:7: people[1].email: ada@example.com is listed twice',
  ],
  [
    'one Slack id for two people',
    ACCESS.replace('name: Grace Hopper', 'name: Grace Hopper, slack: [U0ADA0001]'),
    'access.yaml:3:61: people[1].slack[0]: Slack id U0ADA0001 already belongs to ada@example.com',
  ],
  [
    'a misspelt field',
    ACCESS.replace('slack: [', 'slak: ['),
    'access.yaml:2:51: people[0].slak is not known here',
  ],
  [
    'an address that is none',
    ACCESS.replace('Ada@example.com,', 'Ada,'),
    'access.yaml:2:7: people[0].email: This is not an e-mail address.',
  ],
  [
    'a key given twice',
    `${ACCESS}  owners: [ada@example.com]\n`,
    'access.yaml:12:3: not valid YAML: Map keys must be unique',
  ],
  ['an empty file', '', 'access.yaml:1:1: the file: must be a set of named fields'],
])('access.yaml: %s is named with file and line', (_, text, expected) => {
  expect(problemsOf('access.yaml', text).join('\n')).toContain(expected);
});

test.each([
  [
    'an owner group that does not exist',
    SECRETS.replace('owners: owners', 'owners: nobody'),
    'secrets.yaml:9:5: secrets.openai/api-key.owners: Group nobody is not in',
  ],
  [
    'a provider that does not exist',
    SECRETS.replace('kind: openai', 'kind: openia'),
    'secrets.yaml:5:17: secrets.openai/api-key.provider.kind:',
  ],
  [
    'no check that proves anything',
    SECRETS.replace('[ai-chat]', '[]'),
    'secrets.yaml:7:5: secrets.openai/api-key.checks: Name at least one health check',
  ],
  [
    'a test key that is not in the inventory',
    SECRETS.replace(
      '{ kind: openai, project: proj_1 }',
      '{ kind: stripe-key, type: secret, console: "https://dashboard.stripe.com", create: a, revoke: b, testKey: stripe/test }',
    ),
    'testKey: stripe/test is not in this inventory',
  ],
  [
    'a name that Supabase refuses',
    SECRETS.replace('OPENAI_API_KEY', 'SUPABASE_KEY'),
    'Supabase sets SUPABASE_KEY in its functions itself',
  ],
  [
    'two secrets in one place',
    SECRETS + SECRETS.replace('secrets:\n', '').replace('openai/api-key', 'openai/other'),
    'OPENAI_API_KEY is already set in this place by openai/api-key',
  ],
])('secrets.yaml: %s is named with file and line', (_, text, expected) => {
  expect(problemsOf('secrets.yaml', text).join('\n')).toContain(expected);
});

test('a group that is taken out of access.yaml while a secret names it is reported', () => {
  write('access.yaml', `${ACCESS}  crypto: [ada@example.com]\n`);
  write('secrets.yaml', SECRETS.replace('owners: owners', 'owners: crypto'));
  const { secrets } = open();
  expect(secrets.get().get('openai/api-key')?.owners).toBe('crypto');
  write('access.yaml', ACCESS);
  expect(secrets.get().get('openai/api-key')?.owners).toBe('crypto');
  expect(secrets.problem()?.message).toContain('Group crypto is not in');
});
