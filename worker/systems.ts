import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import type { Pool } from 'pg';
import { applicationOver, createApplication } from '../activities/application/index.js';
import type { Systems } from '../activities/index.js';
import type { Ledger } from '../activities/ledger/contract.js';
import { cloudflareDns } from '../activities/dns/cloudflare.js';
import type { Resolver } from '../activities/dns/contract.js';
import { PUBLIC_RESOLVERS, resolverAt, resolverClient } from '../activities/dns/resolvers.js';
import { route53Dns } from '../activities/dns/route53.js';
import { netlify } from '../activities/netlify/http.js';
import { openai } from '../activities/openai/http.js';
import { postgres } from '../activities/postgres/postgres.js';
import type { Redactor } from '../activities/redactor.js';
import { resend } from '../activities/resend/http.js';
import type { S3 } from '../activities/s3/contract.js';
import { s3 } from '../activities/s3/http.js';
import { slack } from '../activities/slack/http.js';
import { statuspage } from '../activities/statuspage/http.js';
import { stripe } from '../activities/stripe/http.js';
import { supabase } from '../activities/supabase/http.js';
import type { Vault } from '../activities/vault/contract.js';
import type { ApplicationConfig } from '../config/application.js';
import type { DatabaseInventory } from '../config/databases.js';
import type { Environment, VendorAccess, VendorName } from '../config/environment.js';
import {
  CLOUDFLARE_SIM_TOKEN,
  ROUTE53_SIM_ACCESS_KEY_ID,
  ROUTE53_SIM_SECRET,
} from '../simulators/dns/credentials.js';
import type { NotificationsConfig } from '../config/notifications.js';
import { NETLIFY_TOKEN } from '../simulators/netlify.js';
import { OPENAI_SIM_ADMIN_KEY } from '../simulators/openai.js';
import { simulatedPostgres } from '../simulators/postgres-client.js';
import { RESEND_SIM_ADMIN_KEY } from '../simulators/resend.js';
import { S3_SIMULATED_KEY } from '../simulators/s3.js';
import { SLACK_SIMULATED_TOKEN } from '../simulators/slack.js';
import { STATUSPAGE_SIM_KEY, STATUSPAGE_SIM_PAGE } from '../simulators/statuspage.js';
import { STRIPE_SIMULATED_KEY } from '../simulators/stripe.js';
import { SUPABASE_TOKEN } from '../simulators/supabase.js';
import { keepEvidence } from './evidence.js';
import {
  audiencesOf,
  MESSAGING_VENDORS,
  messagingSystems,
  rehearsedAudiences,
  type Audiences,
} from './messaging.js';
import { openVault } from './vault.js';

// The AWS SDK's version is pinned, and it works on Node 20: its warning would stand between the lines of a story.
// eslint-disable-next-line no-restricted-properties -- set, not read
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The world that the local stack's live runs act on. */
export const LOCAL_WORLD = 'local';

/** A vendor's variable, for the sentence that says what is missing, and the credential its simulator accepts. */
const VENDORS: {
  readonly [V in VendorName]: {
    readonly variable: string;
    readonly simulated: string;
    /** What the simulated credential goes with. */
    readonly id?: string;
    /** The simulator, where it is not called like the vendor. */
    readonly system?: string;
  };
} = {
  openai: { variable: 'OPENAI_ADMIN_KEY', simulated: OPENAI_SIM_ADMIN_KEY },
  resend: { variable: 'RESEND_ADMIN_KEY', simulated: RESEND_SIM_ADMIN_KEY },
  supabase: { variable: 'SUPABASE_ACCESS_TOKEN', simulated: SUPABASE_TOKEN },
  netlify: { variable: 'NETLIFY_AUTH_TOKEN', simulated: NETLIFY_TOKEN },
  stripe: { variable: 'STRIPE_ADMIN_KEY', simulated: STRIPE_SIMULATED_KEY },
  slack: { variable: 'SLACK_BOT_TOKEN', simulated: SLACK_SIMULATED_TOKEN },
  ...MESSAGING_VENDORS,
  cloudflare: { variable: 'CLOUDFLARE_API_TOKEN', simulated: CLOUDFLARE_SIM_TOKEN, system: 'dns' },
  route53: {
    variable: 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    simulated: ROUTE53_SIM_SECRET,
    id: ROUTE53_SIM_ACCESS_KEY_ID,
    system: 'dns',
  },
  statuspage: {
    variable: 'STATUSPAGE_API_KEY and STATUSPAGE_PAGE_ID',
    simulated: STATUSPAGE_SIM_KEY,
    id: STATUSPAGE_SIM_PAGE,
  },
};

