import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import { isSameProcess } from '../local/processes.js';
import { REHEARSAL_NAMESPACE, type Mode } from '../workflows/engine/mode.js';
import type { Assurance } from '../workflows/engine/types.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const LIVE_NAMESPACE = 'default';

const text = z.string().trim().min(1);
const postgresUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'must be a PostgreSQL URL: postgres://user:password@host:5432/database',
});
const flag = z
  .enum(['0', '1', 'false', 'true'], { error: 'must be 1 or 0' })
  .transform((value) => value === '1' || value === 'true');
/** Credentials go there: in clear text only to this machine. */
const baseUrl = z
  .url({ protocol: /^https?$/, error: 'must be an https URL' })
  .transform((value) => new URL(value))
  .refine(
    ({ protocol, hostname }) =>
      protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname),
    'must be an https URL: plain http is accepted for this machine only',
  );

const Variables = z.object({
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_ADMIN_URL: postgresUrl.optional(),
  AUDIT_DATABASE_URL: postgresUrl.optional(),
  REHEARSAL_TEMPORAL_ADDRESS: text.optional(),
  RUNBOOK_ORG: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be lower-case letters, digits and dashes')
    .default('default'),
  RUNBOOK_LOCAL: flag.optional(),
  RUNBOOK_CONFIG_DIR: text.optional(),
  RUNBOOK_DATA_DIR: text.optional(),
  RUNBOOK_SIMULATORS_URL: baseUrl.optional(),
  VAULT_KEY_FILE: text.optional(),
  VAULT_KEY_COMMAND: text.optional(),
  VAULT_BACKEND: z
    .enum(['postgres', 'hashicorp', 'aws'], { error: 'must be postgres, hashicorp or aws' })
    .optional(),
  VAULT_ADDR: baseUrl.optional(),
  VAULT_TOKEN: text.optional(),
  VAULT_NAMESPACE: text.optional(),
  VAULT_MOUNT: text.optional(),
  AWS_REGION: text.optional(),
  AWS_SECRETS_PREFIX: text.optional(),
  OPENAI_ADMIN_KEY: text.optional(),
  OPENAI_BASE_URL: baseUrl.optional(),
  RESEND_ADMIN_KEY: text.optional(),
  RESEND_BASE_URL: baseUrl.optional(),
  SUPABASE_ACCESS_TOKEN: text.optional(),
  SUPABASE_BASE_URL: baseUrl.optional(),
  NETLIFY_AUTH_TOKEN: text.optional(),
  NETLIFY_BASE_URL: baseUrl.optional(),
  STRIPE_ADMIN_KEY: text.optional(),
  STRIPE_BASE_URL: baseUrl.optional(),
  SLACK_BOT_TOKEN: text.optional(),
  SLACK_BASE_URL: baseUrl.optional(),
  SLACK_CHANNEL: text.optional(),
});
type Variables = z.output<typeof Variables>;

/** What the service publishes in the stack.json of the local stack (local/stack.ts), beside the servers' addresses. */
export const StackExtra = z.object({
  databaseUrl: postgresUrl,
  auditDatabaseUrl: postgresUrl.optional(),
  simulatorsUrl: baseUrl.optional(),
  vaultKeyFile: text.optional(),
});

const StackFile = z.object({
  pid: z.int(),
  started: text,
  adminUrl: postgresUrl,
  temporalAddress: text,
  liveNamespace: text,
  extra: z.record(z.string(), z.string()),
});
type LocalStack = Omit<z.output<typeof StackFile>, 'extra'> & z.output<typeof StackExtra>;

/** A vendor's credential, and its address when it isn't the public one. */
export interface VendorAccess {
  readonly credential: string;
  readonly baseUrl: URL | undefined;
}
/** Where secret values are kept, and the key that encrypts them (postgres) and makes their fingerprints (always). */
export interface VaultAccess {
  readonly keyFile: string | undefined;
  readonly keyCommand: string | undefined;
  readonly backend:
    | { readonly kind: 'postgres' }
    | {
        readonly kind: 'hashicorp';
        readonly address: URL;
        readonly token: string;
        readonly namespace: string | undefined;
        readonly mount: string | undefined;
      }
    | { readonly kind: 'aws'; readonly region: string; readonly prefix: string | undefined };
}
export type VendorName = 'openai' | 'resend' | 'supabase' | 'netlify' | 'stripe' | 'slack';

