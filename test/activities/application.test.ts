import { beforeEach, describe, expect, test } from 'vitest';
import { byHand } from '../../activities/application/by-hand.js';
import type { Application } from '../../activities/application/contract.js';
import { applicationOver, createApplication } from '../../activities/application/index.js';
import { applicationSteps } from '../../activities/application/steps.js';
import type { Systems } from '../../activities/index.js';
import type { Vault } from '../../activities/vault/contract.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { applicationSchema, type ApplicationConfig } from '../../config/application.js';
import { parseConfig } from '../../config/load.js';
import { applicationSimulator, seedApplication } from '../../simulators/application.js';
import {
  assertLeaksNothing,
  assertRetries,
  fakeVendorAnswering,
  failureOf,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';
import { GITHUB_SIM_TOKEN, githubSimulator, type GithubState } from './application-github-simulator.js';

const vendors = useSimulators(applicationSimulator, githubSimulator);
const OLD = 'the-old-webhook-secret-0123456789';
const NEW = 'the-new-webhook-secret-9876543210';
let vault: Vault;

beforeEach(async () => {
  vault = memoryVault();
  await vault.put('stripe/webhook-secret', OLD, { key: 'old' });
  await vault.put('stripe/webhook-secret', NEW, { key: 'new' });
  const { ref } = await vault.put('ops/github-token', GITHUB_SIM_TOKEN, { key: 'token' });
  await vault.promote(ref);
});

const steps = (application: Application) => applicationSteps({ application } as Systems);
const simulated = () => steps(applicationOver({ baseUrl: vendors.url('application'), vault }));
const configured = (verbs: Record<string, object>, more: object = {}) => {
  const config: ApplicationConfig = applicationSchema({}).parse({ verbs, ...more });
  return steps(createApplication({ config: () => config, vault, folder: '.' }));
};
const REFS = { from: 'secret://stripe/webhook-secret@v1', to: 'secret://stripe/webhook-secret@v2' };
const SINCE = { since: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z' };

describe('the application of a rehearsal', () => {
  test('answers every verb as it was prepared', async () => {
    seedApplication(vendors.world, {
      errorRates: [0.01, 0.2],
      failingChecks: [['email'], []],
      encryptedFields: 40,
      unreadableFields: 2,
      logMatches: { '0123456789abcdef': 3 },
    });
    const app = simulated();
    const secret = 'database/encryption-key';
    expect(
      await runVerb(app.health, { checks: ['email', 'payments'] }, stepContext({ stepId: 'g0' })),
    ).toEqual({
      passed: false,
      failed: ['email'],
    });
    expect((await runVerb(app.health, { checks: ['email'] }, stepContext({ stepId: 'h' }))).passed).toBe(
      true,
    );
    const rates = [];
    for (const stepId of ['a', 'b', 'c']) {
      rates.push((await runVerb(app.errorRate, { minutes: 30 }, stepContext({ stepId }))).ratio);
    }
    expect(rates).toEqual([0.01, 0.2, 0.2]);
    expect(await runVerb(app.redeploy, { component: 'api' }, stepContext({ stepId: 'd' }))).toEqual({
      deployment: 'api-1',
    });
    expect(await runVerb(app.verifyEncrypted, { secret, ref: REFS.from })).toEqual({
      total: 40,
      unreadable: 2,
    });
    expect(await runVerb(app.reencrypt, { secret, ...REFS }, stepContext({ stepId: 'e' }))).toEqual({
      fields: 38,
    });
    expect(await runVerb(app.verifyEncrypted, { secret, ref: REFS.from })).toEqual({
      total: 40,
      unreadable: 40,
    });
    expect(await runVerb(app.verifyEncrypted, { secret, ref: REFS.to })).toEqual({
      total: 40,
      unreadable: 2,
    });
    const both = { secret: 'stripe/webhook-secret', current: REFS.from, next: REFS.to };
    expect(await runVerb(app.acceptBoth, both, stepContext({ stepId: 'f' }))).toBeUndefined();
    expect((await runVerb(app.searchLogs, { fingerprint: '0123456789abcdef', ...SINCE })).matches).toBe(3);
    expect((await runVerb(app.searchLogs, { fingerprint: 'f'.repeat(16), ...SINCE })).matches).toBe(0);
    const report = { title: 'Key leaked', summary: 'It was in a public repository.' };
    expect(await runVerb(app.fileIncidentReport, report, stepContext({ stepId: 'g' }))).toEqual({
      id: 'INC-1',
    });
    expect(vendors.world.effects.map(({ what, subject }) => `${what}: ${subject}`)).toEqual([
      'component deployed: api',
      'fields re-encrypted: database/encryption-key',
      'webhook secrets accepted: stripe/webhook-secret',
      'incident report filed: Key leaked',
    ]);
  });

  test('acts once when the answer was lost', async () => {
    seedApplication(vendors.world, { failingChecks: [['email'], []] });
    const operations = [
      'application.redeploy',
      'application.reencrypt',
      'application.fileIncidentReport',
      'application.health',
    ];
    for (const operation of operations) vendors.world.fail({ operation, point: 'after' });
    const app = simulated();
    await runWithRetries(app.redeploy, { component: 'api' }, stepContext({ stepId: 'a' }));
    await runWithRetries(app.reencrypt, { secret: 'db/key', ...REFS }, stepContext({ stepId: 'b' }));
    await runWithRetries(app.fileIncidentReport, { title: 't', summary: 's' }, stepContext({ stepId: 'c' }));
    const health = await runWithRetries(app.health, { checks: ['email'] }, stepContext({ stepId: 'd' }));
    expect(health.failed).toEqual(['email']);
    expect(operations.map((operation) => vendors.world.injected(operation))).toEqual([1, 1, 1, 1]);
    expect(vendors.world.effects).toHaveLength(3);
  });

  test('statuses are retried or not as for every vendor', async () => {
    const app = applicationOver({ baseUrl: vendors.url('application'), vault });
    await assertRetries({
      world: vendors.world,
      operation: 'application.health',
      call: () => app.health({ checks: ['email'] }, stepContext()),
      secrets: [OLD],
    });
  });

  test('sees references, never values', async () => {
    const app = simulated();
    await runVerb(app.acceptBoth, { secret: 'stripe/webhook-secret', current: REFS.from, next: REFS.to });
    await runVerb(app.reencrypt, { secret: 'db/key', ...REFS }, stepContext({ stepId: 'b' }));
    expect(vendors.world.requests).toHaveLength(2);
    assertLeaksNothing(vendors.world.requests, [OLD, NEW]);
  });

  test('a malformed answer is refused without being quoted', async () => {
    const fake = await fakeVendorAnswering({ body: { ratio: 'a-secret-looking-answer', requests: 1 } });
    const app = configured({ errorRate: { http: { url: fake.url.href } } });
    const failure = await failureOf(runVerb(app.errorRate, { minutes: 5 }));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
    expect(failure.message).toContain('ratio: invalid_type');
    assertLeaksNothing(failure, ['a-secret-looking-answer']);
  });
});

describe('a verb over HTTP', () => {
  test('carries secrets in header and body where the configuration says so, and no error shows them', async () => {
    const fake = await fakeVendorAnswering({ status: 422, body: { echoed: [GITHUB_SIM_TOKEN, NEW] } });
    const app = configured({
      acceptBoth: {
        http: {
          url: fake.url.href,
          secretHeaders: { authorization: { secret: 'ops/github-token', prefix: 'Bearer ' } },
          secretBody: { nextSecret: 'next' },
        },
      },
    });
    const input = { secret: 'stripe/webhook-secret', current: REFS.from, next: REFS.to };
    const failure = await failureOf(runVerb(app.acceptBoth, input));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    assertLeaksNothing(failure, [GITHUB_SIM_TOKEN, NEW, OLD]);
    const [request] = fake.requests;
    expect(request?.headers['authorization']).toBe(`Bearer ${GITHUB_SIM_TOKEN}`);
    expect(JSON.parse(request?.body ?? '')).toEqual({ ...input, nextSecret: NEW });
  });

  test('an attempt of a verb that may not be repeated goes to a person when it was lost', async () => {
    const fake = await fakeVendorAnswering({ body: { id: 'INC-1' } });
    const app = configured({ fileIncidentReport: { http: { url: fake.url.href, repeatable: false } } });
    const input = { title: 't', summary: 's' };
    expect(await runVerb(app.fileIncidentReport, input, stepContext({ attempt: 1 }))).toEqual({
      id: 'INC-1',
    });
    const failure = await failureOf(runVerb(app.fileIncidentReport, input, stepContext({ attempt: 2 })));
    expect(failure.type).toBe('OutcomeUnknown');
    expect(fake.requests).toHaveLength(1);
  });
});

describe('a verb by a GitHub workflow', () => {
  const state = (): GithubState => vendors.world.state('github', githubSimulator.initialState);
  const redeploy = (more: object = {}) =>
    configured({
      redeploy: {
        github: {
          repository: 'acme/shop',
          workflow: 'redeploy.yml',
          token: 'ops/github-token',
          baseUrl: vendors.url('github').href,
          inputs: { component: 'component' },
          result: { deployment: '{run_id}' },
          pollSeconds: 0.02,
          ...more,
        },
      },
    }).redeploy;
  const input = { component: 'api' };

  test('is followed to its end', async () => {
    const step = stepContext();
    expect(await runVerb(redeploy(), input, step)).toEqual({ deployment: '1000' });
    expect(step.heartbeats.length).toBeGreaterThan(0);
    expect(state().runs).toMatchObject([{ left: 0, inputs: { component: 'api' } }]);
  });

  test('is found by its correlation id where GitHub does not say which run it started', async () => {
    Object.assign(state(), { answersRunDetails: false, hiddenFor: 4 });
    expect(await runVerb(redeploy(), input)).toEqual({ deployment: '1000' });
    expect(state().runs).toHaveLength(1);
  });

  test('is dispatched once when the answer was lost, also when it is listed late', async () => {
    vendors.world.fail({ operation: 'github.dispatch', point: 'after' });
    const step = stepContext();
    expect((await failureOf(runVerb(redeploy(), input, step))).type).toBe('VendorUnavailable');
    state().hiddenFor = 2;
    expect(await runVerb(redeploy(), input, { ...step, attempt: 2 })).toEqual({ deployment: '1000' });
    expect(vendors.world.injected('github.dispatch')).toBe(1);
    expect(state().runs).toHaveLength(1);
  });

  test('that fails goes to a person with its address; a retry by a person starts it again', async () => {
    state().conclusions = ['failure', 'success'];
    const failure = await failureOf(runVerb(redeploy(), input));
    expect(failure).toMatchObject({ type: 'WorkflowRunFailed', nonRetryable: true });
    expect(failure.message).toContain('https://github.com/acme/shop/actions/runs/1000');
    expect((await failureOf(runVerb(redeploy(), input, stepContext({ attempt: 2 })))).type).toBe(
      'WorkflowRunFailed',
    );
    expect(await runVerb(redeploy(), input)).toEqual({ deployment: '1001' });
  });

  test('that takes too long goes to a person; a retry goes on following it', async () => {
    state().questions = 200;
    const failure = await failureOf(runVerb(redeploy({ timeoutSeconds: 1, pollSeconds: 0.2 }), input));
    expect(failure).toMatchObject({ type: 'WorkflowRunTimedOut', nonRetryable: true });
    expect(await runVerb(redeploy(), input)).toEqual({ deployment: '1000' });
  });

  test('no error holds the token', async () => {
    await assertRetries({
      world: vendors.world,
      operation: 'github.list',
      call: () => runVerb(redeploy(), input),
      secrets: [GITHUB_SIM_TOKEN],
    });
  });
});

describe('a verb that nobody has configured', () => {
  test('fails with the exact text of what a person does', async () => {
    const input = { secret: 'db/key', ...REFS };
    const failure = await failureOf(runVerb(configured({}).reencrypt, input));
    expect(failure).toMatchObject({ type: 'NotConfigured', nonRetryable: true });
    const [details] = failure.details as [{ instruction: string }];
    expect(details.instruction).toBe(byHand('reencrypt', input));
    expect(details.instruction).toContain(`read it with ${REFS.from}, write it with ${REFS.to}`);
    assertLeaksNothing(failure, [OLD, NEW]);
  });
});

describe('config/application.yaml', () => {
  const problems = (yaml: string, env: Record<string, string> = {}): string => {
    try {
      parseConfig('application.yaml', yaml, applicationSchema(env));
      return '';
    } catch (error) {
      return String(error);
    }
  };
  const command = (argv: string, more = '') =>
    `executables: [node]\nverbs:\n  redeploy:\n    command:\n      argv: ${argv}\n${more}`;

  test.each([
    ['a program that is not allowed', command('[bash, -c, x]'), 'bash is not in "executables"'],
    [
      'a placeholder that could be taken for an option',
      command(`[node, x.js, '{component}']`),
      'Put "--" somewhere before {component}',
    ],
    [
      'a placeholder inside an argument',
      command(`[node, x.js, --, 'a{component}b']`),
      'A placeholder is a whole argument',
    ],
    ['a placeholder for the program', command(`['{component}']`), 'is not in "executables"'],
    ['an input that the verb does not have', command(`[node, '--x={ref}']`), 'redeploy has no input "ref"'],
    [
      'a secret that is not a reference',
      command('[node]', '      secretEnv: { A: component }\n'),
      'is not a reference among the inputs of redeploy: it has none',
    ],
    ['an unknown verb', 'verbs:\n  rmrf:\n    http: { url: https://x.example }', 'rmrf'],
    [
      'two ways at once',
      `${command('[node]')}    http: { url: https://x.example }`,
      'exactly one of command, http and github',
    ],
    [
      'plain http to another machine',
      'verbs:\n  health:\n    http: { url: http://x.example }',
      'Plain http is for this machine only',
    ],
    [
      'a variable that is not set',
      `verbs:\n  health:\n    http: { url: '\${NO_SUCH}/x' }`,
      `\${NO_SUCH} is not set`,
    ],
    [
      'a result that GitHub can not give',
      'verbs:\n  health:\n    github: { repository: a/b, workflow: x.yml, token: t }',
      "A workflow run can't answer what health has to answer",
    ],
    ['a misspelt setting', command('[node]', '      timeout: 3\n'), 'timeout is not known here'],
  ])('%s is refused by line', (_name, yaml, sentence) => {
    expect(problems(yaml)).toContain(sentence);
    expect(problems(yaml)).toMatch(/application\.yaml:\d+:\d+/);
  });

  test('variables are taken from the environment as text, with a default', () => {
    const yaml = `verbs:\n  health:\n    http: { url: '\${BASE:-https://default.example}/health' }`;
    const url = (env: Record<string, string>) =>
      parseConfig('application.yaml', yaml, applicationSchema(env)).verbs.health?.http?.url;
    expect(url({})).toBe('https://default.example/health');
    expect(url({ BASE: 'https://own.example' })).toBe('https://own.example/health');
  });
});
