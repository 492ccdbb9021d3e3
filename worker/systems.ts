import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import type { Pool } from 'pg';
import { applicationOver, createApplication } from '../activities/application/index.js';
import type { Systems } from '../activities/index.js';
import type { Ledger } from '../activities/ledger/contract.js';
import { netlify } from '../activities/netlify/http.js';
import { openai } from '../activities/openai/http.js';
import type { Redactor } from '../activities/redactor.js';
import { resend } from '../activities/resend/http.js';
import { slack } from '../activities/slack/http.js';
import { stripe } from '../activities/stripe/http.js';
import { supabase } from '../activities/supabase/http.js';
import type { Vault } from '../activities/vault/contract.js';
import type { ApplicationConfig } from '../config/application.js';
import type { Environment, VendorAccess, VendorName } from '../config/environment.js';
import { NETLIFY_TOKEN } from '../simulators/netlify.js';
import { OPENAI_SIM_ADMIN_KEY } from '../simulators/openai.js';
import { RESEND_SIM_ADMIN_KEY } from '../simulators/resend.js';
import { SLACK_SIMULATED_TOKEN } from '../simulators/slack.js';
import { STRIPE_SIMULATED_KEY } from '../simulators/stripe.js';
import { SUPABASE_TOKEN } from '../simulators/supabase.js';
import { keepEvidence } from './evidence.js';
import { openVault } from './vault.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The world that the local stack's live runs act on. */
export const LOCAL_WORLD = 'local';

/** A vendor's variable, for the sentence that says what is missing, and the credential its simulator accepts. */
const VENDORS: { readonly [V in VendorName]: { readonly variable: string; readonly simulated: string } } = {
  openai: { variable: 'OPENAI_ADMIN_KEY', simulated: OPENAI_SIM_ADMIN_KEY },
  resend: { variable: 'RESEND_ADMIN_KEY', simulated: RESEND_SIM_ADMIN_KEY },
  supabase: { variable: 'SUPABASE_ACCESS_TOKEN', simulated: SUPABASE_TOKEN },
  netlify: { variable: 'NETLIFY_AUTH_TOKEN', simulated: NETLIFY_TOKEN },
  stripe: { variable: 'STRIPE_ADMIN_KEY', simulated: STRIPE_SIMULATED_KEY },
  slack: { variable: 'SLACK_BOT_TOKEN', simulated: SLACK_SIMULATED_TOKEN },
};

/** Simulated builds are ready at once; looking every 5 s would only slow a rehearsal down. */
const SIMULATED_POLL_MS = 20;

type Simulated = (system: string) => URL;

/** Systems of one simulated world: the real clients, pointed at the simulators. */
export function worldSystems(url: Simulated, vault: Vault): Systems {
  return {
    ...vendorSystems({}, url),
    application: applicationOver({ baseUrl: url('application'), vault }),
    vault,
  };
}

export interface LiveSystemsOptions {
  readonly environment: Pick<Environment, 'org' | 'vendors' | 'simulatorsUrl' | 'vault'>;
  readonly pool: Pool;
  readonly ledger: Ledger;
  /** config/application.yaml, read at every call. */
  readonly application: () => ApplicationConfig;
  readonly redactor: Redactor;
}

/** The systems of an installation. Vendors without a credential are simulated on the local stack, else refused. */
export async function liveSystems({
  environment,
  pool,
  ledger,
  application,
  redactor,
}: LiveSystemsOptions): Promise<Systems> {
  const { vendors, simulatorsUrl } = environment;
  const vault = redactingVault(await openVault(environment, pool), redactor);
  const base = simulatorsUrl?.href.replace(/\/$/, '');
  const url =
    base === undefined ? undefined : (system: string) => new URL(`${base}/w/${LOCAL_WORLD}/${system}`);
  return {
    ...vendorSystems(vendors, url),
    application: createApplication({
      config: application,
      vault,
      folder: ROOT,
      evidence: keepEvidence(ledger),
    }),
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
): Omit<Systems, 'application' | 'vault'> {
  const make = <T extends object>(vendor: VendorName, client: (access: Access) => T): T => {
    const access: VendorAccess | undefined = vendors[vendor];
    if (access !== undefined) {
      return client({
        credential: access.credential,
        ...(access.baseUrl === undefined ? {} : { baseUrl: access.baseUrl }),
      });
    }
    if (simulated === undefined) return withoutCredential<T>(vendor);
    return client({ credential: VENDORS[vendor].simulated, baseUrl: simulated(vendor), simulated: true });
  };
  return {
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
    stripe: make('stripe', ({ credential, baseUrl }) =>
      stripe({ apiKey: credential, ...(baseUrl && { baseUrl }) }),
    ),
    supabase: make('supabase', ({ credential, baseUrl, simulated: isSimulated }) =>
      supabase({
        accessToken: credential,
        ...(baseUrl && { baseUrl }),
        ...(isSimulated === true && baseUrl !== undefined
          ? { projectUrl: (ref: string) => new URL(`${baseUrl.href}/project/${ref}`) }
          : {}),
      }),
    ),
  };
}

interface Access {
  readonly credential: string;
  readonly baseUrl?: URL;
  readonly simulated?: boolean;
}

/** A vendor that this installation has no credential for: every call says so. */
function withoutCredential<T extends object>(vendor: VendorName): T {
  const { variable } = VENDORS[vendor];
  const refuse = (): Promise<never> =>
    Promise.reject(
      ApplicationFailure.nonRetryable(
        `There is no credential for ${vendor}. Set ${variable} for the worker and retry, or do the step by hand.`,
        'NoCredential',
      ),
    );
  return new Proxy({} as T, { get: () => refuse });
}