export interface Environment {
  readonly org: string;
  readonly databaseUrl: string;
  /** Needed to migrate and to create roles only. */
  readonly adminUrl: string | undefined;
  readonly auditUrl: string | undefined;
  readonly temporal: Readonly<Record<Mode, Required<ClientConnectConfig>>>;
  /** A development stack on this machine: claimed identities are accepted. */
  readonly local: boolean;
  /** How a person's identity may have been established. */
  readonly acceptedAssurances: readonly Assurance[];
  readonly configDirectory: string;
  readonly dataDirectory: string;
  readonly vault: VaultAccess;
  /** Vendors whose credential is set. */
  readonly vendors: Readonly<Partial<Record<VendorName, VendorAccess>>>;
  readonly slackChannel: string | undefined;
  /** Base address of the local stack's simulated vendors. */
  readonly simulatorsUrl: URL | undefined;
}

/** The environment of the process is not usable. Lists every problem. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  constructor(readonly problems: readonly string[]) {
    super(
      `The environment is not complete:\n${problems.map((problem) => `  ${problem}`).join('\n')}\n` +
        'Set the variables, or start the local stack with `npm start`, which brings its own.',
    );
  }
}

/**
 * Reads the environment: the only reader of these variables. What is not set comes from the local stack, if it runs.
 * @throws EnvironmentError naming every missing or wrong variable at once; never with its value
 */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
  stackFile: string = join(ROOT, '.data', 'service', 'stack.json'),
): Environment {
  const set: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined && value !== '') set[name] = value;
  const parsed = Variables.safeParse(set);
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
  const names: Partial<Variables> = parsed.success ? parsed.data : {};

  const isComplete = set['DATABASE_URL'] !== undefined && set['TEMPORAL_ADDRESS'] !== undefined;
  const { stack, problem } = isComplete ? {} : readStack(stackFile);
  if (problem !== undefined) problems.push(problem);

  const databaseUrl = names.DATABASE_URL ?? stack?.databaseUrl;
  if (databaseUrl === undefined && set['DATABASE_URL'] === undefined) {
    problems.push(
      'DATABASE_URL is not set: the database as the application role, postgres://runbook_app:...@host/db',
    );
  }
  if (set['TEMPORAL_ADDRESS'] === undefined && stack === undefined) {
    problems.push('TEMPORAL_ADDRESS is not set: host:port of the Temporal server');
  }
  const live = temporalFrom(set, stack, problems);
  if (live?.namespace === REHEARSAL_NAMESPACE) {
    problems.push(
      `TEMPORAL_NAMESPACE is ${REHEARSAL_NAMESPACE}, which is for rehearsals. Give live runs another one`,
    );
  }
  const backend = vaultBackendFrom(names, problems);
  if (problems.length > 0 || databaseUrl === undefined || live === undefined || backend === undefined) {
    throw new EnvironmentError(problems);
  }

  // A variable that names another database means another installation: then nothing of the stack may be mixed in.
  const ours = names.DATABASE_URL === undefined ? stack : undefined;
  const local = names.RUNBOOK_LOCAL ?? (ours !== undefined && set['TEMPORAL_ADDRESS'] === undefined);
  return {
    org: names.RUNBOOK_ORG ?? 'default',
    databaseUrl,
    adminUrl: names.DATABASE_ADMIN_URL ?? ours?.adminUrl,
    auditUrl: names.AUDIT_DATABASE_URL ?? ours?.auditDatabaseUrl,
    temporal: { live, rehearsal: rehearsalFrom(live, names) },
    local,
    acceptedAssurances: local ? ['claimed', 'slack', 'token', 'step-up'] : ['slack', 'token', 'step-up'],
    configDirectory: resolve(ROOT, names.RUNBOOK_CONFIG_DIR ?? 'config'),
    dataDirectory: resolve(ROOT, names.RUNBOOK_DATA_DIR ?? '.data'),
    vault: {
      keyFile:
        names.VAULT_KEY_FILE ?? (names.VAULT_KEY_COMMAND === undefined ? ours?.vaultKeyFile : undefined),
      keyCommand: names.VAULT_KEY_COMMAND,
      backend,
    },
    vendors: vendorsFrom(names),
    slackChannel: names.SLACK_CHANNEL,
    simulatorsUrl: names.RUNBOOK_SIMULATORS_URL ?? ours?.simulatorsUrl,
  };
}

