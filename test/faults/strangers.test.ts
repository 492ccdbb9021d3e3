import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { put } from '../../triggers/inbox.js';
import { newRunId } from '../../triggers/run-id.js';
import { entriesOf, openBench, type Bench, type Code } from './bench.js';

const SOON = { timeout: 60_000, interval: 50 };
const NOBODY = 'p_01ARZ3NDEKTSV4RRFFQ69G5FAV';

let bench: Bench;
let code: Code;

beforeAll(async () => {
  bench = await openBench();
  code = await bench.code('v1');
  await bench.worker(code);
});
afterAll(() => bench.close());

const newRun = () => newRunId({ org: 'default', runbook: 'askThenPost', at: new Date() });

/** The inbox row by which somebody asks for a run. */
async function ask(
  run: string,
  person: string,
  input: Record<string, number | string> = {},
): Promise<string> {
  const { pool, ledger } = bench.installation;
  const who = { org: 'default', mode: 'live', person, assurance: 'claimed', channel: 'cli' } as const;
  return (await put(pool, ledger, { ...who, kind: 'start', run, runbook: 'askThenPost', input })).id;
}

/** What anybody with access to Temporal can do. */
async function startPlainly(workflowId: string, ...args: unknown[]) {
  const { live, taskQueue } = bench.test;
  return await live.workflow.start('askThenPost', { taskQueue, workflowId, args });
}

/** How the run ended: the code of its refusal. */
async function refusalOf(run: string): Promise<string> {
  const error: unknown = await bench.test.live.workflow
    .getHandle(run)
    .result()
    .catch((failure: unknown) => failure);
  const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
  if (!(cause instanceof ApplicationFailure))
    throw new Error(`Run ${run} was not refused.`, { cause: error });
  return (cause.details?.[0] as { code: string }).code;
}

describe('a run started with a plain Temporal client', () => {
  test('is admitted when somebody proven asked for exactly this run', async () => {
    const run = newRun();
    const ada = await bench.person('Ada');
    await startPlainly(run, { org: 'default', input: {}, inboxId: await ask(run, ada) });
    await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'gate.opened').length === 1, SOON);
    expect(entriesOf(await bench.entries(run), 'run.admitted')).toMatchObject([
      { person: ada, origin: 'cli', requesters: [ada] },
    ]);
    await bench.decide(run, 'go-on', 'Grace');
    expect(await bench.test.live.workflow.getHandle(run).result()).toEqual({ text: 'old code' });
    expect(checkRun(await bench.entries(run))).toEqual([]);
  });

  type Attempt = (run: string, ada: string) => Promise<readonly unknown[]>;
  const attempts: [what: string, code: string, args: Attempt, run?: string][] = [
    ['without anybody having asked', 'NotAsked', async () => [{ org: 'default', input: {} }]],
    [
      'with a row that does not exist',
      'NotAsked',
      async () => [{ org: 'default', input: {}, inboxId: 'nothing' }],
    ],
    [
      'with a row that no database can hold',
      'NotAsked',
      async () => [{ org: 'default', input: {}, inboxId: 'a\0b' }],
    ],
    [
      'with the row of another run',
      'NotAsked',
      async (_run, ada) => [{ org: 'default', input: {}, inboxId: await ask(newRun(), ada) }],
    ],
    [
      'with another input than was asked for',
      'NotAsked',
      async (run, ada) => [
        { org: 'default', input: { quorum: 2 }, inboxId: await ask(run, ada, { quorum: 1 }) },
      ],
    ],
    [
      'by somebody unknown',
      'UnknownPerson',
      async (run) => [{ org: 'default', input: {}, inboxId: await ask(run, NOBODY) }],
    ],
    [
      'by somebody of another group',
      'MayNotStart',
      async (run) => [{ org: 'default', input: {}, inboxId: await ask(run, await bench.person('Grace')) }],
    ],
    [
      'with an input that is not valid',
      'InvalidInput',
      async (run, ada) => [
        { org: 'default', input: { quorum: 'many' }, inboxId: await ask(run, ada, { quorum: 'many' }) },
      ],
    ],
    ['for another organisation', 'BadRequest', async () => [{ org: 'other', input: {} }]],
    ['with no argument', 'BadRequest', async () => []],
    ['with null', 'BadRequest', async () => [null]],
    ['with a text', 'BadRequest', async () => ['start']],
    ['under a name of its own', 'BadRunId', async () => [{ org: 'default', input: {} }], 'my-run'],
    [
      'under the name of another runbook',
      'BadRunId',
      async () => [{ org: 'default', input: {} }],
      'default.secret-rotation.20261120-0123abcd',
    ],
    [
      'under a name with a line break',
      'BadRunId',
      async () => [{ org: 'default', input: {} }],
      'default.ask-then-post.20261120-0123abcd\nadmitted',
    ],
  ];
  test.each(attempts)('%s is refused and recorded: %s', async (...[_what, expected, argsFor, name]) => {
    const run = name ?? newRun();
    await startPlainly(run, ...(await argsFor(run, await bench.person('Ada'))));
    expect(await refusalOf(run)).toBe(expected);
    const entries = await bench.entries(run.replace('\n', '?'));
    expect(entriesOf(entries, 'run.refused')).toMatchObject([{ code: expected }]);
    expect(entries.filter(({ entry }) => !['run.refused', 'message.received'].includes(entry.kind))).toEqual(
      [],
    );
  });
});

