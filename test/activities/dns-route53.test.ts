import { beforeEach, describe, expect, test } from 'vitest';
import { dnsSimulator, seedDns } from '../../simulators/dns.js';
import {
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';
import { APP, at, looksAt, SECRETS, setUpDns, type SetUp } from './dns-sample.js';

const vendor = useSimulators(dnsSimulator);
const setUp = (given?: SetUp) => setUpDns(vendor, given);
const { effects, operations } = looksAt(vendor);

/** An answer of Route 53 with one record set. */
const listed = (set: string): string =>
  '<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">' +
  `<ResourceRecordSets><ResourceRecordSet>${set}</ResourceRecordSet></ResourceRecordSets>` +
  '<IsTruncated>false</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>';

beforeEach(() => seedDns(vendor.world));

describe('dns at Route 53', () => {
  const where = { zone: 'Z0EXAMPLE', name: APP, type: 'A' } as const;

  test('which answers are retried, and none of the errors holds the key', async () => {
    const { dns } = setUp();
    const { world } = vendor;
    const ask = (operation: string, call: () => Promise<unknown>) =>
      assertRetries({ world, operation: `dns.${operation}`, call, secrets: SECRETS });
    const replace = () => dns.route53.replace(where, { values: ['192.0.2.20'], ttl: 60 });
    await ask('listRecordSets', () => dns.route53.lookup(where));
    await ask('changeRecordSets', replace);
    await ask('getChange', replace);
  });

  test.each(['Throttling', 'PriorRequestNotComplete'])('%s is tried again', async (code) => {
    const body =
      '<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error>' +
      `<Type>Sender</Type><Code>${code}</Code><Message>Rate exceeded</Message></Error></ErrorResponse>`;
    const fake = await fakeVendorAnswering({ status: 400, body, headers: { 'content-type': 'text/xml' } });
    const failure = await failureOf(setUp({ baseUrl: fake.url }).dns.route53.lookup(where));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
    expect(fake.requests).toHaveLength(1);
  });

  test('a change is followed until all servers have it, with heartbeats', async () => {
    const step = stepContext();
    await runVerb(setUp().steps.setRecords, { ...at('route53'), values: ['192.0.2.20'], ttl: 60 }, step);
    expect(step.heartbeats.length).toBeGreaterThan(2);
    expect(step.heartbeats.at(-1)).toMatchObject({ status: 'INSYNC' });
    expect(operations().filter((name) => name === 'getChange')).toHaveLength(2);
  });

  test('an outage while the change spreads does not end the step before it is everywhere', async () => {
    vendor.world.fail({ operation: 'dns.getChange', point: 'before', times: 2 });
    const step = stepContext();
    const wanted = { ...at('route53'), values: ['192.0.2.20'], ttl: 60 };
    expect(await runWithRetries(setUp().steps.setRecords, wanted, step)).toEqual({ changed: true });
    expect(vendor.world.injected('dns.getChange')).toBe(2);
    expect(step.heartbeats.at(-1)).toMatchObject({ status: 'INSYNC' });
    expect(effects('record set changed')).toHaveLength(1);
  });

  test.each([
    [
      'an alias',
      '<AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>lb.example.net.</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>',
    ],
    [
      'a weighted record',
      '<SetIdentifier>blue</SetIdentifier><Weight>1</Weight><TTL>60</TTL><ResourceRecords><ResourceRecord>' +
        '<Value>192.0.2.10</Value></ResourceRecord></ResourceRecords>',
    ],
  ])('%s is left to a person', async (_what, content) => {
    const body = listed(`<Name>${APP}.</Name><Type>A</Type>${content}`);
    const fake = await fakeVendorAnswering({ body, headers: { 'content-type': 'text/xml' } });
    const wanted = { ...at('route53'), values: ['192.0.2.20'], ttl: 60 };
    const failure = await failureOf(runVerb(setUp({ baseUrl: fake.url }).steps.setRecords, wanted));
    expect(failure).toMatchObject({ type: 'NotASimpleRecord', nonRetryable: true });
    expect(fake.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  test('the next record of the zone is not taken for the one that is missing', async () => {
    const { dns } = setUp();
    await dns.route53.replace({ ...where, name: 'b.example.com' }, { values: ['192.0.2.1'], ttl: 60 });
    expect(await dns.route53.lookup({ ...where, name: 'an.example.com' })).toBeUndefined();
    expect(await dns.route53.lookup({ ...where, type: 'AAAA' })).toBeUndefined();
  });
});