const S3_VARIABLES = 'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and S3_ENDPOINT or AWS_REGION';

/** Simulated builds are ready at once; looking every 5 s would only slow a rehearsal down. */
const SIMULATED_POLL_MS = 20;

type Simulated = (system: string) => URL;

/** Systems of one simulated world: the real clients, pointed at the simulators. */
export function worldSystems(url: Simulated, vault: Vault): Systems {
  return {
    ...vendorSystems({}, url, rehearsedAudiences),
    application: applicationOver({ baseUrl: url('application'), vault }),
    postgres: simulatedPostgres({ baseUrl: url('postgres') }),
    s3: simulatedStore(url),
    vault,
  };
}

export interface LiveSystemsOptions {
  readonly environment: Pick<
    Environment,
    'org' | 'vendors' | 'simulatorsUrl' | 'vault' | 'dnsResolvers' | 's3'
  >;
  readonly pool: Pool;
  readonly ledger: Ledger;
  /** config/application.yaml, read at every call. */
  readonly application: () => ApplicationConfig;
  /** config/databases.yaml, read at every call. */
  readonly databases: () => DatabaseInventory;
  /** config/notifications.yaml, read at every message. */
  readonly notifications: () => NotificationsConfig;
  readonly redactor: Redactor;
}

/** The systems of an installation. Vendors without a credential are simulated on the local stack, else refused. */
export async function liveSystems({
  environment,
  pool,
  ledger,
  application,
  databases,
  notifications,
  redactor,
}: LiveSystemsOptions): Promise<Systems> {
  const { vendors, simulatorsUrl } = environment;
  const vault = redactingVault(await openVault(environment, pool), redactor);
  const base = simulatorsUrl?.href.replace(/\/$/, '');
  const url =
    base === undefined ? undefined : (system: string) => new URL(`${base}/w/${LOCAL_WORLD}/${system}`);
  const store = objectStore(environment, url);
  return {
    ...vendorSystems(vendors, url, audiencesOf(notifications), environment.dnsResolvers),
    application: createApplication({
      config: application,
      vault,
      folder: ROOT,
      evidence: keepEvidence(ledger),
    }),
    postgres: postgres({ databases, vault, s3: store }),
    s3: store,
    vault,
  };
}

/** Notes every value that passes, so that it can be taken out of errors and logs. */
export function redactingVault(vault: Vault, redactor: Redactor): Vault {
  return {
    ...vault,
    put: (name, value, options) => {
      redactor.note(value);
      return vault.put(name, value, options);
    },
    reveal: async (ref) => {
      const value = await vault.reveal(ref);
      redactor.note(value);
      return value;
    },
  };
}

