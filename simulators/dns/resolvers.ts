import type { Call, Operation, Reply } from '../simulator.js';
import { questionOf, resolverAnswer, type DnsState, type SimulatedResolver } from './zones.js';

const TYPE_NUMBERS: Readonly<Record<string, number>> = { A: 1, CNAME: 5, AAAA: 28 };
const LONGEST_CHAIN = 8;
/** What a resolver says of an answer that it keeps, in seconds. */
const SHOWN_TTL = 60;

interface Shown {
  readonly name: string;
  readonly type: number;
  readonly TTL: number;
  readonly data: string;
}

/** The records that answer a question, with the names on the way. */
function answers(state: DnsState, resolver: SimulatedResolver, type: string, name: string): Shown[] {
  const shown = (at: string, of: string, values: readonly string[]): Shown[] =>
    values.map((value) => ({
      name: `${at}.`,
      type: TYPE_NUMBERS[of] ?? 0,
      TTL: SHOWN_TTL,
      data: of === 'CNAME' ? `${value}.` : value,
    }));
  const chain: Shown[] = [];
  for (let at = name, links = 0; links < LONGEST_CHAIN; links += 1) {
    const direct = resolverAnswer(state, resolver, questionOf(type, at));
    if (direct.length > 0 || type === 'CNAME') return [...chain, ...shown(at, type, direct)];
    const [target] = resolverAnswer(state, resolver, questionOf('CNAME', at));
    if (target === undefined) return chain;
    chain.push(...shown(at, 'CNAME', [target]));
    at = target;
  }
  return chain;
}

const ask =
  (resolver: SimulatedResolver) =>
  ({ state, query }: Call<DnsState>): Reply => {
    const name = (query.get('name') ?? '').toLowerCase().replace(/\.$/, '');
    const type = query.get('type') ?? 'A';
    const number = TYPE_NUMBERS[type];
    if (name === '' || number === undefined) return { status: 400, body: { error: 'Invalid query' } };
    const isKnown = Object.values(state.zones).some(({ records }) =>
      records.some((record) => record.name === name),
    );
    const Answer = answers(state, resolver, type, name);
    return {
      headers: { 'content-type': 'application/dns-json' },
      body: {
        Status: isKnown || Answer.length > 0 ? 0 : 3,
        TC: false,
        RD: true,
        RA: true,
        AD: false,
        CD: false,
        Question: [{ name: `${name}.`, type: number }],
        ...(Answer.length === 0 ? {} : { Answer }),
      },
    };
  };

/** Public resolvers over HTTPS, each with its own memory. */
export const resolverOperations = {
  askCloudflare: {
    method: 'get',
    path: '/cloudflare-dns.com/dns-query',
    source: 'https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json/',
    handle: ask('cloudflare-dns.com'),
  },
  askGoogle: {
    method: 'get',
    path: '/dns.google/resolve',
    source: 'https://developers.google.com/speed/public-dns/docs/doh/json',
    handle: ask('dns.google'),
  },
} satisfies Record<string, Operation<DnsState>>;
