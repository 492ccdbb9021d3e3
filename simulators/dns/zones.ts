import type { World } from '../world.js';

export const SYSTEM = 'dns';

/** Public resolvers, by the host that they are called by. */
export const SIMULATED_RESOLVERS = ['cloudflare-dns.com', 'dns.google'] as const;
export type SimulatedResolver = (typeof SIMULATED_RESOLVERS)[number];

export interface StoredRecord {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  content: string;
  /** Seconds; 1 is "automatic" at Cloudflare. */
  ttl: number;
  readonly proxied: boolean;
}

export interface StoredZone {
  readonly provider: 'cloudflare' | 'route53';
  readonly domain: string;
  records: StoredRecord[];
  /** Counts the changes of each question (`A app.example.com`). */
  readonly changed: Record<string, number>;
}

export interface DnsState {
  readonly zones: Record<string, StoredZone>;
  /** Looks at each change of Route 53 until it is in sync. */
  readonly pending: Record<string, number>;
  /** How many times a resolver is asked before it gives a new answer. */
  slowResolvers: number;
  /** Old answers that a resolver still remembers, by resolver and question. */
  readonly remembered: Record<string, { readonly values: readonly string[]; left: number }>;
  lastId: number;
}

export const initialState = (): DnsState => ({
  zones: {},
  pending: {},
  slowResolvers: 0,
  remembered: {},
  lastId: 0,
});

const stateOf = (world: World): DnsState => world.state(SYSTEM, initialState);

/** Another id at every call, the same in every run of a scenario. */
export const nextId = (state: DnsState): string => (state.lastId += 1).toString(16).padStart(32, '0');

export interface DnsZoneSeed {
  readonly provider: 'cloudflare' | 'route53';
  readonly zone: string;
  readonly domain: string;
  readonly records: readonly {
    readonly type: string;
    readonly name: string;
    readonly values: readonly string[];
    /** Seconds. */
    readonly ttl: number;
  }[];
}

/** What every world has: the same host in one zone of each provider. */
const exampleZones = (value: string): readonly DnsZoneSeed[] =>
  (
    [
      ['cloudflare', 'zone-example'],
      ['route53', 'Z0EXAMPLE'],
    ] as const
  ).map(([provider, zone]) => ({
    provider,
    zone,
    domain: 'example.com',
    records: [{ type: 'A', name: 'app.example.com', values: [value], ttl: 3600 }],
  }));

/**
 * Gives a world its zones, and resolvers that remember an old answer until they were asked `slowResolvers` times.
 * `value`: where the example host points.
 */
export function seedDns(
  world: World,
  {
    slowResolvers = 0,
    value = '192.0.2.10',
    zones = exampleZones(value),
  }: { slowResolvers?: number; value?: string; zones?: readonly DnsZoneSeed[] } = {},
): void {
  const state = stateOf(world);
  state.slowResolvers = slowResolvers;
  for (const { provider, zone, domain, records } of zones) {
    const stored = records.flatMap(({ values, ...record }) =>
      values.map((content) => ({ ...record, content, id: nextId(state), proxied: false })),
    );
    state.zones[zone] = { provider, domain, records: stored, changed: {} };
  }
}

/** The values of a record set as the provider has them now, sorted. */
export function dnsRecords(world: World, zone: string, type: string, name: string): string[] {
  return answersOf(stateOf(world).zones[zone], questionOf(type, name)).sort();
}

export const questionOf = (type: string, name: string): string => `${type} ${name}`;

const isAbout = (question: string) => (record: StoredRecord) =>
  questionOf(record.type, record.name) === question;

const answersOf = (zone: StoredZone | undefined, question: string): string[] =>
  (zone?.records ?? []).filter(isAbout(question)).map(({ content }) => content);

/** Changes what a zone answers to a question; resolvers go on remembering what they have last told. */
export function change(state: DnsState, zone: StoredZone, question: string, work: () => void): void {
  const before = authoritative(state, question);
  work();
  zone.changed[question] =
    Math.max(0, ...Object.values(state.zones).map((z) => z.changed[question] ?? 0)) + 1;
  if (state.slowResolvers === 0) return;
  for (const resolver of SIMULATED_RESOLVERS) {
    const key = `${resolver} ${question}`;
    if ((state.remembered[key]?.left ?? 0) > 0) continue;
    state.remembered[key] = { values: before, left: state.slowResolvers };
  }
}

/** Of several zones for one domain, the one that was changed last is the one that the public is sent to. */
function authoritative(state: DnsState, question: string): readonly string[] {
  const changes = (zone: StoredZone): number => zone.changed[question] ?? 0;
  const [zone] = Object.values(state.zones)
    .filter((candidate) => changes(candidate) > 0 || answersOf(candidate, question).length > 0)
    .sort((a, b) => changes(b) - changes(a));
  return answersOf(zone, question);
}

/** What a resolver answers now. Being asked is what makes it forget. */
export function resolverAnswer(
  state: DnsState,
  resolver: SimulatedResolver,
  question: string,
): readonly string[] {
  const old = state.remembered[`${resolver} ${question}`];
  if (old === undefined || old.left === 0) return authoritative(state, question);
  old.left -= 1;
  return old.values;
}
