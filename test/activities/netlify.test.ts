import { beforeEach, describe, expect, test } from 'vitest';
import { netlify } from '../../activities/netlify/http.js';
import { redactedFirstLine } from '../../activities/netlify/redact.js';
import { netlifySteps } from '../../activities/netlify/steps.js';
import { memoryVault } from '../../activities/vault/memory.js';
import { digest } from '../../simulators/digest.js';
import {
  failNextNetlifyBuild,
  NETLIFY_TOKEN,
  netlifyDeployed,
  netlifySimulator,
  netlifyVariable,
  seedNetlify,
} from '../../simulators/netlify.js';
import {
  assertLeaksNothing,
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendor = useSimulators(netlifySimulator);
const VALUE = 'sk-proj-the-new-key-0123456789';
const where = { account: 'acme', site: 'site-1', variable: 'OPENAI_API_KEY' };

function setUp(baseUrl = vendor.url('netlify'), timeoutMs = 5_000) {
  const client = netlify({ baseUrl, token: NETLIFY_TOKEN, pollIntervalMs: 1, timeoutMs });
  const vault = memoryVault();
  return { client, vault, steps: netlifySteps({ netlify: client, vault }) };
}

async function setUpWithSecret() {
  const context = setUp();
  const { ref } = await context.vault.put('openai/api-key', VALUE, { key: 'k1' });
  return { ...context, input: { ...where, ref, context: 'production' } };
}

const effects = (what: string) => vendor.world.effects.filter((effect) => effect.what === what);

describe('netlify', () => {
  beforeEach(() =>
    seedNetlify(vendor.world, { account: 'acme', site: 'site-1', variables: { OLD: 'old-value' } }),
  );

  test('which answers are retried, and none of the errors holds the token or the value', async () => {
    const { client } = setUp();
    const { world } = vendor;
    const secrets = [NETLIFY_TOKEN, VALUE];
    const value = { context: 'production', value: VALUE } as const;
    const ask = (operation: string, call: () => Promise<unknown>, handles: number[] = []) =>
      assertRetries({ world, operation: `netlify.${operation}`, call, secrets, handles });
    await ask('getVariable', () => client.variable({ ...where, variable: 'OLD' }), [404]);
    await ask('createVariables', () => client.createVariable(where, value));
    await ask('setVariableValue', () => client.setValue({ ...where, variable: 'OLD' }, value));
    await ask('deleteVariable', () => client.removeVariable(where), [404]);
    await ask('createBuild', () => client.startBuild('site-1', 'title'));
    await ask('listDeploys', () => client.deploys('site-1', 1));
    await ask('getDeploy', () => client.deploy('d'));
  });

  test('a rate limit is waited for until the moment that Netlify names', async () => {
    const reset = String(Math.floor(Date.now() / 1000) + 30);
    const fake = await fakeVendorAnswering({ status: 429, headers: { 'x-ratelimit-reset': reset } });
    const failure = await failureOf(setUp(fake.url).client.deploy('d'));
    expect(failure.type).toBe('VendorUnavailable');
    expect(failure.nextRetryDelay).toBeGreaterThan(20_000);
    expect(failure.nextRetryDelay).toBeLessThanOrEqual(30_000);
  });

  test('a wrong token is refused for good', async () => {
    const client = netlify({ baseUrl: vendor.url('netlify'), token: 'nfp_some-other-token' });
    const failure = await failureOf(client.deploys('site-1', 1));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('NETLIFY_AUTH_TOKEN');
  });

  test('a malformed answer is refused by the contract', async () => {
    const fake = await fakeVendorAnswering({ body: { id: 'b', deploy_id: '' } });
    const failure = await failureOf(setUp(fake.url).client.startBuild('site-1', 'title'));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(setUp(fake.url, 50).client.deploy('d'));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });
});

describe('netlify.setVariable', () => {
  beforeEach(() => seedNetlify(vendor.world, { account: 'acme', site: 'site-1' }));

  test('a variable that is not there is created as a secret, outside of post-processing', async () => {
    const { steps, input } = await setUpWithSecret();
    await runVerb(steps.setVariable, input);
    expect(netlifyVariable(vendor.world, 'site-1', where.variable)).toBe(digest(VALUE));
    const created = vendor.world.requests.find(({ operation }) => operation === 'netlify.createVariables');
    expect(JSON.parse(created?.body ?? '')).toMatchObject([
      { is_secret: true, scopes: ['builds', 'functions', 'runtime'] },
    ]);
  });

  test.each(['all', 'dev'])(
    'a value for the context %s, where Netlify allows no secrets, is set as well',
    async (context) => {
      const { steps, input } = await setUpWithSecret();
      await runVerb(steps.setVariable, { ...input, context });
      expect(netlifyVariable(vendor.world, 'site-1', where.variable, context)).toBe(digest(VALUE));
    },
  );

  test('the value of one context is replaced, that of another stays', async () => {
    const { steps, input, vault } = await setUpWithSecret();
    await runVerb(steps.setVariable, { ...input, context: 'deploy-preview' });
    await runVerb(steps.setVariable, input);
    const { ref } = await vault.put('openai/api-key', `${VALUE}-2`, { key: 'k2' });
    await runVerb(steps.setVariable, { ...input, ref });
    expect(netlifyVariable(vendor.world, 'site-1', where.variable)).toBe(digest(`${VALUE}-2`));
    expect(netlifyVariable(vendor.world, 'site-1', where.variable, 'deploy-preview')).toBe(digest(VALUE));
  });

  test('a lost answer is repeated and changes nothing more', async () => {
    const { steps, input } = await setUpWithSecret();
    vendor.world.fail({ operation: 'netlify.createVariables', point: 'after' });
    await runWithRetries(steps.setVariable, input);
    expect(vendor.world.injected('netlify.createVariables')).toBe(1);
    expect(effects('environment variable set')).toHaveLength(1);
  });

  test('a value of the branch context, which needs a branch, is refused before anything is asked', async () => {
    const { steps, input } = await setUpWithSecret();
    expect(await failureOf(runVerb(steps.setVariable, { ...input, context: 'branch' }))).toMatchObject({
      type: 'InvalidInput',
    });
    expect(vendor.world.requests).toHaveLength(0);
  });

  test('a site of another team fails for good, without the value in the error', async () => {
    const { steps, input } = await setUpWithSecret();
    const failure = await failureOf(runVerb(steps.setVariable, { ...input, account: 'other' }));
    expect(failure.nonRetryable).toBe(true);
    assertLeaksNothing(failure, [VALUE, NETLIFY_TOKEN]);
  });
});

test('netlify.removeVariable: a variable is removed once, however often it is asked for', async () => {
  seedNetlify(vendor.world, { account: 'acme', site: 'site-1', variables: { OPENAI_API_KEY: VALUE } });
  vendor.world.fail({ operation: 'netlify.deleteVariable', point: 'after' });
  const { steps } = setUp();
  await runWithRetries(steps.removeVariable, where);
  expect(vendor.world.injected()).toBe(1);
  expect(effects('environment variable removed')).toHaveLength(1);
  expect(netlifyVariable(vendor.world, 'site-1', where.variable)).toBeUndefined();
});

describe('netlify.deploy', () => {
  beforeEach(() =>
    seedNetlify(vendor.world, { account: 'acme', site: 'site-1', variables: { OPENAI_API_KEY: VALUE } }),
  );

  test('the deploy is followed until it is ready, with heartbeats, and carries the value that was set', async () => {
    const step = stepContext();
    const { deployId } = await runVerb(setUp().steps.deploy, { site: 'site-1' }, step);
    expect(step.heartbeats.at(-1)).toEqual({ deployId, state: 'ready' });
    expect(step.heartbeats.length).toBeGreaterThan(2);
    expect(netlifyDeployed(vendor.world, 'site-1', 'OPENAI_API_KEY')).toBe(digest(VALUE));
  });

  test('a build whose answer was lost is found again, not started a second time', async () => {
    vendor.world.fail({ operation: 'netlify.createBuild', point: 'after' });
    const { deployId } = await runWithRetries(setUp().steps.deploy, { site: 'site-1' });
    expect(vendor.world.injected('netlify.createBuild')).toBe(1);
    expect(effects('production build started')).toHaveLength(1);
    expect(deployId).not.toBe('');
  });

  test('an outage while the build runs does not start another build', async () => {
    vendor.world.fail({ operation: 'netlify.getDeploy', point: 'before', times: 2 });
    await runWithRetries(setUp().steps.deploy, { site: 'site-1' });
    expect(vendor.world.injected('netlify.getDeploy')).toBe(2);
    expect(effects('production build started')).toHaveLength(1);
  });

  test('a failed build stops the step, without the credentials that its message quotes', async () => {
    const leaked = 'sk_live_51HxQ2eZvKYlo2C9a';
    failNextNetlifyBuild(vendor.world, 'site-1', `Build failed: STRIPE_KEY=${leaked}\nsecond line`);
    const failure = await failureOf(runWithRetries(setUp().steps.deploy, { site: 'site-1' }));
    expect(failure).toMatchObject({ type: 'DeployFailed', nonRetryable: true });
    expect(failure.message).toContain('Build failed');
    expect(failure.message).not.toContain('second line');
    assertLeaksNothing(failure, [leaked]);
    expect(effects('production build started')).toHaveLength(1);
  });

  test('a retry after a failed build starts another one', async () => {
    const { steps } = setUp();
    failNextNetlifyBuild(vendor.world, 'site-1', 'Build failed');
    await failureOf(runVerb(steps.deploy, { site: 'site-1' }));
    await runVerb(steps.deploy, { site: 'site-1' }, stepContext({ attempt: 2 }));
    expect(effects('production build started')).toHaveLength(2);
  });

  test('somebody else deploying meanwhile is not taken for our build', async () => {
    const { client, steps } = setUp();
    await client.startBuild('site-1', 'Deploy of a colleague');
    await runVerb(steps.deploy, { site: 'site-1' }, stepContext({ attempt: 2 }));
    expect(effects('production build started')).toHaveLength(2);
  });

  test('where five hundred deploys came after, nobody can tell', async () => {
    const step = stepContext({ attempt: 2 });
    const body = Array.from({ length: 100 }, (_, n) => ({
      id: `d${n}`,
      state: 'ready',
      title: `other ${n}`,
    }));
    const fake = await fakeVendorAnswering({ body });
    const failure = await failureOf(runVerb(setUp(fake.url).steps.deploy, { site: 'site-1' }, step));
    expect(failure.type).toBe('OutcomeUnknown');
    expect(fake.requests).toHaveLength(5);
  });

  test('a cancelled step stops looking', async () => {
    const fake = await fakeVendorAnswering({ body: { id: 'd', deploy_id: 'd', state: 'building' } });
    const step = stepContext();
    const running = setUp(fake.url).steps.deploy.run({ site: 'site-1' }, step);
    step.abort();
    await expect(running).rejects.toThrow(/abort/i);
  });
});

test.each([
  ['fatal: could not read https://user:hunter2abc@github.com/x', 'hunter2abc'],
  ['Authorization: Bearer eyJhbGciOi.JIUzI1NiJ9', 'eyJhbGciOi.JIUzI1NiJ9'],
  ['unexpected token sb_secret_N7UND0UgjKTVK', 'sb_secret_N7UND0UgjKTVK'],
  ['DATABASE_PASSWORD: correcthorse', 'correcthorse'],
])('a build message is redacted: %s', (message, credential) => {
  expect(redactedFirstLine(message)).not.toContain(credential);
});

test('a build message without credentials is kept', () => {
  const message = 'Build script returned non-zero exit code: 2';
  expect(redactedFirstLine(message)).toBe(message);
  expect(redactedFirstLine(null)).toBe('no reason given');
});
