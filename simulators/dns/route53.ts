import type { Call, Operation, Reply } from '../simulator.js';
import { ROUTE53_SIM_ACCESS_KEY_ID } from './credentials.js';
import { change, nextId, questionOf, type DnsState, type StoredRecord, type StoredZone } from './zones.js';

type DnsCall = Call<DnsState>;

const SOURCE = 'https://docs.aws.amazon.com/Route53/latest/APIReference';
const NAMESPACE = 'https://route53.amazonaws.com/doc/2013-04-01/';

/** Looks at a change that find it pending. */
const PENDING_LOOKS = 1;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const unescaped = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

const xml = (root: string, content: string, status = 200): Reply => ({
  status,
  headers: { 'content-type': 'text/xml' },
  body: Buffer.from(`<?xml version="1.0"?>\n<${root} xmlns="${NAMESPACE}">${content}</${root}>`),
});
const refuse = (status: number, code: string, message: string): Reply =>
  xml(
    'ErrorResponse',
    `<Error><Type>Sender</Type><Code>${code}</Code><Message>${escaped(message)}</Message></Error>` +
      '<RequestId>00000000-0000-0000-0000-000000000000</RequestId>',
    status,
  );
const badBatch = (message: string): Reply => refuse(400, 'InvalidChangeBatch', message);

/** The texts of an element, wherever it is: enough for the few documents that are sent here. */
const elements = (text: string, tag: string): string[] =>
  [...text.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(([, content = '']) => content);
const element = (text: string, tag: string): string => unescaped(elements(text, tag)[0] ?? '');

/** Names are answered with a dot at the end, and with `\052` for the `*` of a wildcard. */
const shownName = (name: string): string => `${name.replace(/^\*/, '\\052')}.`;
const storedName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** Sorted by the labels from the last one on, then by the type. */
const sortKey = (name: string, type: string): string => `${name.split('.').toReversed().join('.')} ${type}`;

/** Refuses a request that another access key signed. The signature itself is not checked. */
const signed =
  (handle: (call: DnsCall) => Reply) =>
  (call: DnsCall): Reply => {
    const { authorization = '' } = call.headers;
    const scope = new RegExp(
      `^AWS4-HMAC-SHA256 Credential=${ROUTE53_SIM_ACCESS_KEY_ID}/\\d{8}/us-east-1/route53/aws4_request, `,
    );
    if (scope.test(authorization)) return handle(call);
    return refuse(403, 'InvalidClientTokenId', 'The security token included in the request is invalid');
  };

const withZone = (handle: (call: DnsCall, zone: StoredZone, id: string) => Reply) =>
  signed((call) => {
    const id = call.params['zone'] ?? '';
    const zone = call.state.zones[id];
    return zone?.provider === 'route53'
      ? handle(call, zone, id)
      : refuse(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${id}`);
  });

function shownSet(records: readonly StoredRecord[]): string {
  const [first] = records;
  if (first === undefined) return '';
  const values = records.map(
    ({ content }) => `<ResourceRecord><Value>${escaped(content)}</Value></ResourceRecord>`,
  );
  return (
    `<ResourceRecordSet><Name>${escaped(shownName(first.name))}</Name><Type>${first.type}</Type>` +
    `<TTL>${first.ttl}</TTL><ResourceRecords>${values.join('')}</ResourceRecords></ResourceRecordSet>`
  );
}

const shownChange = (id: string, status: 'PENDING' | 'INSYNC'): string =>
  `<ChangeInfo><Id>/change/${id}</Id><Status>${status}</Status>` +
  `<SubmittedAt>${new Date().toISOString()}</SubmittedAt></ChangeInfo>`;

/** Record sets of a hosted zone. */
export const route53Operations = {
  listRecordSets: {
    method: 'get',
    path: '/2013-04-01/hostedzone/:zone/rrset',
    source: `${SOURCE}/API_ListResourceRecordSets.html`,
    handle: withZone(({ query }, zone) => {
      const from = sortKey(storedName(query.get('name') ?? ''), query.get('type') ?? '');
      const most = Number(query.get('maxitems') ?? 300);
      const keys = new Set(zone.records.map(({ name, type }) => sortKey(name, type)));
      const after = [...keys].sort().filter((key) => key >= from);
      const sets = after
        .slice(0, most)
        .map((key) => shownSet(zone.records.filter(({ name, type }) => sortKey(name, type) === key)));
      return xml(
        'ListResourceRecordSetsResponse',
        `<ResourceRecordSets>${sets.join('')}</ResourceRecordSets>` +
          `<IsTruncated>${after.length > most}</IsTruncated><MaxItems>${most}</MaxItems>`,
      );
    }),
  },

  changeRecordSets: {
    method: 'post',
    path: '/2013-04-01/hostedzone/:zone/rrset',
    source: `${SOURCE}/API_ChangeResourceRecordSets.html`,
    handle: withZone((call, zone, zoneId) => {
      const text = String(call.body);
      const [name, type] = [storedName(element(text, 'Name')), element(text, 'Type')];
      const ttl = Number(element(text, 'TTL'));
      const values = elements(text, 'Value').map(unescaped);
      if (
        elements(text, 'Change').length !== 1 ||
        element(text, 'Action') !== 'UPSERT' ||
        values.length === 0
      ) {
        return badBatch('Expected one change, UPSERT, with a value.');
      }
      if (name !== zone.domain && !name.endsWith(`.${zone.domain}`)) {
        return badBatch(`RRSet with DNS name ${name}. is not permitted in zone ${zone.domain}.`);
      }
      if (new Set(values).size !== values.length) return badBatch('Duplicate Resource Record.');
      const others = zone.records.filter((record) => record.name === name && record.type !== type);
      if (others.some((other) => other.type === 'CNAME' || type === 'CNAME')) {
        return badBatch(`RRSet of type ${type} with DNS name ${name}. is not permitted: a CNAME is alone.`);
      }
      const question = questionOf(type, name);
      const existing = zone.records.filter((record) => questionOf(record.type, record.name) === question);
      const isEqual =
        existing.length === values.length &&
        existing.every((record) => record.ttl === ttl && values.includes(record.content));
      if (!isEqual) {
        change(call.state, zone, question, () => {
          const records = values.map((content) => ({
            id: nextId(call.state),
            type,
            name,
            content,
            ttl,
            proxied: false,
          }));
          zone.records = [...zone.records.filter((record) => !existing.includes(record)), ...records];
        });
        call.effect('record set changed', `${zoneId}/${question}`);
      }
      const id = `C${nextId(call.state).slice(-20)}`;
      call.state.pending[id] = PENDING_LOOKS;
      return xml('ChangeResourceRecordSetsResponse', shownChange(id, 'PENDING'));
    }),
  },

  getChange: {
    method: 'get',
    path: '/2013-04-01/change/:change',
    source: `${SOURCE}/API_GetChange.html`,
    handle: signed(({ state, params }) => {
      const id = params['change'] ?? '';
      const left = state.pending[id];
      if (left === undefined) return refuse(404, 'NoSuchChange', `Could not find resource with ID: ${id}`);
      state.pending[id] = Math.max(0, left - 1);
      return xml('GetChangeResponse', shownChange(id, left > 0 ? 'PENDING' : 'INSYNC'));
    }),
  },
} satisfies Record<string, Operation<DnsState>>;