function vendorSystems(
  vendors: Environment['vendors'],
  simulated: Simulated | undefined,
  audiences: Audiences,
  resolvers?: readonly URL[],
): Omit<Systems, 'application' | 'postgres' | 's3' | 'vault'> {
  const make = <T extends object>(vendor: VendorName, client: (access: Access) => T): T => {
    const access: VendorAccess | undefined = vendors[vendor];
    if (access !== undefined) {
      return client({
        credential: access.credential,
        ...(access.baseUrl === undefined ? {} : { baseUrl: access.baseUrl }),
        ...(access.id === undefined ? {} : { id: access.id }),
      });
    }
    if (simulated === undefined) return withoutCredential<T>(vendor);
    const { simulated: credential, id, system = vendor } = VENDORS[vendor];
    const baseUrl = simulated(system);
    return client({ credential, baseUrl, simulated: true, ...(id === undefined ? {} : { id }) });
  };
  return {
    ...messagingSystems(make, vendors, audiences, SIMULATED_POLL_MS),
    dns: {
      cloudflare: make('cloudflare', ({ credential: token, baseUrl }) =>
        cloudflareDns({ token, ...(baseUrl && { baseUrl }) }),
      ),
      route53: make('route53', ({ credential: secretAccessKey, id = '', baseUrl, simulated: fast }) =>
        route53Dns({
          accessKeyId: id,
          secretAccessKey,
          ...(baseUrl && { baseUrl }),
          ...(fast === true ? { pollIntervalMs: SIMULATED_POLL_MS } : {}),
        }),
      ),
      ask: resolverClient(),
      resolvers: resolversFor(vendors, simulated, resolvers),
    },
    netlify: make('netlify', ({ credential, simulated: fast, ...at }) =>
      netlify({ token: credential, ...at, ...(fast === true ? { pollIntervalMs: SIMULATED_POLL_MS } : {}) }),
    ),
    openai: make('openai', ({ credential, baseUrl }) =>
      openai({ adminKey: credential, ...(baseUrl && { baseUrl }) }),
    ),
    resend: make('resend', ({ credential, baseUrl }) =>
      resend({ adminKey: credential, ...(baseUrl && { baseUrl }) }),
    ),
    slack: make('slack', ({ credential, baseUrl }) =>
      slack({ token: credential, ...(baseUrl && { baseUrl }) }),
    ),
    statuspage: make('statuspage', ({ credential: apiKey, id = '', baseUrl }) =>
      statuspage({ apiKey, pageId: id, ...(baseUrl && { baseUrl }) }),
    ),
    stripe: make('stripe', ({ credential, baseUrl }) =>
      stripe({ apiKey: credential, ...(baseUrl && { baseUrl }) }),
    ),
    supabase: make('supabase', ({ credential, baseUrl, simulated: isSimulated }) =>
      supabase({
        accessToken: credential,
        ...(baseUrl && { baseUrl }),
        ...(isSimulated === true && baseUrl !== undefined
          ? {
              projectUrl: (ref: string) => new URL(`${baseUrl.href}/project/${ref}`),
              pollIntervalMs: SIMULATED_POLL_MS,
            }
          : {}),
      }),
    ),
  };
}

/** Those of the installation; else those of the simulated world, unless a zone of the real one is in reach. */
function resolversFor(
  vendors: Environment['vendors'],
  simulated: Simulated | undefined,
  chosen: readonly URL[] | undefined,
): readonly Resolver[] {
  if (chosen !== undefined) return chosen.map(resolverAt);
  if (simulated === undefined || vendors.cloudflare !== undefined || vendors.route53 !== undefined) {
    return PUBLIC_RESOLVERS;
  }
  return PUBLIC_RESOLVERS.map(({ name, url }) => ({
    name,
    url: new URL(`${simulated('dns').href}/${name}${url.pathname}`),
  }));
}

/** Any region does for a store whose address is given. */
const ANY_REGION = 'us-east-1';

function objectStore({ s3: access }: Pick<Environment, 's3'>, simulated: Simulated | undefined): S3 {
  if (access !== undefined) return s3({ ...access, region: access.region ?? ANY_REGION });
  return simulated === undefined ? refusing<S3>('s3', S3_VARIABLES) : simulatedStore(simulated);
}

function simulatedStore(url: Simulated): S3 {
  // One attempt: a fault that is injected must reach the step's own retries, which rehearsals try.
  return s3({ endpoint: url('s3'), region: ANY_REGION, credentials: S3_SIMULATED_KEY, attempts: 1 });
}

interface Access {
  readonly credential: string;
  readonly id?: string;
  readonly baseUrl?: URL;
  readonly simulated?: boolean;
}

/** A vendor that this installation has no credential for: every call says so. */
function withoutCredential<T extends object>(vendor: VendorName): T {
  return refusing<T>(vendor, VENDORS[vendor].variable);
}

function refusing<T extends object>(vendor: string, variable: string): T {
  const refuse = (): Promise<never> =>
    Promise.reject(
      ApplicationFailure.nonRetryable(
        `There is no credential for ${vendor}. Set ${variable} for the worker and retry, or do the step by hand.`,
        'NoCredential',
      ),
    );
  return new Proxy({} as T, { get: () => refuse });
}
