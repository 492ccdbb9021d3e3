import { beforeEach, describe, expect, test } from 'vitest';
import { dnsSimulator, seedDns } from '../../simulators/dns.js';
import {
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';
import { APP, at, looksAt, SECRETS, setUpDns, type SetUp } from './dns-sample.js';

const vendor = useSimulators(dnsSimulator);
const setUp = (given?: SetUp) => setUpDns(vendor, given);
const { effects, operations, stored } = looksAt(vendor);

beforeEach(() => seedDns(vendor.world));

describe('dns at Cloudflare', () => {
  const where = { zone: 'zone-example', name: APP, type: 'A' } as const;

  test('which answers are retried, and none of the errors holds the token', async () => {
    const { dns } = setUp();
    const ask = (operation: string, call: () => Promise<unknown>, handles: number[] = []) =>
      assertRetries({
        world: vendor.world,
        operation: `dns.${operation}`,
        call,
        secrets: SECRETS,
        handles,
      });
    await ask('listRecords', () => dns.cloudflare.lookup(where));
    const edit = () =>
      dns.cloudflare.replace(where, { values: ['192.0.2.20'], ttl: 61 + operations().length });
    await ask('editRecord', edit);
    let host = 0;
    const create = () =>
      dns.cloudflare.replace(
        { ...where, name: `host-${(host += 1)}.example.com` },
        { values: ['192.0.2.1'], ttl: 60 },
      );
    await ask('createRecord', create);
    const shrink = async () => {
      const name = `host-${(host += 1)}.example.com`;
      const both = ['192.0.2.1', '192.0.2.2'];
      await dns.cloudflare.replace({ ...where, name }, { values: both, ttl: 60 });
      await dns.cloudflare.replace({ ...where, name }, { values: ['192.0.2.1'], ttl: 60 });
    };
    await ask('deleteRecord', shrink, [404]);
  });

  test('only what differs is written, and what is not wanted goes last', async () => {
    const { steps } = setUp();
    await runVerb(steps.setRecords, {
      ...at('cloudflare'),
      values: ['192.0.2.10', '192.0.2.11', '192.0.2.12'],
      ttl: 3600,
    });
    expect(operations().filter((name) => name !== 'listRecords')).toEqual(['createRecord', 'createRecord']);
    vendor.world.requests.length = 0;
    await runVerb(steps.setRecords, { ...at('cloudflare'), values: ['192.0.2.10', '192.0.2.20'], ttl: 3600 });
    expect(operations().filter((name) => name !== 'listRecords')).toEqual(['editRecord', 'deleteRecord']);
    expect(stored('cloudflare')).toEqual(['192.0.2.10', '192.0.2.20']);
  });

  test('an outage in the middle leaves an answer, and the next attempt finishes', async () => {
    const { steps } = setUp();
    await runVerb(steps.setRecords, { ...at('cloudflare'), values: ['192.0.2.10', '192.0.2.11'], ttl: 3600 });
    vendor.world.fail({ operation: 'dns.deleteRecord', point: 'before' });
    const wanted = { ...at('cloudflare'), values: ['192.0.2.30'], ttl: 3600 };
    await failureOf(runVerb(steps.setRecords, wanted));
    expect(vendor.world.injected('dns.deleteRecord')).toBe(1);
    expect(stored('cloudflare')).toEqual(['192.0.2.11', '192.0.2.30']);
    await runVerb(steps.setRecords, wanted, stepContext({ attempt: 2 }));
    expect(stored('cloudflare')).toEqual(['192.0.2.30']);
    expect(effects('name left without an answer')).toEqual([]);
  });

  test('the automatic ttl is the 300 seconds that it means', async () => {
    const record = { id: 'r1', type: 'A', name: APP, content: '192.0.2.10', ttl: 1, proxied: false };
    const fake = await fakeVendorAnswering({ body: { success: true, result: [record] } });
    const { steps } = setUp({ baseUrl: fake.url });
    expect(await runVerb(steps.lookup, at('cloudflare'))).toEqual({ values: ['192.0.2.10'], ttl: 300 });
    const wanted = { ...at('cloudflare'), values: ['192.0.2.10'], ttl: 300 };
    expect(await runVerb(steps.setRecords, wanted)).toEqual({ changed: false });
  });

  test('records of other names and types are never touched, even where the filter is not obeyed', async () => {
    const record = { type: 'A', name: APP, content: '192.0.2.10', ttl: 60, proxied: false };
    const others = [
      { ...record, id: 'r2', name: 'mail.example.com' },
      { ...record, id: 'r3', type: 'AAAA', content: '2001:db8::1' },
    ];
    const fake = await fakeVendorAnswering({
      body: { success: true, result: [{ ...record, id: 'r1' }, ...others] },
    });
    const wanted = { ...at('cloudflare'), values: ['192.0.2.10'], ttl: 60 };
    expect(await runVerb(setUp({ baseUrl: fake.url }).steps.setRecords, wanted)).toEqual({ changed: false });
    expect(fake.requests.map(({ path }) => path)).toEqual([
      '/zones/zone-example/dns_records?name.exact=app.example.com&type=A&page=1&per_page=100',
    ]);
  });

  test('a proxied record is left to a person: the public is told other addresses', async () => {
    const record = { id: 'r1', type: 'A', name: APP, content: '192.0.2.10', ttl: 1, proxied: true };
    const fake = await fakeVendorAnswering({ body: { success: true, result: [record] } });
    const wanted = { ...at('cloudflare'), values: ['192.0.2.20'], ttl: 300 };
    const failure = await failureOf(runVerb(setUp({ baseUrl: fake.url }).steps.setRecords, wanted));
    expect(failure).toMatchObject({ type: 'NotASimpleRecord', nonRetryable: true });
    expect(fake.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  test('less than 60 s outside of the Enterprise plan is refused by the zone, with the reason', async () => {
    const wanted = { ...at('cloudflare'), values: ['192.0.2.20'], ttl: 30 };
    const failure = await failureOf(runVerb(setUp().steps.setRecords, wanted));
    expect(failure.type).toBe('VendorRefused');
    expect(failure.message).toContain('Enterprise');
  });
});
