export const PROVIDERS = ['cloudflare', 'route53'] as const;
export type ProviderName = (typeof PROVIDERS)[number];

/** How a person calls a provider. */
export const PROVIDER_TITLES: Readonly<Record<ProviderName, string>> = {
  cloudflare: 'Cloudflare',
  route53: 'Route 53',
};

/**
 * Shortest and longest time to live that a provider takes, in seconds.
 * Cloudflare takes less than 60 s in zones of the Enterprise plan only, and tells when a zone is none:
 * https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/create/ (`ttl`).
 * https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html (`TTL`).
 */
export const TTL_LIMITS: Readonly<Record<ProviderName, { readonly from: number; readonly to: number }>> = {
  cloudflare: { from: 30, to: 86_400 },
  route53: { from: 0, to: 2_147_483_647 },
};

export const RECORD_TYPES = ['A', 'AAAA', 'CNAME'] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/** One record set: everything that a name answers for one type. */
export interface RecordSetName {
  /** The provider's id of the zone. */
  readonly zone: string;
  /** Fully qualified, in lower case, without the dot at the end. */
  readonly name: string;
  readonly type: RecordType;
}

export interface RecordSet {
  /** As `records.ts` writes them, sorted. */
  readonly values: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told while a change is followed: something short. */
  heartbeat?(detail: unknown): void;
}

/** What is asked of a provider of DNS zones. */
export interface DnsProvider {
  /**
   * The record set as the provider has it, also when its servers do not answer with it yet; undefined when there is
   * none.
   * @throws ApplicationFailure `VendorUnavailable` (retryable), `VendorRefused`, `UnexpectedAnswer` or
   * `NotASimpleRecord` (not retryable): what resolvers are told is not what the records hold.
   */
  lookup(where: RecordSetName, options?: CallOptions): Promise<RecordSet | undefined>;
  /**
   * Makes the record set exactly this one, and waits until the provider's servers answer with it where the provider
   * tells. Not for one moment is the set empty. Can be repeated.
   * @throws ApplicationFailure like `lookup`.
   */
  replace(where: RecordSetName, set: RecordSet, options?: CallOptions): Promise<void>;
}

/** A public resolver that is asked over HTTPS, with answers in JSON. */
export interface Resolver {
  /** How it is called in answers: its public host. */
  readonly name: string;
  readonly url: URL;
}

/** The DNS as it is kept at the providers, and as the public sees it. */
export interface Dns {
  readonly cloudflare: DnsProvider;
  readonly route53: DnsProvider;
  /**
   * What one public resolver answers, which may be an older answer that it still remembers; [] for a name or type
   * that is not there.
   * @throws ApplicationFailure `VendorUnavailable` (retryable), `VendorRefused` or `UnexpectedAnswer` (not retryable).
   */
  ask(
    resolver: Resolver,
    question: Pick<RecordSetName, 'name' | 'type'>,
    options?: CallOptions,
  ): Promise<string[]>;
  /** At least two. */
  readonly resolvers: readonly Resolver[];
}
