import { z } from 'zod';
import { configFile, type ConfigFile, type ConfigFileOptions } from './load.js';

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,49}$/, 'is named in lower-case letters, digits and dashes: shop');
const Location = z.strictObject({
  bucket: z.string().min(3).max(63),
  prefix: z.string().max(500).default(''),
});
const Values = z.array(z.string().min(1).max(253)).min(1).max(10);

const Service = z.strictObject({
  title: z.string().min(1).max(100),
  /** Parts that can be isolated and deployed by themselves. */
  components: z.array(z.string().min(1).max(100)).min(1),
  /** Health checks that say whether it works. */
  checks: z.array(z.string().min(1).max(100)).min(1),
  /** Id in databases.yaml. */
  database: Name,
  /** Project at Supabase, when sessions and users are kept there. */
  supabaseProject: z.string().min(1).max(100).nullable().default(null),
  storage: z.strictObject({ live: Location, backup: Location }),
  disasterRecovery: z.strictObject({
    /** What the application calls the environment. */
    environment: Name,
    database: Name,
    storage: Location,
    dns: z.strictObject({
      provider: z.enum(['cloudflare', 'route53']),
      zone: z.string().min(1).max(100),
      name: z.string().min(1).max(253),
      type: z.enum(['A', 'AAAA', 'CNAME']),
      /** Where the name points when all is well, and after a failover. */
      primary: Values,
      recovery: Values,
      /** Seconds: the usual one, and the one during a switch. */
      ttl: z.number().int().min(30).max(86_400),
      switchTtl: z.number().int().min(30).max(3_600),
    }),
  }),
  /** owner/name at GitHub, for action items; null: they are kept in the report only. */
  repository: z
    .string()
    .regex(/^[A-Za-z0-9-]+\/[A-Za-z0-9._-]+$/, 'Give it as owner/name.')
    .nullable()
    .default(null),
});
export type Service = z.output<typeof Service> & { readonly id: string };

const ServicesFile = z
  .strictObject({ services: z.record(Name, Service) })
  .transform(
    ({ services }) =>
      new Map(Object.entries(services).map(([id, service]): [string, Service] => [id, { ...service, id }])),
  );

/** `services.yaml` of a configuration folder: what runs, and what stands ready for it. */
export function servicesFile(
  path: string,
  options?: ConfigFileOptions,
): ConfigFile<ReadonlyMap<string, Service>> {
  return configFile(path, ServicesFile, options);
}
