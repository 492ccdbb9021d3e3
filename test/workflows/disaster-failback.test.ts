import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EntryOf, LedgerKind } from '../../activities/ledger/entry.js';
import { dnsRecords } from '../../simulators/dns.js';
import { postgresContent } from '../../simulators/postgres.js';
import { s3Objects } from '../../simulators/s3.js';
import { findRunbook } from '../../triggers/catalogue.js';
import type { RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const PRIMARY = ['192.0.2.10'];
const RECOVERY = ['198.51.100.10'];

let installation: TestInstallation;
let host: RehearsalHost;

beforeAll(async () => {
  installation = await testInstallation();
  host = await rehearsalHost(installation);
}, 120_000);

afterAll(async () => {
  await host?.close();
  await installation?.close();
}, 60_000);

async function rehearse(name: string, change: Partial<Rehearsal<unknown>> = {}): Promise<RehearsalResult> {
  const entry = findRunbook(installation.installation.catalogue, 'disasterFailback');
  const scripted = entry?.spec.rehearsals.find((rehearsal) => rehearsal.name === name);
  if (entry === undefined || scripted === undefined) throw new Error(`There is no rehearsal "${name}".`);
  return await host.rehearse(entry, { ...scripted, ...change });
}

const of = <K extends LedgerKind>({ entries }: RehearsalResult, kind: K): EntryOf<K>[] =>
  entries.map(({ entry }) => entry).filter((entry): entry is EntryOf<K> => entry.kind === kind);

const begun = (result: RehearsalResult): string[] =>
  of(result, 'step.intent').map(({ activity }) => activity);
const whats = ({ world }: RehearsalResult): string[] => world.effects.map(({ what }) => what);
const freezes = (result: RehearsalResult): string[] =>
  whats(result).filter((what) => what.startsWith('writes '));
const dnsOf = ({ world }: RehearsalResult): string[] =>
  dnsRecords(world, 'zone-example', 'A', 'app.example.com');

/** Whether the name ever led to the primary site. */
const wasSwitched = ({ world }: RehearsalResult): boolean =>
  world.effects.some(({ system, subject }) => system === 'dns' && subject.endsWith(` ${PRIMARY[0]}`));

describe('writes', () => {
  test('no write is accepted between the last sync and the switch', async () => {
    const result = await rehearse('Failback');
    const order = begun(result);
    const [frozen, synced, compared] = [
      order.indexOf('application.freezeWrites'),
      order.indexOf('postgres.backup'),
      order.lastIndexOf('postgres.fingerprint'),
    ];
    const [switched, letIn] = [
      order.lastIndexOf('dns.setRecords'),
      order.indexOf('application.unfreezeWrites'),
    ];
    const moments = [frozen, synced, compared, switched, letIn];
    expect(moments).not.toContain(-1);
    expect(moments).toEqual(moments.toSorted((a, b) => a - b));
    expect(freezes(result)).toEqual(['writes frozen', 'writes unfrozen']);
  });

  test('what was written at the recovery site is at the primary one afterwards', async () => {
    const { world } = await rehearse('Failback');
    expect(postgresContent(world, 'app')).toEqual(postgresContent(world, 'app-dr'));
    expect(Object.keys(s3Objects(world, 'shop-files'))).toEqual(
      expect.arrayContaining(Object.keys(s3Objects(world, 'shop-files-dr'))),
    );
    expect(Object.keys(s3Objects(world, 'shop-files-dr'))).toContain('documents/2');
  });

  test.each([
    'Failback',
    'Something writes in spite of the freeze',
    'The synced database is not sound',
    'The primary site fails a check after the sync, and everything is put back',
    'The switch is declined',
    'Resolvers never agree, and users are sent to the recovery site again',
    'A check fails for users, and they are sent to the recovery site again',
  ])('are let in again whatever happens: %s', async (name) => {
    expect(freezes(await rehearse(name)).at(-1)).toBe('writes unfrozen');
  });

  test('are let in again when nobody decides about the switch', async () => {
    const result = await rehearse('The switch is declined', {
      answers: {
        begin: { by: 'Grace', verdict: 'approve' },
        'switch-back': 'nobody',
        'freeze/missed': 'nobody',
      },
    });
    expect(freezes(result)).toEqual(['writes frozen', 'writes unfrozen']);
    expect(dnsOf(result)).toEqual(RECOVERY);
  });

  test('are let in again when that fails at first: a person is asked, and it is never passed over', async () => {
    const result = await rehearse('Failback', {
      faults: [{ operation: 'application.unfreezeWrites', point: 'before', status: 422 }],
      answers: {
        begin: { by: 'Grace', verdict: 'approve' },
        'switch-back': { by: 'Margaret', verdict: 'approve' },
        'application.unfreezeWrites#1': { by: 'Ada', after: '5 minutes', choice: 'retry' },
        'dr-environment': { by: 'Grace', option: 'keep' },
      },
    });
    expect(result.world.injected('application.unfreezeWrites')).toBeGreaterThan(0);
    expect(freezes(result)).toEqual(['writes frozen', 'writes unfrozen']);
  });

  test('are not frozen while caches forget the old answer', async () => {
    const result = await rehearse('Failback');
    const at = (activity: string) =>
      Date.parse(of(result, 'step.intent').find((entry) => entry.activity === activity)?.virtual ?? '');
    expect(at('application.freezeWrites') - at('dns.setRecords')).toBeGreaterThanOrEqual(HOUR_MS);
    const { frozenMs } = result.output as { frozenMs: number };
    expect(frozenMs).toBeLessThan(HOUR_MS);
  });

  test('on call is paged when they stay frozen for more than an hour', async () => {
    const result = await rehearse('The freeze takes long, with other files and a failing check');
    const frozen = of(result, 'deadline.started').find(({ deadline }) => deadline === 'freeze');
    const paged = of(result, 'step.intent').find(({ activity }) => activity === 'pagerduty.trigger');
    expect(Date.parse(paged?.virtual ?? '') - Date.parse(frozen?.from ?? '')).toBeGreaterThanOrEqual(HOUR_MS);
    expect(of(result, 'deadline.missed')).toHaveLength(1);
  });
});

describe('going back', () => {
  test('data that differs after the sync stops the failback', async () => {
    const result = await rehearse('Something writes in spite of the freeze');
    expect(result.outcome).toBe('failed');
    expect(wasSwitched(result)).toBe(false);
    expect(whats(result)).not.toContain('database replaced');
  });

  test('files that differ after the sync are a decision of people', async () => {
    const result = await rehearse('The freeze takes long, with other files and a failing check');
    expect(of(result, 'gate.opened').map(({ gate }) => gate)).toContain('go-on-despite-files');
  });

  test('nobody goes back to a primary site that fails its checks unless people say so', async () => {
    const result = await rehearse('The primary site fails a check, and nobody goes back');
    expect(begun(result)).toEqual(['application.health']);
    expect(freezes(result)).toEqual([]);
    expect(dnsOf(result)).toEqual(RECOVERY);
  });

  test.each([
    'Resolvers never agree, and users are sent to the recovery site again',
    'A check fails for users, and they are sent to the recovery site again',
  ])('the former primary database is put back, since nothing was written: %s', async (name) => {
    const result = await rehearse(name);
    expect(wasSwitched(result)).toBe(true);
    expect(dnsOf(result)).toEqual(RECOVERY);
    expect(whats(result)).toContain('database put back');
  });

  test('the recovery environment is removed only when people decide so', async () => {
    expect(whats(await rehearse('Failback'))).not.toContain('environment removed');
    const removed = await rehearse('Failback, and the recovery environment is removed');
    expect(of(removed, 'decision.made')).toMatchObject([{ decision: 'dr-environment', option: 'remove' }]);
    expect(whats(removed)).toContain('environment removed');
  });

  test('how long writes were frozen is in the result', async () => {
    const { frozenMs } = (await rehearse('Failback')).output as { frozenMs: number };
    expect(frozenMs).toBeGreaterThanOrEqual(2 * MINUTE_MS);
  });
});
