import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createSteps, type Systems } from '../../activities/index.js';
import { Redactor } from '../../activities/redactor.js';
import { EnvironmentError, readEnvironment } from '../../config/environment.js';
import { dnsSimulator, seedDns } from '../../simulators/dns.js';
import { statuspageSimulator } from '../../simulators/statuspage.js';
import { liveSystems } from '../../worker/systems.js';
import { failureOf, runVerb, useSimulators } from '../helpers/vendor.js';

const vendor = useSimulators(dnsSimulator, statuspageSimulator);
const NOWHERE = 'postgres://nobody@127.0.0.1:1/nowhere';
const COMPLETE = { DATABASE_URL: NOWHERE, TEMPORAL_ADDRESS: '127.0.0.1:1' };

const LOOKUP = { provider: 'cloudflare', zone: 'zone-example', name: 'app.example.com', type: 'A' };
const INCIDENT = { name: 'Logins fail', status: 'investigating', body: 'We are looking into it.' };

const environmentOf = (variables: Readonly<Record<string, string>>) =>
  readEnvironment({ ...COMPLETE, ...variables }, join(tmpdir(), 'no-such-stack.json'));

/** A configuration that no verb of these systems reads. */
const unused = (): never => expect.fail('this configuration is not read');

/** The systems of a worker with these variables; `simulated`: on the local stack. */
async function systemsOf(variables: Readonly<Record<string, string>>, simulated = false): Promise<Systems> {
  const folder = await mkdtemp(join(tmpdir(), 'dns-systems-'));
  const pool = new Pool({ connectionString: NOWHERE });
  onTestFinished(async () => {
    await pool.end();
    await rm(folder, { recursive: true });
  });
  const keyFile = join(folder, 'vault.key');
  await writeFile(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
  // The local stack serves its one world below /w/local: here, below the world of the test.
  const simulatorsUrl = new URL(vendor.url('dns').href.replace(/\/w\/.*$/, ''));
  return await liveSystems({
    environment: {
      ...environmentOf({ ...variables, VAULT_KEY_FILE: keyFile }),
      simulatorsUrl: simulated ? simulatorsUrl : undefined,
    },
    pool,
    ledger: {} as never,
    application: unused,
    databases: unused,
    notifications: unused,
    redactor: new Redactor(),
  });
}

describe('dns and statuspage without a credential', () => {
  test('every verb that needs one stops for a person, and names the variables', async () => {
    const steps = createSteps(await systemsOf({}));
    const change = { ...LOOKUP, values: ['192.0.2.20'], ttl: 60 };
    for (const [variable, call] of [
      ['CLOUDFLARE_API_TOKEN', () => runVerb(steps.dns.lookup, LOOKUP)],
      ['CLOUDFLARE_API_TOKEN', () => runVerb(steps.dns.setRecords, change)],
      ['AWS_SECRET_ACCESS_KEY', () => runVerb(steps.dns.lookup, { ...LOOKUP, provider: 'route53' })],
      ['STATUSPAGE_PAGE_ID', () => runVerb(steps.statuspage.createIncident, INCIDENT)],
    ] as const) {
      const failure = await failureOf(call());
      expect(failure).toMatchObject({ type: 'NoCredential', nonRetryable: true });
      expect(failure.message).toContain(variable);
    }
  });

  test('one half of a pair is no credential', () => {
    const halves = { AWS_ACCESS_KEY_ID: 'AKIA1', STATUSPAGE_API_KEY: 'key' };
    expect(environmentOf(halves).vendors).not.toHaveProperty('route53');
    expect(environmentOf(halves).vendors).not.toHaveProperty('statuspage');
    const whole = { ...halves, AWS_SECRET_ACCESS_KEY: 'secret', STATUSPAGE_PAGE_ID: 'page' };
    expect(environmentOf(whole).vendors).toMatchObject({
      route53: { credential: 'secret', id: 'AKIA1' },
      statuspage: { credential: 'key', id: 'page' },
    });
  });
});

describe('dns and statuspage on the local stack', () => {
  beforeEach(() => seedDns(vendor.world));

  test('vendors and resolvers are simulated, and resolvers keep their public names', async () => {
    const { dns, statuspage } = await systemsOf({}, true);
    const { host } = vendor.url('dns');
    expect(dns.resolvers.map(({ name }) => name)).toEqual(['cloudflare-dns.com', 'dns.google']);
    expect(dns.resolvers.map(({ url }) => url.host)).toEqual([host, host]);
    // The world of the local stack is another one than that of the test, so its zones are not there.
    for (const provider of ['cloudflare', 'route53'] as const) {
      const where = { zone: 'zone-example', name: 'app.example.com', type: 'A' } as const;
      expect((await failureOf(dns[provider].lookup(where))).type).toBe('VendorRefused');
    }
    expect(await statuspage.incidents(1)).toEqual([]);
  });

  test('with a real zone in reach the real public is asked', async () => {
    const { dns } = await systemsOf({ CLOUDFLARE_API_TOKEN: 'cf-real' }, true);
    expect(dns.resolvers.map(({ url }) => url.host)).toEqual(['cloudflare-dns.com', 'dns.google']);
  });
});

describe('DNS_RESOLVERS', () => {
  test('other resolvers are asked instead of the public ones', async () => {
    const DNS_RESOLVERS = 'https://dns.example.org/query, https://resolver.example.net/dns';
    const { dns } = await systemsOf({ DNS_RESOLVERS });
    expect(dns.resolvers.map(({ name }) => name)).toEqual(['dns.example.org', 'resolver.example.net']);
  });

  test.each([
    ['one alone', 'https://dns.example.org/query'],
    ['one in clear text', 'https://dns.example.org/query,http://resolver.example.net/dns'],
  ])('%s is refused', (_what, DNS_RESOLVERS) => {
    expect(() => environmentOf({ DNS_RESOLVERS })).toThrow(EnvironmentError);
    expect(() => environmentOf({ DNS_RESOLVERS })).toThrow(/DNS_RESOLVERS/);
  });
});
