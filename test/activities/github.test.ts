import { describe, expect, test } from 'vitest';
import { github, type GithubConfig } from '../../activities/github/http.js';
import { githubSteps, marker } from '../../activities/github/steps.js';
import { correlationId } from '../../activities/github/workflow-runs.js';
import { GITHUB_SIM_TOKEN, githubRepository, githubSimulator, seedGithub } from '../../simulators/github.js';
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

const vendor = useSimulators(githubSimulator);
const repository = 'acme/shop';
const where = { repository, workflow: 'restore.yml' };
const dispatched = { ...where, ref: 'main', inputs: { region: 'eu-1' } };
const newIssue = {
  repository,
  title: 'Restore took too long',
  body: 'See the report.',
  labels: ['incident'],
};

function setUp(more: Partial<GithubConfig> = {}) {
  const client = github({
    baseUrl: vendor.url('github'),
    token: GITHUB_SIM_TOKEN,
    pollIntervalMs: 1,
    timeoutMs: 5_000,
    ...more,
  });
  return { client, steps: githubSteps({ github: client }) };
}

const shop = () => githubRepository(vendor.world, repository);
const effects = (what: string) => vendor.world.effects.filter((effect) => effect.what === what);

describe('github', () => {
  test('which answers are retried, and none of the errors holds the token', async () => {
    const { client } = setUp();
    const { world } = vendor;
    const ask = (operation: string, call: () => Promise<unknown>, handles: number[] = []) =>
      assertRetries({ world, operation: `github.${operation}`, call, secrets: [GITHUB_SIM_TOKEN], handles });
    // A 403 with Retry-After is a rate limit, one without is a refusal: both are asked below.
    await ask('dispatch', () => client.dispatch(where, { ref: 'main', inputs: {} }));
    await ask('listRuns', () => client.findRun(where, 'x'));
    await ask('getRun', () => client.run(where, 1000));
    await ask('createIssue', () => client.createIssue(repository, newIssue));
    await ask('listIssues', () => client.issues(repository, 1));
    await ask('listComments', () => client.comments(repository, 1, 1));
    await ask('createComment', () => client.comment(repository, 1, 'x'));
    await ask('updateIssue', () => client.closeIssue(repository, 1));
    await ask('getLatestRelease', () => client.latestRelease(repository), [404]);
    await ask('getRepository', () => client.latestRelease(repository));
  }, 60_000);

  test('a rate limit that comes as 403 is waited for as long as GitHub asks', async () => {
    vendor.world.fail({ operation: 'github.getRun', point: 'before', status: 403, retryAfter: 90 });
    const failure = await failureOf(setUp().client.run(where, 1));
    expect(vendor.world.injected('github.getRun')).toBe(1);
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nextRetryDelay: 90_000 });
    expect(failure.nonRetryable ?? false).toBe(false);
  });

  test('a used-up hourly limit is waited for until the moment that GitHub names', async () => {
    const reset = String(Math.floor(Date.now() / 1000) + 300);
    const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset };
    const fake = await fakeVendorAnswering({ status: 403, headers });
    const failure = await failureOf(setUp({ baseUrl: fake.url }).client.run(where, 1));
    expect(failure.type).toBe('VendorUnavailable');
    expect(failure.nextRetryDelay).toBeGreaterThan(290_000);
    expect(failure.nextRetryDelay).toBeLessThanOrEqual(300_000);
  });

  test('a wrong token is refused for good', async () => {
    const failure = await failureOf(setUp({ token: 'ghp_some-other-token' }).client.issues(repository, 1));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('GITHUB_TOKEN');
    assertLeaksNothing(failure, ['ghp_some-other-token']);
  });

  test('a malformed answer is refused by the contract', async () => {
    const fake = await fakeVendorAnswering({ body: { tag_name: '' } });
    const failure = await failureOf(setUp({ baseUrl: fake.url }).client.latestRelease(repository));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const failure = await failureOf(setUp({ baseUrl: fake.url, timeoutMs: 50 }).client.issues(repository, 1));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });
});

