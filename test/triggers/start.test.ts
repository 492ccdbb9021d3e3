import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { databaseDirectory } from '../../triggers/people.js';
import { start, StartUnknown, type StartOptions, type StartRequest } from '../../triggers/start.js';
import { read } from '../../triggers/inbox.js';
import { newRunId, parseRunId } from '../../triggers/run-id.js';
import { catalogue, clientAt, fixture, road, type Fixture } from './fixture.js';

let f: Fixture;
let ada: string;
let edsger: string;
beforeAll(async () => {
  f = await fixture();
  ada = await f.person('ada@example.com');
  edsger = await f.person('edsger@example.com');
});
afterAll(() => f.close());

const options = (more: Partial<StartOptions> = {}): StartOptions => ({
  pool: f.pool,
  ledger: f.ledger,
  client: f.live.client,
  mode: 'live',
  org: 'default',
  catalogue,
  directory: databaseDirectory(f.people),
  configuration: f.configuration,
  acceptedAssurances: ['slack', 'token'],
  taskQueue: 'nobody-works-here',
  ...more,
});
const request = (more: Partial<StartRequest> = {}): StartRequest => ({
  runbook: 'change-key',
  input: { secret: 'openai/api-key' },
  person: ada,
  assurance: 'slack',
  channel: 'slack',
  ...more,
});
async function started(more: Partial<StartRequest> = {}, other: Partial<StartOptions> = {}) {
  const result = await start(options(other), request(more));
  if (!result.started) throw new Error(result.sentence);
  return result;
}
const entriesOf = async (run: string) =>
  (await f.ledger.read({ org: 'default', run })).map(({ entry }) => entry);

test('a start is a row, an entry and a run that says what it is', async () => {
  const { run, inboxId, duplicate } = await started();
  expect(duplicate).toBe(false);
  expect(parseRunId(run)).toMatchObject({ org: 'default', command: 'change-key' });
  const description = await f.live.client.workflow.getHandle(run).describe();
  expect(description.type).toBe('changeKey');
  expect(description.memo).toEqual({ title: 'Change a key', origin: 'slack', mode: 'live', inboxId });
  expect(description.staticSummary).toBeDefined();
  const attributes = Object.fromEntries(
    description.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]),
  );
  expect(attributes).toMatchObject({
    RunbookName: 'changeKey',
    RunbookState: 'admitting',
    Origin: 'slack',
    Mode: 'live',
    Org: 'default',
  });
  expect(await read(f.pool, inboxId)).toMatchObject({
    kind: 'start',
    run,
    person: ada,
    body: { input: { secret: 'openai/api-key' } },
  });
  expect(await entriesOf(run)).toMatchObject([
    { kind: 'message.received', message: 'start', inbox: inboxId },
  ]);
});

test('the same request is the same run, however often and however fast it comes', async () => {
  const requestId = randomUUID();
  const results = await Promise.all(Array.from({ length: 5 }, () => started({ requestId })));
  results.push(await started({ requestId }));
  expect(new Set(results.map(({ run }) => run)).size).toBe(1);
  expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
  const other = await started({ requestId: randomUUID() });
  expect(other.run).not.toBe(results[0]?.run);
});

test('a request id that already started something else is refused', async () => {
  const requestId = randomUUID();
  await started({ requestId });
  expect(
    await start(options(), request({ requestId, input: { secret: 'openai/api-key', reason: 'other' } })),
  ).toMatchObject({
    started: false,
    code: 'DedupeKeyReused',
  });
});

test('a request that Temporal did not answer starts once when it is repeated', async () => {
  const toTemporal = await road();
  const detour = clientAt(toTemporal.address);
  await toTemporal.close();
  const requestId = randomUUID();
  const failure = await start(options({ client: detour.client }), request({ requestId })).catch(
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(StartUnknown);
  expect(String(failure)).toContain('it never starts twice');
  const { run, duplicate } = await started({ requestId });
  expect(duplicate).toBe(true);
  expect(String(failure)).toContain(run);
  expect((await f.live.client.workflow.getHandle(run).describe()).status.name).toBe('RUNNING');
  await detour.close();
}, 60_000);

test('a run that was started although the answer was lost is the same run', async () => {
  const requestId = randomUUID();
  const first = await started({ requestId });
  // What a process leaves that dies between Temporal's answer and its own row.
  await f.pool.query('UPDATE engine.inbox SET relayed_at = NULL WHERE id = $1', [first.inboxId]);
  const { run, duplicate } = await started({ requestId });
  expect({ run, duplicate }).toEqual({ run: first.run, duplicate: true });
});

test('a run id that somebody else took is neither joined nor overwritten', async () => {
  const run = newRunId({ org: 'default', runbook: 'changeKey', at: new Date() });
  await f.live.client.workflow.start('changeKey', { workflowId: run, taskQueue: 'nobody-works-here' });
  const result = await start(options(), request({ run }));
  expect(result).toMatchObject({ started: false, code: 'RunIdTaken' });
  const { rows } = await f.pool.query('SELECT outcome FROM engine.inbox WHERE run = $1', [run]);
  expect(rows).toMatchObject([{ outcome: { refused: 'RunIdTaken' } }]);
});

test('a run id that is refused twice is on record twice', async () => {
  const run = newRunId({ org: 'default', runbook: 'changeKey', at: new Date() });
  await start(options(), request({ run, person: edsger }));
  await start(options(), request({ run, person: null }));
  expect(await entriesOf(run)).toMatchObject([{ code: 'MayNotStart' }, { code: 'NotAsked' }]);
});

test.each<[string, () => Partial<StartRequest>, string]>([
  ['a person outside the start group', () => ({ person: edsger }), 'MayNotStart'],
  ['nobody', () => ({ person: null }), 'NotAsked'],
  ['a wrong input', () => ({ input: { secret: 7 } }), 'InvalidInput'],
  ['a secret that is not configured', () => ({ input: { secret: 'none' } }), 'UnknownConfig'],
  ['a claimed name', () => ({ assurance: 'claimed' }), 'AssuranceNotAccepted'],
  ['somebody whom nobody knows', () => ({ person: 'p_01J0000000000000000000ADA0' }), 'UnknownPerson'],
])('%s is refused with a sentence, nothing starts, and the refusal is on record', async (_, change, code) => {
  const { rows: before } = await f.pool.query<{ id: string }>('SELECT id FROM engine.inbox');
  const result = await start(options(), request(change()));
  expect(result).toMatchObject({ started: false, code });
  const { rows: after } = await f.pool.query<{ id: string }>('SELECT id FROM engine.inbox');
  expect(after).toEqual(before);
  const admin = new (await import('pg')).default.Client({ connectionString: f.adminUrl });
  await admin.connect();
  const { rows } = await admin.query<{ leaf: Buffer }>(
    `SELECT leaf FROM ledger.leaf WHERE kind = 'run.refused' ORDER BY id DESC LIMIT 1`,
  );
  await admin.end();
  expect(JSON.parse(String(rows[0]?.leaf))).toMatchObject({
    kind: 'run.refused',
    code,
    runbook: 'changeKey',
    inbox: null,
  });
});

test('an unknown runbook is answered with those that exist', async () => {
  expect(await start(options(), request({ runbook: 'chnage-key' }))).toMatchObject({
    started: false,
    code: 'NoSuchRunbook',
    sentence: expect.stringContaining('There are: change-key') as string,
  });
});
