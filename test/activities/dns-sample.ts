import { cloudflareDns } from '../../activities/dns/cloudflare.js';
import type { ProviderName } from '../../activities/dns/contract.js';
import { resolverClient } from '../../activities/dns/resolvers.js';
import { route53Dns } from '../../activities/dns/route53.js';
import { dnsSteps } from '../../activities/dns/steps.js';
import {
  CLOUDFLARE_SIM_TOKEN,
  dnsRecords,
  ROUTE53_SIM_ACCESS_KEY_ID,
  ROUTE53_SIM_SECRET,
} from '../../simulators/dns.js';
import type { SimulatedVendors } from '../helpers/vendor.js';

/** What may be in no error. */
export const SECRETS = [CLOUDFLARE_SIM_TOKEN, ROUTE53_SIM_SECRET];

export const ZONES: Readonly<Record<ProviderName, string>> = {
  cloudflare: 'zone-example',
  route53: 'Z0EXAMPLE',
};

/** The host that every world has at both providers. */
export const APP = 'app.example.com';

export interface SetUp {
  readonly baseUrl?: URL;
  readonly accessKeyId?: string;
  readonly token?: string;
  readonly timeoutMs?: number;
}

/** Both providers at the simulator, unless something else is given. */
export function setUpDns(vendor: SimulatedVendors, given: SetUp = {}) {
  const { baseUrl = vendor.url('dns'), timeoutMs = 5_000 } = given;
  const { accessKeyId = ROUTE53_SIM_ACCESS_KEY_ID, token = CLOUDFLARE_SIM_TOKEN } = given;
  const secretAccessKey = ROUTE53_SIM_SECRET;
  const dns = {
    cloudflare: cloudflareDns({ baseUrl, token, timeoutMs }),
    route53: route53Dns({ baseUrl, accessKeyId, secretAccessKey, pollIntervalMs: 1, timeoutMs }),
    ask: resolverClient({ timeoutMs }),
    resolvers: [],
  };
  return { dns, steps: dnsSteps({ dns }) };
}

/** The input of a step about one record set. */
export const at = (provider: ProviderName, name = APP, type = 'A') => ({
  provider,
  zone: ZONES[provider],
  name,
  type,
});

/** What happened in the world of the current test. */
export const looksAt = (vendor: SimulatedVendors) => ({
  stored: (provider: ProviderName) => dnsRecords(vendor.world, ZONES[provider], 'A', APP),
  effects: (what: string) => vendor.world.effects.filter((effect) => effect.what === what),
  operations: () => vendor.world.requests.map(({ operation }) => operation.replace('dns.', '')),
});