describe('a decision that nobody made', () => {
  let run: string;
  beforeEach(async () => {
    run = await bench.start(code, 'askThenPost', {});
    await vi.waitUntil(async () => entriesOf(await bench.entries(run), 'gate.opened').length === 1, SOON);
  });
  const refusals = async () => entriesOf(await bench.entries(run), 'message.refused');

  test.each<[string, readonly unknown[]]>([
    ['a row that does not exist', [{ inboxId: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }]],
    ['an empty object', [{}]],
    ['null', [null]],
    ['a number', [42]],
    ['nothing', []],
    ['an id that is no text', [{ inboxId: { deep: [1] } }]],
    ['an empty id', [{ inboxId: '' }]],
    ['an id that no database can hold', [{ inboxId: 'a\0b' }]],
    ['an id with half a character', [{ inboxId: '\ud800' }]],
    ['an id longer than any', [{ inboxId: 'x'.repeat(5_000) }]],
  ])('%s: it is refused and recorded, and the run goes on', async (_what, args) => {
    await bench.test.live.workflow.getHandle(run).signal('decide', ...args);
    await vi.waitUntil(async () => (await refusals()).length === 1, SOON);
    expect(await refusals()).toMatchObject([{ code: 'NoSuchMessage', person: null }]);
    await bench.decide(run, 'go-on', 'Grace');
    expect(await bench.test.live.workflow.getHandle(run).result()).toEqual({ text: 'old code' });
    expect(checkRun(await bench.entries(run))).toEqual([]);
  });

  test.each([
    ['broken JSON', 'json/plain', '{'],
    ['an encoding that nobody knows', 'binary/unknown', 'x'],
  ])('%s in the payload: it is refused and recorded, and the run goes on', async (_what, encoding, data) => {
    const { live } = bench.test;
    await live.workflowService.signalWorkflowExecution({
      namespace: live.options.namespace,
      workflowExecution: { workflowId: run },
      signalName: 'decide',
      input: { payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) }] },
    });
    await vi.waitUntil(async () => (await refusals()).length === 1, SOON);
    expect(await refusals()).toMatchObject([{ code: 'NoSuchMessage', person: null }]);
    await bench.decide(run, 'go-on', 'Grace');
    expect(await live.workflow.getHandle(run).result()).toEqual({ text: 'old code' });
  });

  test('many at once are each on record', async () => {
    const handle = bench.test.live.workflow.getHandle(run);
    for (const garbage of [{}, null, 42, 'text', []]) await handle.signal('decide', garbage);
    await vi.waitUntil(async () => (await refusals()).length === 5, SOON);
    await bench.decide(run, 'go-on', 'Grace');
    expect(await handle.result()).toEqual({ text: 'old code' });
    expect(checkRun(await bench.entries(run))).toEqual([]);
  });

  test('the row of a decision on another run: it is refused and recorded, and counts for neither twice', async () => {
    const other = await bench.start(code, 'askThenPost', {});
    await vi.waitUntil(async () => entriesOf(await bench.entries(other), 'gate.opened').length === 1, SOON);
    const inboxId = await bench.decide(other, 'go-on', 'Grace');
    await bench.test.live.workflow.getHandle(run).signal('decide', { inboxId });
    await vi.waitUntil(async () => (await refusals()).length === 1, SOON);
    expect(await refusals()).toMatchObject([{ inbox: inboxId, code: 'OtherRun' }]);
    expect((await bench.status(run)).gates).toMatchObject([{ state: 'open', approvals: [] }]);
    await bench.test.live.workflow.getHandle(other).result();
    expect(entriesOf(await bench.entries(other), 'message.accepted')).toHaveLength(1);
    await bench.decide(run, 'go-on', 'Grace');
    await bench.test.live.workflow.getHandle(run).result();
  });
});
