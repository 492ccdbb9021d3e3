import { cloudflareOperations } from './dns/cloudflare.js';
import { resolverOperations } from './dns/resolvers.js';
import { route53Operations } from './dns/route53.js';
import { initialState, SYSTEM, type DnsState } from './dns/zones.js';
import type { Simulator } from './simulator.js';

export { CLOUDFLARE_SIM_TOKEN, ROUTE53_SIM_ACCESS_KEY_ID, ROUTE53_SIM_SECRET } from './dns/credentials.js';
export { dnsRecords, seedDns, type DnsState, type DnsZoneSeed } from './dns/zones.js';

/** Zones at Cloudflare and at Route 53, and the public resolvers that answer from them. */
export const dnsSimulator: Simulator<DnsState> = {
  system: SYSTEM,
  initialState,
  operations: { ...cloudflareOperations, ...route53Operations, ...resolverOperations },
};
