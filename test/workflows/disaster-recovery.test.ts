import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EntryOf, LedgerKind } from '../../activities/ledger/entry.js';
import { dnsRecords } from '../../simulators/dns.js';
import { findRunbook } from '../../triggers/catalogue.js';
import { start } from '../../triggers/start.js';
import type { Host } from '../../worker/host.js';
import { drillReport } from '../../worker/rehearsal/drill-report.js';
import type { RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { Rehearsal, RunStatus } from '../../workflows/engine/types.js';
import { liveWorker, rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';
import { eventually } from '../helpers/eventually.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const PRIMARY = ['192.0.2.10'];
const RECOVERY = ['198.51.100.10'];

let installation: TestInstallation;
let host: RehearsalHost;
let worker: Host;

beforeAll(async () => {
  installation = await testInstallation();
  host = await rehearsalHost(installation);
  worker = await liveWorker(installation);
}, 120_000);

afterAll(async () => {
  await worker?.stop();
  await host?.close();
  await installation?.close();
}, 60_000);

const entryOf = () => {
  const entry = findRunbook(installation.installation.catalogue, 'disasterRecovery');
  if (entry === undefined) throw new Error('There is no runbook disasterRecovery.');
  return entry;
};

async function rehearse(name: string, change: Partial<Rehearsal<unknown>> = {}): Promise<RehearsalResult> {
  const entry = entryOf();
  const scripted = entry.spec.rehearsals.find((rehearsal) => rehearsal.name === name);
  if (scripted === undefined) throw new Error(`There is no rehearsal "${name}".`);
  return await host.rehearse(entry, { ...scripted, ...change });
}

const of = <K extends LedgerKind>({ entries }: RehearsalResult, kind: K): EntryOf<K>[] =>
  entries.map(({ entry }) => entry).filter((entry): entry is EntryOf<K> => entry.kind === kind);

/** Steps in the order in which they were begun. */
const begun = (result: RehearsalResult): string[] =>
  of(result, 'step.intent').map(({ activity }) => activity);

const dnsOf = ({ world }: RehearsalResult): string[] =>
  dnsRecords(world, 'zone-example', 'A', 'app.example.com');

/** What the name was pointed to, one after the other. */
const pointed = ({ world }: RehearsalResult): string[] =>
  world.effects
    .filter(({ system, subject }) => system === 'dns' && subject.startsWith('zone-example/A app.example.com'))
    .map(({ subject }) => subject.split(' ').at(-1) ?? '');

const measuredOf = ({ output }: RehearsalResult): { rtoMs: number; rpoMs: number } =>
  (output as { measured: { rtoMs: number; rpoMs: number } }).measured;

describe('before traffic moves', () => {
  test('DNS never moves before the restored database passed its checks', async () => {
    const result = await rehearse('Failover');
    expect(dnsOf(result)).toEqual(RECOVERY);
    const order = result.entries.map(({ entry }) => entry);
    const last = (activity: string) =>
      order.findLastIndex((entry) => entry.kind === 'step.intent' && entry.activity === activity);
    const first = (activity: string) =>
      order.findIndex((entry) => entry.kind === 'step.intent' && entry.activity === activity);
    const moved = last('dns.setRecords');
    for (const check of ['checkIntegrity', 'promote', 'fingerprint'])
      expect(last(`postgres.${check}`)).toBeLessThan(moved);
    expect(last('s3.inventory')).toBeLessThan(moved);
    expect(first('application.health')).toBeLessThan(moved);
  });

  test.each([
    'No backup passes the integrity check',
    'The newest backup is damaged, and people stop',
    'The recovery site fails a check and the recovery is given up',
  ])('DNS stays where it was: %s', async (name) => {
    const result = await rehearse(name);
    expect(pointed(result)).not.toContain(RECOVERY[0]);
    expect(dnsOf(result)).toEqual(PRIMARY);
  });

  test('two people declare a disaster; one alone starts nothing', async () => {
    const result = await rehearse('Only one person declares it');
    expect(of(result, 'gate.opened')).toMatchObject([{ gate: 'declare', quorum: 2, groups: ['approvers'] }]);
    expect(of(result, 'gate.closed')).toMatchObject([{ gate: 'declare', outcome: 'expired' }]);
    expect(of(result, 'gate.escalated')).toHaveLength(1);
    expect(begun(result)).toEqual([]);
  });

  test('nobody is told of a disaster before it is declared', async () => {
    const result = await rehearse('Failover');
    const declared = of(result, 'gate.closed').find(({ gate }) => gate === 'declare');
    for (const { virtual } of of(result, 'step.intent'))
      expect(Date.parse(virtual)).toBeGreaterThanOrEqual(Date.parse(declared?.virtual ?? ''));
  });

  test('caches have forgotten the old answer before the name moves, and the restore did not wait for it', async () => {
    const result = await rehearse('Failover');
    const [lowered, moved] = of(result, 'step.intent').filter(
      ({ activity }) => activity === 'dns.setRecords',
    );
    const at = (virtual = ''): number => Date.parse(virtual);
    expect(at(moved?.virtual) - at(lowered?.virtual)).toBeGreaterThanOrEqual(HOUR_MS);
    const promoted = of(result, 'step.intent').find(({ activity }) => activity === 'postgres.promote');
    expect(at(promoted?.virtual) - at(lowered?.virtual)).toBeLessThan(HOUR_MS);
  });

  test('a damaged backup is noticed before anything is switched, and the next older one is offered', async () => {
    const result = await rehearse('The newest backup is damaged, and the older one is restored');
    expect(result.outcome).toBe('completed');
    const [asked] = of(result, 'question.asked');
    expect(asked).toMatchObject({ target: 'older-backup', question: 'decision' });
    const order = begun(result);
    expect(order.filter((activity) => activity === 'postgres.tryRestore')).toHaveLength(2);
    expect(order.lastIndexOf('postgres.tryRestore')).toBeLessThan(order.indexOf('postgres.promote'));
    expect(Math.round(measuredOf(result).rpoMs / HOUR_MS)).toBe(30);
  });

  test('a rebuild waits for the new infrastructure before it deploys', async () => {
    const result = await rehearse('Rebuild, down for an hour already');
    const [provided] = of(result, 'question.answered').filter(({ target }) => target.startsWith('provision'));
    const deployed = of(result, 'step.intent').find(
      ({ activity }) => activity === 'application.deployEnvironment',
    );
    expect(Date.parse(deployed?.virtual ?? '')).toBeGreaterThanOrEqual(Date.parse(provided?.virtual ?? ''));
    expect(begun(await rehearse('Failover'))).toContain('application.deployEnvironment');
  });
});

describe('the switch', () => {
  test('a declined switch leaves DNS as it was and removes the recovery environment', async () => {
    const result = await rehearse('The switch is declined');
    expect(result.outcome).toBe('rejected');
    expect(dnsOf(result)).toEqual(PRIMARY);
    const effects = result.world.effects.map(({ what }) => what);
    expect(effects.indexOf('environment removed')).toBeGreaterThan(effects.indexOf('environment deployed'));
    expect(effects).toContain('database put back');
  });

  test('resolvers that are slow are waited for', async () => {
    const result = await rehearse('The recovery site has other files, and resolvers are slow');
    const waits = of(result, 'wait.started').filter(({ wait }) => wait.startsWith('resolvers'));
    expect(waits).toHaveLength(3);
    expect(of(result, 'gate.opened').map(({ gate }) => gate)).not.toContain('go-on-despite-resolvers');
    expect(result.outcome).toBe('completed');
  });

  test('resolvers that never agree are a decision of people', async () => {
    const result = await rehearse('Resolvers never agree, a check fails for users, and both are accepted');
    expect(of(result, 'gate.opened').map(({ gate }) => gate)).toContain('go-on-despite-resolvers');
  });

  test('once users were sent there, going back points the name back and removes nothing they wrote', async () => {
    const result = await rehearse('A check fails for users, and the name is pointed back');
    expect(pointed(result)).toContain(RECOVERY[0]);
    expect(dnsOf(result)).toEqual(PRIMARY);
    const effects = result.world.effects.map(({ what }) => what);
    expect(effects).not.toContain('environment removed');
    expect(effects).not.toContain('database put back');
  });
});

describe('what was lost', () => {
  test('RTO and RPO are measured and in the drill report', async () => {
    const result = await rehearse('Failover');
    const { rtoMs, rpoMs } = measuredOf(result);
    const closed = of(result, 'run.closed')[0]?.virtual ?? '';
    const opened = of(result, 'run.admitted')[0]?.virtual ?? '';
    expect(rtoMs).toBeGreaterThan(HOUR_MS);
    expect(rtoMs).toBeLessThanOrEqual(Date.parse(closed) - Date.parse(opened) + MINUTE_MS);
    expect(Math.round(rpoMs / HOUR_MS)).toBe(6);
    expect(drillReport('disasterRecovery', 'Failover', result).measured).toEqual({ rtoMs, rpoMs });
  });

  test('an outage that began earlier counts from its beginning', async () => {
    const [now, before] = await Promise.all([
      rehearse('Failover'),
      rehearse('Rebuild, down for an hour already'),
    ]);
    expect(Math.round((measuredOf(now).rpoMs - measuredOf(before).rpoMs) / HOUR_MS)).toBe(1);
    expect(measuredOf(before).rtoMs).toBeGreaterThan(3 * HOUR_MS);
  });

  test('an outage that is still to come is refused before anybody is asked', async () => {
    const later = new Date(Date.now() + HOUR_MS).toISOString();
    const result = await rehearse('Failover', {
      input: { service: 'shop', since: later, reason: 'The region of the primary site is gone' },
      ends: 'failed',
    });
    expect(of(result, 'gate.opened')).toEqual([]);
  });
});

describe('one recovery at a time', () => {
  async function begin(): Promise<string> {
    const { pool, ledger, configuration, directory, catalogue } = installation.installation;
    const { acceptedAssurances, org } = installation.environment;
    const result = await start(
      {
        ...{ pool, ledger, configuration, directory, catalogue, acceptedAssurances, org },
        ...{ client: installation.live, mode: 'live', taskQueue: installation.taskQueue },
      },
      {
        runbook: 'disasterRecovery',
        input: { service: 'shop', mode: 'failover', reason: 'The region of the primary site is gone' },
        person: (await directory.personByName('Ada')) ?? null,
        assurance: 'claimed',
        channel: 'cli',
      },
    );
    if (!result.started) throw new Error(result.sentence);
    return result.run;
  }
  const untilStatus = (run: string, wanted: (status: RunStatus) => boolean, what: string) =>
    eventually(() => installation.live.workflow.getHandle(run).query(statusQuery), wanted, what);

  test('two failovers of one service: the second is refused with a link to the first', async () => {
    const first = await begin();
    await untilStatus(first, ({ gates }) => gates.length > 0, 'the first run to ask for the declaration');
    const second = await begin();
    await untilStatus(second, ({ state }) => state === 'refused', 'the second run to be refused');
    await expect(installation.live.workflow.getHandle(second).result()).rejects.toMatchObject({
      cause: { type: 'NotAdmitted', message: expect.stringContaining(first) as string },
    });
    await installation.live.workflow.getHandle(first).cancel();
    await untilStatus(first, ({ state }) => state === 'cancelled', 'the first run to end');
  });
});
