import { beforeEach, describe, expect, test } from 'vitest';
import { cloudflareDns } from '../../activities/dns/cloudflare.js';
import { PUBLIC_RESOLVERS, resolverClient } from '../../activities/dns/resolvers.js';
import { route53Dns } from '../../activities/dns/route53.js';
import { dnsSteps } from '../../activities/dns/steps.js';
import {
  CLOUDFLARE_SIM_TOKEN,
  dnsSimulator,
  ROUTE53_SIM_ACCESS_KEY_ID,
  ROUTE53_SIM_SECRET,
  seedDns,
} from '../../simulators/dns.js';
import {
  assertRetries,
  failureOf,
  fakeVendorAnswering,
  runVerb,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendor = useSimulators(dnsSimulator);
const question = { name: 'app.example.com', type: 'A' } as const;
const OLD = ['192.0.2.10'];
const NEW = ['192.0.2.20'];

/** The simulated public resolvers, or one address for both of them. */
function setUp(resolversAt?: URL) {
  const baseUrl = vendor.url('dns');
  const dns = {
    cloudflare: cloudflareDns({ baseUrl, token: CLOUDFLARE_SIM_TOKEN }),
    route53: route53Dns({
      baseUrl,
      accessKeyId: ROUTE53_SIM_ACCESS_KEY_ID,
      secretAccessKey: ROUTE53_SIM_SECRET,
      pollIntervalMs: 1,
    }),
    ask: resolverClient({ timeoutMs: 5_000 }),
    resolvers: PUBLIC_RESOLVERS.map(({ name, url }) => ({
      name,
      url: resolversAt ?? new URL(`${baseUrl.href}/${name}${url.pathname}`),
    })),
  };
  return { dns, steps: dnsSteps({ dns }) };
}

const answered = (...values: readonly (readonly string[])[]) =>
  values.map((list, place) => ({ resolver: ['cloudflare-dns.com', 'dns.google'][place], values: list }));

const changeAt = async (provider: 'cloudflare' | 'route53') =>
  await runVerb(setUp().steps.setRecords, {
    provider,
    zone: provider === 'cloudflare' ? 'zone-example' : 'Z0EXAMPLE',
    ...question,
    values: NEW,
    ttl: 60,
  });

describe('dns.resolve', () => {
  beforeEach(() => seedDns(vendor.world));

  test('which answers of a resolver are retried', async () => {
    const { dns } = setUp();
    const [cloudflare, google] = dns.resolvers;
    if (cloudflare === undefined || google === undefined) expect.fail('there are two public resolvers');
    for (const [operation, resolver] of [
      ['dns.askCloudflare', cloudflare],
      ['dns.askGoogle', google],
    ] as const) {
      const call = () => dns.ask(resolver, question);
      await assertRetries({ world: vendor.world, operation, call, secrets: [] });
    }
  });

  test('the public agrees when every resolver gives exactly the expected values', async () => {
    const { steps } = setUp();
    const asked = await runVerb(steps.resolve, { ...question, expect: OLD });
    expect(asked).toEqual({ agree: true, answers: answered(OLD, OLD) });
    expect((await runVerb(steps.resolve, { ...question, expect: NEW })).agree).toBe(false);
    expect((await runVerb(steps.resolve, { ...question, expect: [...OLD, ...NEW] })).agree).toBe(false);
  });

  test.each(['cloudflare', 'route53'] as const)(
    'after a change at %s a slow resolver goes on giving the old answer, then the new one',
    async (provider) => {
      seedDns(vendor.world, { slowResolvers: 2 });
      await changeAt(provider);
      const { steps } = setUp();
      const ask = () => runVerb(steps.resolve, { ...question, expect: NEW });
      expect(await ask()).toEqual({ agree: false, answers: answered(OLD, OLD) });
      expect(await ask()).toEqual({ agree: false, answers: answered(OLD, OLD) });
      expect(await ask()).toEqual({ agree: true, answers: answered(NEW, NEW) });
    },
  );

  test('one resolver that still has the old answer is enough to disagree', async () => {
    seedDns(vendor.world, { slowResolvers: 1 });
    await changeAt('cloudflare');
    const { dns, steps } = setUp();
    const [first] = dns.resolvers;
    if (first === undefined) expect.fail('there is a resolver');
    expect(await dns.ask(first, question)).toEqual(OLD);
    const asked = await runVerb(steps.resolve, { ...question, expect: NEW });
    expect(asked).toEqual({ agree: false, answers: answered(NEW, OLD) });
  });

  test('a resolver that is away counts as an empty answer', async () => {
    vendor.world.fail({ operation: 'dns.askGoogle', point: 'before' });
    const asked = await runVerb(setUp().steps.resolve, { ...question, expect: OLD });
    expect(vendor.world.injected('dns.askGoogle')).toBe(1);
    expect(asked).toEqual({ agree: false, answers: answered(OLD, []) });
  });

  test('when no resolver answers, nothing is claimed and it is tried again', async () => {
    vendor.world.fail({ operation: 'dns.askCloudflare', point: 'before' });
    vendor.world.fail({ operation: 'dns.askGoogle', point: 'after' });
    const failure = await failureOf(runVerb(setUp().steps.resolve, { ...question, expect: OLD }));
    expect(vendor.world.injected()).toBe(2);
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
    expect(failure.message).toContain('cloudflare-dns.com, dns.google');
  });

  test('when every resolver refuses the question, nobody asks again and again', async () => {
    vendor.world.fail({ operation: 'dns.askCloudflare', point: 'before', status: 400 });
    vendor.world.fail({ operation: 'dns.askGoogle', point: 'before', status: 400 });
    const failure = await failureOf(runVerb(setUp().steps.resolve, { ...question, expect: OLD }));
    expect(vendor.world.injected()).toBe(2);
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
  });

  test('a resolver that could not find out (SERVFAIL) has not answered', async () => {
    const fake = await fakeVendorAnswering({ body: { Status: 2 } });
    const failure = await failureOf(runVerb(setUp(fake.url).steps.resolve, { ...question, expect: OLD }));
    expect(failure.type).toBe('VendorUnavailable');
  });

  test('a name that is gone is an empty answer', async () => {
    const gone = { name: 'gone.example.com', type: 'A' };
    const asked = await runVerb(setUp().steps.resolve, { ...gone, expect: OLD });
    expect(asked).toEqual({ agree: false, answers: answered([], []) });
  });

  test('an address behind a CNAME is the address, and the CNAME itself can be asked for', async () => {
    const { steps } = setUp();
    const cname = { provider: 'cloudflare', zone: 'zone-example', name: 'www.example.com', type: 'CNAME' };
    await runVerb(steps.setRecords, { ...cname, values: ['app.example.com'], ttl: 300 });
    const addresses = await runVerb(steps.resolve, { name: 'www.example.com', type: 'A', expect: OLD });
    expect(addresses).toEqual({ agree: true, answers: answered(OLD, OLD) });
    const name = { name: 'www.example.com', type: 'CNAME', expect: ['App.Example.com.'] };
    expect((await runVerb(steps.resolve, name)).agree).toBe(true);
  });

  test('a cancelled step is not reported as resolvers that are away', async () => {
    const fake = await fakeVendorAnswering({ delay: 'never' });
    const step = stepContext();
    const running = setUp(fake.url).steps.resolve.run({ ...question, expect: OLD }, step);
    step.abort();
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('expecting nothing is refused: silence would count as agreement', async () => {
    const failure = await failureOf(runVerb(setUp().steps.resolve, { ...question, expect: [] }));
    expect(failure.type).toBe('InvalidInput');
    expect(vendor.world.requests).toEqual([]);
  });
});