describe('github.dispatch', () => {
  test('starts the workflow with its inputs and the id of the step, and follows the run to its end', async () => {
    const step = stepContext();
    expect(await runVerb(setUp().steps.dispatch, dispatched, step)).toEqual({
      run: '1000',
      conclusion: 'success',
      url: 'https://github.com/acme/shop/actions/runs/1000',
    });
    expect(shop().runs[0]).toMatchObject({
      ref: 'main',
      inputs: { region: 'eu-1', correlation_id: correlationId(step.key) },
    });
    expect(step.heartbeats).toContainEqual({ run: 1000, status: 'in_progress' });
    // GitHub said which run it is: the list, where it may be missing for a while, is not asked.
    expect(vendor.world.requests.map(({ operation }) => operation)).not.toContain('github.listRuns');
  });

  test.each(['failure', 'cancelled', 'timed_out'])(
    'a run that ends with "%s" is a result, for the runbook to decide',
    async (conclusion) => {
      seedGithub(vendor.world, { conclusions: [conclusion] });
      expect((await runVerb(setUp().steps.dispatch, dispatched)).conclusion).toBe(conclusion);
    },
  );

  test('a lost answer starts nothing twice: the run is found by the id in its name', async () => {
    seedGithub(vendor.world, { hiddenFor: 1 });
    vendor.world.fail({ operation: 'github.dispatch', point: 'after' });
    expect((await runWithRetries(setUp().steps.dispatch, dispatched)).run).toBe('1000');
    expect(vendor.world.injected('github.dispatch')).toBe(1);
    expect(effects('workflow dispatched')).toHaveLength(1);
  });

  test('a worker that dies while it follows the run is replaced by one that goes on', async () => {
    const { steps } = setUp();
    vendor.world.fail({ operation: 'github.getRun', point: 'after' });
    expect((await runWithRetries(steps.dispatch, dispatched)).conclusion).toBe('success');
    expect(vendor.world.injected('github.getRun')).toBe(1);
    expect(effects('workflow dispatched')).toHaveLength(1);
  });

  test('an older server that does not say which run it started is asked for the list', async () => {
    seedGithub(vendor.world, { answersRunDetails: false, hiddenFor: 2 });
    expect((await runVerb(setUp().steps.dispatch, dispatched)).run).toBe('1000');
  });

  test('a run that never shows up goes to a person', async () => {
    seedGithub(vendor.world, { answersRunDetails: false, hiddenFor: Number.MAX_SAFE_INTEGER });
    const failure = await failureOf(runVerb(setUp().steps.dispatch, dispatched));
    expect(failure).toMatchObject({ type: 'WorkflowRunLost', nonRetryable: true });
    expect(failure.message).toContain('run-name');
  });

  test('a step that is cancelled stops looking', async () => {
    seedGithub(vendor.world, { looks: Number.MAX_SAFE_INTEGER });
    const step = stepContext();
    const running = runVerb(setUp().steps.dispatch, dispatched, {
      ...step,
      heartbeat: () => step.abort(),
    });
    await expect(running).rejects.toThrow(/abort/i);
  });

  test.each([
    ['a repository without an owner', { ...dispatched, repository: 'shop' }],
    ['a repository that leaves the path', { ...dispatched, repository: 'acme/..' }],
    ['a workflow that leaves the path', { ...dispatched, workflow: '../../x.yml' }],
  ])('%s is refused before anything is asked', async (_what, input) => {
    expect((await failureOf(runVerb(setUp().steps.dispatch, input))).type).toBe('InvalidInput');
    expect(vendor.world.requests).toHaveLength(0);
  });
});

