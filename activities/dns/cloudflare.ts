import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { answer, request, type RequestOptions } from '../http.js';
import type { CallOptions, DnsProvider, RecordSet, RecordSetName } from './contract.js';
import { canonicalValue, canonicalValues } from './records.js';

/** https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/ */
export const CLOUDFLARE_BASE_URL = 'https://api.cloudflare.com/client/v4';

/**
 * What `ttl: 1` ("automatic") stands for, in seconds.
 * https://developers.cloudflare.com/dns/manage-dns-records/reference/ttl/
 */
const AUTOMATIC_TTL = 300;

const RECORDS_PER_PAGE = 100;

/** https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/list/ */
const Record = z.object({
  id: z.string().min(1),
  type: z.string(),
  name: z.string(),
  content: z.string(),
  ttl: z.int().positive(),
  proxied: z.boolean().optional(),
});
type Record = z.output<typeof Record>;
const One = z.object({ success: z.literal(true), result: Record });
const Page = z.object({ success: z.literal(true), result: z.array(Record) });
const Deleted = z.object({ result: z.object({ id: z.string() }) });

export interface CloudflareConfig {
  /** Default: CLOUDFLARE_BASE_URL. */
  readonly baseUrl?: URL;
  /** API token that may edit the DNS of the zones. */
  readonly token: string;
  /** Longest time for one answer, in milliseconds. Default: that of `request`. */
  readonly timeoutMs?: number;
}

const NEXT =
  'Check that the token (CLOUDFLARE_API_TOKEN) is valid and may edit the DNS of this zone, that the zone id is right, ' +
  'that no record of another type stands in the way, and that ttl is 60 s or more unless the zone is on the ' +
  'Enterprise plan. Then retry.';

/**
 * Zones at Cloudflare, through its API v4. It says in Retry-After when its limit of 1200 requests in five minutes is over.
 * https://developers.cloudflare.com/fundamentals/api/reference/limits/
 */
export function cloudflareDns(config: CloudflareConfig): DnsProvider {
  const { baseUrl = new URL(CLOUDFLARE_BASE_URL), token, timeoutMs } = config;
  const base = baseUrl.href.replace(/\/$/, '');

  const call = async (
    zone: string,
    path: string,
    options: Omit<RequestOptions, 'headers' | 'next'>,
  ): Promise<Response> =>
    await request(new URL(`${base}/zones/${encodeURIComponent(zone)}/dns_records${path}`), {
      next: NEXT,
      timeoutMs,
      ...options,
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    });

  const list = async (where: RecordSetName, { signal }: CallOptions): Promise<readonly Record[]> => {
    const what = `look up ${where.type} ${where.name} at Cloudflare`;
    const records: Record[] = [];
    for (let page = 1; ; page += 1) {
      const query = new URLSearchParams({
        'name.exact': where.name,
        type: where.type,
        page: String(page),
        per_page: String(RECORDS_PER_PAGE),
      });
      const { result } = await answer(Page, await call(where.zone, `?${query}`, { what, signal }), what);
      records.push(
        ...result.filter(({ name, type }) => name.toLowerCase() === where.name && type === where.type),
      );
      if (result.length < RECORDS_PER_PAGE) break;
    }
    if (records.some(({ proxied }) => proxied === true)) throw proxiedRecord(where);
    return records;
  };

  // https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/create/
  const create = async (where: RecordSetName, content: string, ttl: number, { signal }: CallOptions) => {
    const what = `create ${where.type} ${where.name} at Cloudflare`;
    const { name, type } = where;
    const body = { name, type, content, ttl, proxied: false };
    await answer(One, await call(where.zone, '', { what, method: 'POST', body, signal }), what);
  };

  // https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/edit/
  const edit = async (
    where: RecordSetName,
    id: string,
    change: { content?: string; ttl: number },
    { signal }: CallOptions,
  ) => {
    const what = `change ${where.type} ${where.name} at Cloudflare`;
    const { name, type } = where;
    const path = `/${encodeURIComponent(id)}`;
    const body = { name, type, ...change };
    await answer(One, await call(where.zone, path, { what, method: 'PATCH', body, signal }), what);
  };

  // https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/delete/
  const remove = async (where: RecordSetName, id: string, { signal }: CallOptions) => {
    const what = `delete a value of ${where.type} ${where.name} at Cloudflare`;
    const path = `/${encodeURIComponent(id)}`;
    const response = await call(where.zone, path, { what, method: 'DELETE', signal, accept: [404] });
    if (response.status === 404) await response.body?.cancel();
    else await answer(Deleted, response, what);
  };

  return {
    async lookup(where, options = {}) {
      const records = await list(where, options);
      const [first] = records;
      if (first === undefined) return undefined;
      const values = canonicalValues(
        where.type,
        records.map(({ content }) => content),
      );
      // Resolvers keep what they were told last; the longest is what has to be waited for.
      return { values, ttl: Math.max(...records.map(({ ttl }) => seconds(ttl))) };
    },

    async replace(where, set, options = {}) {
      const { edits, creates, deletes } = changes(where, await list(where, options), set);
      for (const { id, ...change } of edits) await edit(where, id, change, options);
      for (const content of creates) await create(where, content, set.ttl, options);
      // Last, so that the name is never without an answer. Cloudflare's batch would delete first, and does not
      // spread as one: https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/batch/
      for (const id of deletes) await remove(where, id, options);
    },
  };
}

const seconds = (ttl: number): number => (ttl === 1 ? AUTOMATIC_TTL : ttl);

interface Changes {
  readonly edits: readonly { readonly id: string; readonly content?: string; readonly ttl: number }[];
  readonly creates: readonly string[];
  readonly deletes: readonly string[];
}

/** The fewest requests that make the records those of `set`: a record that is not wanted takes a new value. */
function changes({ type }: RecordSetName, records: readonly Record[], set: RecordSet): Changes {
  const kept = new Map<string, Record>();
  const surplus: Record[] = [];
  for (const record of records) {
    const value = canonicalValue(type, record.content);
    if (set.values.includes(value) && !kept.has(value)) kept.set(value, record);
    else surplus.push(record);
  }
  const { ttl } = set;
  const missing = set.values.filter((value) => !kept.has(value));
  const reused = surplus.slice(0, missing.length);
  return {
    edits: [
      ...reused.map(({ id }, place) => ({ id, content: missing[place] ?? '', ttl })),
      ...[...kept.values()].filter((record) => seconds(record.ttl) !== ttl).map(({ id }) => ({ id, ttl })),
    ],
    creates: missing.slice(reused.length),
    deletes: surplus.slice(reused.length).map(({ id }) => id),
  };
}

/** https://developers.cloudflare.com/dns/proxy-status/ */
function proxiedRecord({ type, name }: RecordSetName): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `${type} ${name} is proxied by Cloudflare: resolvers are told Cloudflare's own addresses, and its ttl is fixed. ` +
      'Change the origin at Cloudflare by hand, or set the record to "DNS only", then retry.',
    'NotASimpleRecord',
  );
}