function vaultBackendFrom(names: Partial<Variables>, problems: string[]): VaultAccess['backend'] | undefined {
  const {
    VAULT_BACKEND: kind = 'postgres',
    VAULT_ADDR: address,
    VAULT_TOKEN: token,
    AWS_REGION: region,
  } = names;
  switch (kind) {
    case 'postgres':
      return { kind };
    case 'hashicorp':
      if (address === undefined) problems.push('VAULT_ADDR is not set: the address of HashiCorp Vault');
      if (token === undefined) problems.push('VAULT_TOKEN is not set: a token of HashiCorp Vault');
      if (address === undefined || token === undefined) return undefined;
      return { kind, address, token, namespace: names.VAULT_NAMESPACE, mount: names.VAULT_MOUNT };
    case 'aws':
      if (region === undefined) problems.push('AWS_REGION is not set: the region of AWS Secrets Manager');
      return region === undefined ? undefined : { kind, region, prefix: names.AWS_SECRETS_PREFIX };
    default:
      return kind satisfies never;
  }
}

function readStack(path: string): { stack?: LocalStack; problem?: string } {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  try {
    const { extra, ...stack } = StackFile.parse(JSON.parse(content));
    // A stack that was killed leaves its file behind.
    if (!isSameProcess(stack)) return {};
    const published = StackExtra.safeParse(extra);
    return published.success
      ? { stack: { ...stack, ...published.data } }
      : { problem: `The local stack (process ${stack.pid}) is still starting. Try again in a moment` };
  } catch {
    return {
      problem: `${path} does not describe a local stack. Stop the stack, remove the file, start it again`,
    };
  }
}

function temporalFrom(
  set: Readonly<Record<string, string>>,
  stack: LocalStack | undefined,
  problems: string[],
): Required<ClientConnectConfig> | undefined {
  const own = set['TEMPORAL_ADDRESS'] === undefined ? stack : undefined;
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({
      disableFile: true,
      // An API key or certificate in the environment belongs to the server that the environment names.
      overrideEnvVars: own === undefined ? { ...set } : { TEMPORAL_ADDRESS: own.temporalAddress },
    });
    return {
      connectionOptions,
      namespace: own?.liveNamespace ?? namespace ?? LIVE_NAMESPACE,
    };
  } catch (error) {
    problems.push(`TEMPORAL_*: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function rehearsalFrom(
  live: Required<ClientConnectConfig>,
  names: Partial<Variables>,
): Required<ClientConnectConfig> {
  const address = names.REHEARSAL_TEMPORAL_ADDRESS;
  return {
    // Another server than the live one gets none of the live one's credentials.
    connectionOptions: address === undefined ? live.connectionOptions : { address },
    namespace: REHEARSAL_NAMESPACE,
  };
}

function vendorsFrom(names: Partial<Variables>): Partial<Record<VendorName, VendorAccess>> {
  const all: Record<VendorName, [string | undefined, URL | undefined]> = {
    openai: [names.OPENAI_ADMIN_KEY, names.OPENAI_BASE_URL],
    resend: [names.RESEND_ADMIN_KEY, names.RESEND_BASE_URL],
    supabase: [names.SUPABASE_ACCESS_TOKEN, names.SUPABASE_BASE_URL],
    netlify: [names.NETLIFY_AUTH_TOKEN, names.NETLIFY_BASE_URL],
    stripe: [names.STRIPE_ADMIN_KEY, names.STRIPE_BASE_URL],
    slack: [names.SLACK_BOT_TOKEN, names.SLACK_BASE_URL],
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([vendor, [credential, baseUrl]]) =>
      credential === undefined ? [] : [[vendor, { credential, baseUrl }]],
    ),
  );
}