describe('github.createIssue', () => {
  test('creates the issue with its labels; the mark of the step is not shown', async () => {
    const step = stepContext();
    expect(await runVerb(setUp().steps.createIssue, newIssue, step)).toEqual({
      issue: 1,
      url: 'https://github.com/acme/shop/issues/1',
    });
    const [issue] = shop().issues;
    expect(issue).toMatchObject({ title: newIssue.title, labels: ['incident'], state: 'open' });
    expect(issue?.body).toBe(`See the report.\n\n${marker(step.key)}`);
    expect(marker(step.key)).toMatch(/^<!--.*-->$/);
  });

  test('a lost answer creates nothing twice, also when others have created issues since', async () => {
    const { steps, client } = setUp();
    const step = stepContext();
    vendor.world.fail({ operation: 'github.createIssue', point: 'after' });
    await failureOf(runVerb(steps.createIssue, newIssue, step));
    expect(vendor.world.injected('github.createIssue')).toBe(1);
    for (let count = 0; count < 120; count += 1) await client.createIssue(repository, newIssue);
    const found = await runVerb(steps.createIssue, newIssue, { ...step, attempt: 2 });
    expect(found.issue).toBe(1);
    expect(shop().issues).toHaveLength(121);
  });

  test('issues from before the run are not looked through', async () => {
    const { steps } = setUp();
    const old = { title: 'old', body: '', labels: [], comments: [], state: 'closed' as const };
    shop().issues = Array.from({ length: 500 }, (_unused, index) => ({
      ...old,
      number: 500 - index,
      createdAt: '2025-12-31T00:00:00Z',
    }));
    vendor.world.fail({ operation: 'github.createIssue', point: 'before' });
    expect((await runWithRetries(steps.createIssue, newIssue)).issue).toBe(501);
    expect(vendor.world.injected('github.createIssue')).toBe(1);
    expect(vendor.world.requests.filter(({ operation }) => operation === 'github.listIssues')).toHaveLength(
      1,
    );
  });

  test('with more new issues than are looked through, a person decides', async () => {
    const recent = { title: 'new', body: '', labels: [], comments: [], state: 'open' as const };
    shop().issues = Array.from({ length: 1_001 }, (_unused, index) => ({
      ...recent,
      number: 1_001 - index,
      createdAt: new Date().toISOString(),
    }));
    const again = runVerb(setUp().steps.createIssue, newIssue, stepContext({ attempt: 2 }));
    expect((await failureOf(again)).type).toBe('OutcomeUnknown');
    expect(shop().issues).toHaveLength(1_001);
  });
});

describe('github.closeIssue', () => {
  test('an issue gets one comment and is closed, whichever answer is lost', async () => {
    const { steps } = setUp();
    const { issue } = await runVerb(steps.createIssue, newIssue);
    vendor.world.fail({ operation: 'github.createComment', point: 'after' });
    vendor.world.fail({ operation: 'github.updateIssue', point: 'after' });
    await runWithRetries(steps.closeIssue, { repository, issue, comment: 'Done.' });
    expect(vendor.world.injected('github.createComment')).toBe(1);
    expect(vendor.world.injected('github.updateIssue')).toBe(1);
    expect(shop().issues[0]).toMatchObject({ state: 'closed', comments: [expect.stringMatching(/^Done\./)] });
    expect(effects('issue closed')).toHaveLength(1);
  });

  test('an issue that is not there fails for good', async () => {
    const failure = await failureOf(
      runVerb(setUp().steps.closeIssue, { repository, issue: 7, comment: 'Done.' }),
    );
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });
});

describe('github.latestRelease', () => {
  test('is the newest release', async () => {
    shop().releases.push(
      { tag: 'v1.0.0', publishedAt: '2026-01-01T00:00:00Z' },
      { tag: 'v1.1.0', publishedAt: '2026-02-01T00:00:00Z' },
    );
    expect(await runVerb(setUp().steps.latestRelease, { repository })).toEqual({
      tag: 'v1.1.0',
      publishedAt: '2026-02-01T00:00:00Z',
    });
  });

  test('is null where there is none, but a repository that the token can not see is an error', async () => {
    seedGithub(vendor.world, { missing: ['acme/secret'] });
    const { steps } = setUp();
    expect(await runVerb(steps.latestRelease, { repository })).toEqual({ tag: null, publishedAt: null });
    const failure = await failureOf(runVerb(steps.latestRelease, { repository: 'acme/secret' }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });
});
