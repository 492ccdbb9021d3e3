import { beforeEach, describe, expect, test } from 'vitest';
import { dnsSimulator, seedDns } from '../../simulators/dns.js';
import {
  assertLeaksNothing,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';
import { APP, at, looksAt, SECRETS, ZONES, setUpDns, type SetUp } from './dns-sample.js';

const vendor = useSimulators(dnsSimulator);
const setUp = (given?: SetUp) => setUpDns(vendor, given);
const { effects, operations, stored } = looksAt(vendor);

beforeEach(() => seedDns(vendor.world));

describe.each(['cloudflare', 'route53'] as const)('dns at %s', (provider) => {
  const where = { zone: ZONES[provider], name: APP, type: 'A' } as const;
  const list = provider === 'cloudflare' ? 'listRecords' : 'listRecordSets';
  const lost = provider === 'cloudflare' ? 'editRecord' : 'changeRecordSets';

  test('a record set is looked up: sorted values and seconds', async () => {
    seedDns(vendor.world, {
      zones: [
        {
          provider,
          zone: ZONES[provider],
          domain: 'example.com',
          records: [{ type: 'A', name: APP, values: ['192.0.2.9', '192.0.2.10'], ttl: 300 }],
        },
      ],
    });
    const found = await runVerb(setUp().steps.lookup, { ...at(provider), name: 'App.Example.com.' });
    expect(found).toEqual({ values: ['192.0.2.10', '192.0.2.9'], ttl: 300 });
  });

  test('a name that is not in the zone is said to be missing, not empty', async () => {
    const failure = await failureOf(runVerb(setUp().steps.lookup, at(provider, 'ap.example.com')));
    expect(failure).toMatchObject({ type: 'RecordNotFound', nonRetryable: true });
    expect(failure.message).toContain('has no A record ap.example.com');
  });

  test('a record set becomes exactly the wanted one, and the name is never without an answer', async () => {
    const { steps } = setUp();
    const wanted = { ...at(provider), values: ['192.0.2.20', '192.0.2.21'], ttl: 60 };
    expect(await runVerb(steps.setRecords, wanted)).toEqual({ changed: true });
    expect(await runVerb(steps.lookup, at(provider))).toEqual({ values: wanted.values, ttl: 60 });
    expect(await runVerb(steps.setRecords, { ...wanted, values: ['192.0.2.30'] })).toEqual({ changed: true });
    expect(stored(provider)).toEqual(['192.0.2.30']);
    expect(effects('name left without an answer')).toEqual([]);
  });

  test('a record that is already as wanted is left alone, however it is spelled', async () => {
    const { steps } = setUp();
    const values = ['2001:DB8:0:0::1', '2001:db8::2'];
    const wanted = { ...at(provider, 'v6.example.com', 'AAAA'), values, ttl: 60 };
    expect(await runVerb(steps.setRecords, wanted)).toEqual({ changed: true });
    const before = vendor.world.effects.length;
    const again = { ...wanted, values: ['2001:0db8::0002', '2001:db8::1', '2001:db8::1'] };
    expect(await runVerb(steps.setRecords, again)).toEqual({ changed: false });
    expect(operations().at(-1)).toBe(list);
    expect(vendor.world.effects).toHaveLength(before);
  });

  test('a shorter ttl alone is a change', async () => {
    const { steps } = setUp();
    const wanted = { ...at(provider), values: ['192.0.2.10'], ttl: 60 };
    expect(await runVerb(steps.setRecords, wanted)).toEqual({ changed: true });
    expect(await runVerb(steps.lookup, at(provider))).toEqual({ values: ['192.0.2.10'], ttl: 60 });
  });

  test('a wildcard and a CNAME are set and found again', async () => {
    const { steps } = setUp();
    const wanted = {
      ...at(provider, '*.preview.example.com', 'CNAME'),
      values: ['Hosting.Example.net.'],
      ttl: 300,
    };
    await runVerb(steps.setRecords, wanted);
    const found = await runVerb(steps.lookup, at(provider, '*.preview.example.com', 'CNAME'));
    expect(found).toEqual({ values: ['hosting.example.net'], ttl: 300 });
  });

  test('a lost answer is repeated, changes nothing more, and still counts as a change', async () => {
    vendor.world.fail({ operation: `dns.${lost}`, point: 'after' });
    const wanted = { ...at(provider), values: ['192.0.2.20'], ttl: 60 };
    expect(await runWithRetries(setUp().steps.setRecords, wanted)).toEqual({ changed: true });
    expect(vendor.world.injected(`dns.${lost}`)).toBe(1);
    expect(stored(provider)).toEqual(['192.0.2.20']);
    expect(vendor.world.effects).toHaveLength(1);
  });

  test('a CNAME beside an address is refused for good, with what to look for', async () => {
    const wanted = { ...at(provider, APP, 'CNAME'), values: ['hosting.example.net'], ttl: 300 };
    const failure = await failureOf(runVerb(setUp().steps.setRecords, wanted));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('no record of another type stands in the way');
    expect(stored(provider)).toEqual(['192.0.2.10']);
  });

  test('a zone that is not there is refused for good', async () => {
    const failure = await failureOf(runVerb(setUp().steps.lookup, { ...at(provider), zone: 'other' }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });

  test('wrong credentials are refused for good, and named by their variable', async () => {
    const { steps } = setUp({ token: 'cf-some-other-token', accessKeyId: 'AKIASOMEOTHER0000000' });
    const failure = await failureOf(runVerb(steps.lookup, at(provider)));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toMatch(/CLOUDFLARE_API_TOKEN|AWS_ACCESS_KEY_ID/);
    assertLeaksNothing(failure, SECRETS);
  });

  test('an answer that makes no sense is not acted on', async () => {
    const fake = await fakeVendorAnswering({ body: 'served by a captive portal' });
    const failure = await failureOf(setUp({ baseUrl: fake.url }).dns[provider].lookup(where));
    expect(failure).toMatchObject({ type: 'UnexpectedAnswer', nonRetryable: true });
  });

  test('a slow answer ends at the time-out and is tried again', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const { dns } = setUp({ baseUrl: fake.url, timeoutMs: 50 });
    const failure = await failureOf(dns[provider].lookup(where));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });

  test('a cancelled step stops waiting for the answer', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const step = stepContext();
    const running = setUp({ baseUrl: fake.url }).dns[provider].lookup(where, step);
    step.abort();
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });

  test.each([
    ['an address of the wrong kind', { values: ['2001:db8::1'] }, 'values'],
    ['no value at all', { values: [] }, 'values'],
    ['a host name where an address belongs', { values: ['app.example.com'] }, 'values'],
    ['a ttl that is too long', { ttl: 3_000_000_000 }, 'ttl'],
    ['a name with a space', { name: 'app .example.com' }, 'name'],
    ['two names for a CNAME', { type: 'CNAME', values: ['a.example.net', 'b.example.net'] }, 'values'],
  ])('%s is refused before anything is asked', async (_what, change, field) => {
    const input = { ...at(provider), values: ['192.0.2.20'], ttl: 60, ...change };
    const failure = await failureOf(runVerb(setUp().steps.setRecords, input));
    expect(failure.type).toBe('InvalidInput');
    expect(failure.message).toContain(field);
    expect(vendor.world.requests).toEqual([]);
  });
});
