import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { answer, request } from '../http.js';
import type { Dns, RecordType, Resolver } from './contract.js';
import { canonicalValues } from './records.js';

/**
 * Two operators, so that one of them being wrong or away is seen.
 * https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json/
 * https://developers.google.com/speed/public-dns/docs/doh/json
 */
export const PUBLIC_RESOLVERS: readonly Resolver[] = [
  'https://cloudflare-dns.com/dns-query',
  'https://dns.google/resolve',
].map((address) => resolverAt(new URL(address)));

/** A resolver, called by its host. */
export function resolverAt(url: URL): Resolver {
  return { name: url.host, url };
}

/** https://www.iana.org/assignments/dns-parameters/dns-parameters.xhtml#dns-parameters-4 */
const TYPE_NUMBERS: Readonly<Record<RecordType, number>> = { A: 1, CNAME: 5, AAAA: 28 };

/** NOERROR and NXDOMAIN, in which the name's zone has answered. #dns-parameters-6 of the same page. */
const ANSWERED = [0, 3];

/** The same at both resolvers; the sources are at PUBLIC_RESOLVERS. */
const Answer = z.object({
  Status: z.int(),
  Answer: z.array(z.object({ type: z.int(), data: z.string() })).optional(),
});

/** `ask` of the contract. `timeoutMs` is the longest time for one answer; default: that of `request`. */
export function resolverClient({ timeoutMs }: { timeoutMs?: number } = {}): Dns['ask'] {
  return async (resolver, { name, type }, { signal } = {}) => {
    const what = `ask ${resolver.name} for ${type} ${name}`;
    const url = new URL(resolver.url);
    url.searchParams.set('name', name);
    url.searchParams.set('type', type);
    const response = await request(url, {
      what,
      headers: { accept: 'application/dns-json' },
      next: 'Check the addresses of the resolvers (DNS_RESOLVERS), then retry.',
      signal,
      timeoutMs,
    });
    const { Status: status, Answer: records = [] } = await answer(Answer, response, what);
    if (!ANSWERED.includes(status)) {
      throw ApplicationFailure.retryable(
        `${what}: it could not find out (DNS status ${status}). It is tried again.`,
        'VendorUnavailable',
      );
    }
    // The names on the way to an address are answered too.
    const wanted = records.filter((record) => record.type === TYPE_NUMBERS[type]);
    return canonicalValues(
      type,
      wanted.map(({ data }) => data),
    );
  };
}
