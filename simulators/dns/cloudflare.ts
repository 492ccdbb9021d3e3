import { z } from 'zod';
import type { Call, Operation, Reply } from '../simulator.js';
import { CLOUDFLARE_SIM_TOKEN } from './credentials.js';
import { change, nextId, questionOf, type DnsState, type StoredRecord, type StoredZone } from './zones.js';

type DnsCall = Call<DnsState>;

const SOURCE = 'https://developers.cloudflare.com/api/resources/dns/subresources/records/methods';

/** https://developers.cloudflare.com/api/: every answer has these four fields. */
const done = (result: unknown, more: object = {}): Reply => ({
  body: { success: true, errors: [], messages: [], result, ...more },
});
const refuse = (status: number, code: number, message: string): Reply => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});
const noRecord = refuse(404, 81044, 'Record does not exist.');

const Ttl = z.union([z.literal(1), z.int().min(60).max(86_400)]);
const Content = z.string().min(1).max(255);
const Created = z.strictObject({
  type: z.enum(['A', 'AAAA', 'CNAME']),
  name: z.string().min(1),
  content: Content,
  ttl: Ttl,
  proxied: z.boolean().default(false),
});
const Edited = z.strictObject({ type: z.string(), name: z.string(), content: Content.optional(), ttl: Ttl });

const invalid = (error: z.ZodError): Reply =>
  error.issues.some(({ path }) => path[0] === 'ttl')
    ? refuse(400, 9021, 'Invalid TTL. Must be between 60 and 86,400 seconds, or 1 for Automatic.')
    : refuse(400, 9005, 'Content for the record is invalid.');

/** Runs a handler with the zone that a call with the right token names. */
const withZone =
  (handle: (call: DnsCall, zone: StoredZone, id: string) => Reply) =>
  (call: DnsCall): Reply => {
    if (call.headers['authorization'] !== `Bearer ${CLOUDFLARE_SIM_TOKEN}`) {
      return refuse(403, 10000, 'Authentication error');
    }
    const id = call.params['zone'] ?? '';
    const zone = call.state.zones[id];
    if (zone?.provider !== 'cloudflare') {
      return refuse(404, 7003, 'Could not route to the zone, perhaps your object identifier is invalid?');
    }
    return handle(call, zone, id);
  };

/** A name has a CNAME, or other records, or one record of each value. */
function inTheWay(zone: StoredZone, record: Omit<StoredRecord, 'id'>, except?: string): Reply | undefined {
  const others = zone.records.filter(({ name, id }) => name === record.name && id !== except);
  if (others.some(({ type, content }) => type === record.type && content === record.content)) {
    return refuse(400, 81058, 'An identical record already exists.');
  }
  const clashes = ({ type }: StoredRecord): boolean => type === 'CNAME' || record.type === 'CNAME';
  return others.some(clashes)
    ? refuse(400, 81053, 'An A, AAAA, or CNAME record with that host already exists.')
    : undefined;
}

const subject = (zone: string, { type, name, content }: Omit<StoredRecord, 'id'>): string =>
  `${zone}/${type} ${name} ${content}`;

/** DNS records of a Cloudflare zone. */
export const cloudflareOperations = {
  listRecords: {
    method: 'get',
    path: '/zones/:zone/dns_records',
    source: `${SOURCE}/list/`,
    handle: withZone(({ query }, zone) => {
      const page = Number(query.get('page') ?? 1);
      const perPage = Number(query.get('per_page') ?? 100);
      const [name, type] = [query.get('name.exact'), query.get('type')];
      const all = zone.records.filter(
        (record) => (name === null || record.name === name) && (type === null || record.type === type),
      );
      const result = all.slice((page - 1) * perPage, page * perPage);
      const total_pages = Math.ceil(all.length / perPage);
      const counts = { page, per_page: perPage, count: result.length, total_count: all.length, total_pages };
      return done(result, { result_info: counts });
    }),
  },

  createRecord: {
    method: 'post',
    path: '/zones/:zone/dns_records',
    source: `${SOURCE}/create/`,
    handle: withZone((call, zone, zoneId) => {
      const parsed = Created.safeParse(call.body);
      if (!parsed.success) return invalid(parsed.error);
      if (parsed.data.name !== zone.domain && !parsed.data.name.endsWith(`.${zone.domain}`)) {
        return refuse(400, 9000, 'DNS name is invalid.');
      }
      const clash = inTheWay(zone, parsed.data);
      if (clash !== undefined) return clash;
      const record = { id: nextId(call.state), ...parsed.data };
      const { type, name } = record;
      change(call.state, zone, questionOf(type, name), () => zone.records.push(record));
      call.effect('record created', subject(zoneId, record));
      return done(record);
    }),
  },

  editRecord: {
    method: 'patch',
    path: '/zones/:zone/dns_records/:record',
    source: `${SOURCE}/edit/`,
    handle: withZone((call, zone, zoneId) => {
      const record = zone.records.find(({ id }) => id === call.params['record']);
      if (record === undefined) return noRecord;
      const parsed = Edited.safeParse(call.body);
      if (!parsed.success) return invalid(parsed.error);
      const { content = record.content, ttl } = parsed.data;
      const clash = inTheWay(zone, { ...record, content }, record.id);
      if (clash !== undefined) return clash;
      if (content === record.content && ttl === record.ttl) return done(record);
      if (content === record.content) record.ttl = ttl;
      else
        change(call.state, zone, questionOf(record.type, record.name), () =>
          Object.assign(record, { content, ttl }),
        );
      call.effect('record changed', subject(zoneId, record));
      return done(record);
    }),
  },

  deleteRecord: {
    method: 'delete',
    path: '/zones/:zone/dns_records/:record',
    source: `${SOURCE}/delete/`,
    handle: withZone((call, zone, zoneId) => {
      const record = zone.records.find(({ id }) => id === call.params['record']);
      if (record === undefined) return noRecord;
      const { type, name } = record;
      change(call.state, zone, questionOf(type, name), () => {
        zone.records = zone.records.filter(({ id }) => id !== record.id);
      });
      call.effect('record deleted', subject(zoneId, record));
      if (!zone.records.some((other) => other.type === type && other.name === name)) {
        call.effect('name left without an answer', `${zoneId}/${questionOf(type, name)}`);
      }
      return { body: { result: { id: record.id } } };
    }),
  },
} satisfies Record<string, Operation<DnsState>>;
