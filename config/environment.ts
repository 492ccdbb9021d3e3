import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import { isSameProcess } from '../local/processes.js';
import { REHEARSAL_NAMESPACE, type Mode } from '../workflows/engine/mode.js';
import type { Assurance } from '../workflows/engine/types.js';
import './plain-words.js';

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
const smtpUrl = z
  .url({ protocol: /^smtps?$/, error: 'must be an SMTP URL: smtps://user:password@host:465' })
  .refine((value) => new URL(value).hostname !== '', 'must name a host: smtps://user:password@host:465');
/** Of resolvers, with commas between them: from one alone nobody learns whether the public agrees. */
const resolverUrls = z
  .string()
  .transform((value) => value.split(',').map((url) => url.trim()))
  .pipe(z.array(baseUrl).min(2, 'must be two https URLs or more, with commas between them'));

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
  PAGERDUTY_ROUTING_KEY: text.optional(),
  PAGERDUTY_EVENTS_URL: baseUrl.optional(),
  PAGERDUTY_API_TOKEN: text.optional(),
  PAGERDUTY_API_URL: baseUrl.optional(),
  RESEND_API_KEY: text.optional(),
  SMTP_URL: smtpUrl.optional(),
  EMAIL_FROM: text.optional(),
  SMS_WEBHOOK_URL: baseUrl.optional(),
  SMS_WEBHOOK_TOKEN: text.optional(),
  GITHUB_TOKEN: text.optional(),
  GITHUB_API_URL: baseUrl.optional(),
  CLOUDFLARE_API_TOKEN: text.optional(),
  CLOUDFLARE_BASE_URL: baseUrl.optional(),
  AWS_ACCESS_KEY_ID: text.optional(),
  AWS_SECRET_ACCESS_KEY: text.optional(),
  S3_ENDPOINT: baseUrl.optional(),
  ROUTE53_BASE_URL: baseUrl.optional(),
  DNS_RESOLVERS: resolverUrls.optional(),
  STATUSPAGE_API_KEY: text.optional(),
  STATUSPAGE_PAGE_ID: text.optional(),
  STATUSPAGE_BASE_URL: baseUrl.optional(),
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
  /** What the credential goes with: the id of an AWS access key, the page of Statuspage, the sender of e-mail. */
  readonly id?: string;
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
/** An object store that speaks S3. */
export interface S3Access {
  /** undefined: Amazon's. */
  readonly endpoint: URL | undefined;
  readonly region: string | undefined;
  /** undefined: the role of the machine. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}
export type VendorName =
  | 'openai'
  | 'resend'
  | 'supabase'
  | 'netlify'
  | 'stripe'
  | 'slack'
  | 'pagerduty'
  | 'pagerduty-api'
  | 'email'
  | 'sms'
  | 'github'
  | 'cloudflare'
  | 'route53'
  | 'statuspage';

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
  /** Public resolvers over HTTPS that are asked instead of the usual ones. */
  readonly dnsResolvers?: readonly URL[];
  /** The object store, if this installation has one. */
  readonly s3?: S3Access;
  /** Base address of the local stack's simulated vendors. */
  readonly simulatorsUrl: URL | undefined;
}

