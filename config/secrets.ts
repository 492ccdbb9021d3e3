import { z } from 'zod';
import { GroupName, type Access } from './access.js';
import { configFile, type ConfigFile, type ConfigFileOptions } from './load.js';

/** `openai/api-key`: becomes part of `secret://openai/api-key@v7`. */
export const SecretId = z
  .string()
  .max(100)
  .regex(
    /^[a-z0-9]+(-[a-z0-9]+)*(\/[a-z0-9]+(-[a-z0-9]+)*)*$/,
    'A secret is named in lower-case letters, digits, dashes and slashes: openai/api-key.',
  );

const Instruction = z.string().trim().min(1, 'Say exactly what the person has to do.').max(2_000);
const SupabaseProject = z
  .string()
  .regex(
    /^[a-z]{20}$/,
    'A Supabase project ref is 20 lower-case letters: Project Settings, General, Project ID.',
  );

/** How a new value comes to be, and how the old one ends. */
export const SecretProvider = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('openai'),
    project: z.string().regex(/^proj_[A-Za-z0-9_-]+$/, 'An OpenAI project id starts with proj_.'),
  }),
  z.strictObject({ kind: z.literal('resend'), permission: z.enum(['full_access', 'sending_access']) }),
  z.strictObject({ kind: z.literal('supabase'), project: SupabaseProject }),
  /** Stripe has no API that creates or revokes API keys: a person does it, the key is checked by its use. */
  z.strictObject({
    kind: z.literal('stripe-key'),
    type: z.enum(['restricted', 'secret']),
    console: z.url({ protocol: /^https$/, error: 'Give the https address of the page.' }),
    create: Instruction,
    revoke: Instruction,
    /** Inventory id of the test-mode key with which the payment flow is tested in staging. */
    testKey: SecretId,
  }),
  z.strictObject({
    kind: z.literal('stripe-webhook'),
    /** Where Stripe delivers events. */
    url: z.url({ protocol: /^https?$/, error: 'Give the address that Stripe delivers to.' }),
    events: z
      .array(z.string().regex(/^(\*|[a-z_]+(\.[a-z_]+)+)$/, 'A Stripe event type looks like invoice.paid.'))
      .min(1),
  }),
  /** Random bytes that we make ourselves. */
  z.strictObject({
    kind: z.literal('generated'),
    bytes: z.int().min(16, 'Less than 16 bytes can be guessed.').max(256),
    /** Stored data is encrypted with it: the old value is backed up first and the data re-encrypted. */
    encrypts: z.literal(true),
  }),
  z.strictObject({
    kind: z.literal('manual'),
    console: z.url({ protocol: /^https$/, error: 'Give the https address of the page.' }),
    create: Instruction,
    revoke: Instruction,
  }),
]);
export type SecretProvider = z.output<typeof SecretProvider>;

/** A place outside the vault that holds the value. */
export const Deployment = z.discriminatedUnion('system', [
  z.strictObject({
    system: z.literal('netlify'),
    /** Account slug. */
    account: z.string().min(1).max(100),
    /** Site id. */
    site: z.string().min(1).max(100),
    /** https://open-api.netlify.com/#tag/environmentVariables/operation/createEnvVars */
    context: z.enum(['all', 'dev', 'branch-deploy', 'deploy-preview', 'production']),
  }),
  z.strictObject({ system: z.literal('supabase'), project: SupabaseProject }),
]);
export type Deployment = z.output<typeof Deployment>;

const Name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'Use lower-case letters, digits and dashes.');

const SecretEntry = z.strictObject({
  title: z.string().trim().min(1).max(100),
  variable: z.string().regex(/^[A-Z][A-Z0-9_]{0,127}$/, 'A variable is named in capitals: OPENAI_API_KEY.'),
  provider: SecretProvider,
  /** Empty: the application reads the value from the vault itself. */
  deployedTo: z.array(Deployment),
  /** Parts of the application that read the value only when they start. */
  components: z.array(Name).default([]),
  /** Health checks of the application that prove the affected functionality. */
  checks: z
    .array(Name)
    .min(1, 'Name at least one health check: without one nothing proves that the new value works.'),
  /** Days; null: on demand. */
  rotateEveryDays: z.int().min(1).max(3_650).nullable(),
  owners: GroupName,
});

const Inventory = z.strictObject({ secrets: z.record(SecretId, SecretEntry) });

/** One secret of the inventory. Plain JSON: it becomes part of a run's configuration snapshot. */
export type Secret = { readonly id: string } & Readonly<z.output<typeof SecretEntry>>;
export type SecretInventory = ReadonlyMap<string, Secret>;

/** `secrets.yaml` of a configuration folder; the groups it names must be in `access`. */
export function secretsFile(
  path: string,
  access: ConfigFile<Access>,
  options: Omit<ConfigFileOptions, 'dependsOn'> = {},
): ConfigFile<SecretInventory> {
  const schema = Inventory.superRefine(({ secrets }, context) => {
    const problem = (at: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path: ['secrets', ...at], message });
    const groups = access.get().groups;
    const places = new Map<string, string>();
    for (const [id, { owners, provider, deployedTo, variable }] of Object.entries(secrets)) {
      if (groups[owners] === undefined) {
        problem(
          [id, 'owners'],
          `Group ${owners} is not in ${access.path}. Add it there, or name another one.`,
        );
      }
      if (provider.kind === 'stripe-key' && secrets[provider.testKey] === undefined) {
        problem(
          [id, 'provider', 'testKey'],
          `${provider.testKey} is not in this inventory. Add it, or name another secret.`,
        );
      }
      deployedTo.forEach((deployment, index) => {
        if (deployment.system === 'supabase' && variable.startsWith('SUPABASE_')) {
          problem(
            [id, 'deployedTo', index],
            `Supabase sets ${variable} in its functions itself and refuses names that start with SUPABASE_. Remove this place.`,
          );
        }
        const key = placeKey(deployment, variable);
        const other = places.get(key);
        if (other !== undefined) {
          problem(
            [id, 'deployedTo', index],
            `${variable} is already set in this place by ${other}: one would overwrite the other.`,
          );
        }
        places.set(key, id);
      });
    }
  }).transform(
    ({ secrets }): SecretInventory =>
      new Map(Object.entries(secrets).map(([id, entry]) => [id, { id, ...entry }])),
  );
  return configFile(path, schema, { ...options, dependsOn: [access] });
}

function placeKey(deployment: Deployment, variable: string): string {
  switch (deployment.system) {
    case 'netlify':
      return `netlify/${deployment.account}/${deployment.site}/${deployment.context}/${variable}`;
    case 'supabase':
      return `supabase/${deployment.project}/${variable}`;
    default:
      return deployment satisfies never;
  }
}