/** The environment of the process is not usable. Lists every problem. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  constructor(
    readonly problems: readonly string[],
    /** What comes first, when there is one thing to do. */
    headline?: string,
  ) {
    const list = problems.map((problem) => `  ${problem}`).join('\n');
    super(
      headline === undefined
        ? `The environment is not complete:\n${list}\n` +
            'Set the variables, or start the local stack with `npm start`, which brings its own.'
        : [headline, ...(problems.length === 0 ? [] : [`For another installation than that:\n${list}`])].join(
            '\n',
          ),
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
  const { stack, problem, starting } = isComplete ? {} : readStack(stackFile);
  if (starting !== undefined) throw new EnvironmentError([], starting);
  if (problem !== undefined) problems.push(problem);
  const namesNothing = set['DATABASE_URL'] === undefined && set['TEMPORAL_ADDRESS'] === undefined;
  const isDown = namesNothing && stack === undefined && problem === undefined;

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
  emailProblems(names, problems);
  const backend = vaultBackendFrom(names, problems);
  const s3 = s3From(names, problems);
  if (problems.length > 0 || databaseUrl === undefined || live === undefined || backend === undefined) {
    throw new EnvironmentError(
      problems,
      isDown
        ? 'The local stack is not running. Run `npm start` in another terminal, then try again.'
        : undefined,
    );
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
    ...(s3 === undefined ? {} : { s3 }),
    ...(names.DNS_RESOLVERS === undefined ? {} : { dnsResolvers: names.DNS_RESOLVERS }),
    simulatorsUrl: names.RUNBOOK_SIMULATORS_URL ?? ours?.simulatorsUrl,
  };
}

/** A credential without a sender would look like "no e-mail", and of two ways one would be taken in silence. */
function emailProblems(names: Partial<Variables>, problems: string[]): void {
  const { SMTP_URL: smtp, RESEND_API_KEY: resend, EMAIL_FROM: from } = names;
  if (smtp !== undefined && resend !== undefined) {
    problems.push('SMTP_URL and RESEND_API_KEY are both set: e-mail is sent by one of them. Unset the other');
  }
  if ((smtp ?? resend) !== undefined && from === undefined) {
    problems.push('EMAIL_FROM is not set: the sender of e-mail, Runbooks <runbooks@example.com>');
  }
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

function s3From(names: Partial<Variables>, problems: string[]): S3Access | undefined {
  const { S3_ENDPOINT: endpoint, AWS_REGION: region, AWS_ACCESS_KEY_ID: accessKeyId } = names;
  const secretAccessKey = names.AWS_SECRET_ACCESS_KEY;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    const given = endpoint !== undefined || region !== undefined;
    return given ? { endpoint, region, credentials: { accessKeyId, secretAccessKey } } : undefined;
  }
  if (endpoint !== undefined) {
    problems.push(
      'S3_ENDPOINT is set without AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the access key of that store',
    );
    return undefined;
  }
  // A vault in AWS without a key means that the machine has a role.
  const hasRole = names.VAULT_BACKEND === 'aws' && region !== undefined;
  return hasRole ? { endpoint, region, credentials: undefined } : undefined;
}

function readStack(path: string): { stack?: LocalStack; problem?: string; starting?: string } {
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
      : { starting: `The local stack (process ${stack.pid}) is still starting. Try again in a moment.` };
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

type VendorVariables = readonly [
  credential: string | undefined,
  baseUrl: URL | undefined,
  goesWith?: { readonly id: string | undefined },
];

function vendorsFrom(names: Partial<Variables>): Partial<Record<VendorName, VendorAccess>> {
  const all: Record<VendorName, VendorVariables> = {
    openai: [names.OPENAI_ADMIN_KEY, names.OPENAI_BASE_URL],
    resend: [names.RESEND_ADMIN_KEY, names.RESEND_BASE_URL],
    supabase: [names.SUPABASE_ACCESS_TOKEN, names.SUPABASE_BASE_URL],
    netlify: [names.NETLIFY_AUTH_TOKEN, names.NETLIFY_BASE_URL],
    stripe: [names.STRIPE_ADMIN_KEY, names.STRIPE_BASE_URL],
    slack: [names.SLACK_BOT_TOKEN, names.SLACK_BASE_URL],
    pagerduty: [names.PAGERDUTY_ROUTING_KEY, names.PAGERDUTY_EVENTS_URL],
    'pagerduty-api': [names.PAGERDUTY_API_TOKEN, names.PAGERDUTY_API_URL],
    email: [names.SMTP_URL ?? names.RESEND_API_KEY, names.RESEND_BASE_URL, { id: names.EMAIL_FROM }],
    sms: [names.SMS_WEBHOOK_URL && names.SMS_WEBHOOK_TOKEN, names.SMS_WEBHOOK_URL],
    github: [names.GITHUB_TOKEN, names.GITHUB_API_URL],
    cloudflare: [names.CLOUDFLARE_API_TOKEN, names.CLOUDFLARE_BASE_URL],
    route53: [names.AWS_SECRET_ACCESS_KEY, names.ROUTE53_BASE_URL, { id: names.AWS_ACCESS_KEY_ID }],
    statuspage: [names.STATUSPAGE_API_KEY, names.STATUSPAGE_BASE_URL, { id: names.STATUSPAGE_PAGE_ID }],
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([vendor, [credential, baseUrl, goesWith]]) => {
      if (credential === undefined) return [];
      if (goesWith === undefined) return [[vendor, { credential, baseUrl }]];
      // Half of a pair is no credential.
      return goesWith.id === undefined ? [] : [[vendor, { credential, baseUrl, id: goesWith.id }]];
    }),
  );
}
