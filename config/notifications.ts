import { z } from 'zod';
import { SEVERITIES, type Severity } from '../workflows/engine/types.js';
import { configFile, type ConfigFile, type ConfigFileOptions } from './load.js';

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,49}$/, 'is named in lower-case letters, digits and dashes: on-call');

/** Addresses stay in this file: steps, histories and the record name the audience only. */
const Addresses = z.strictObject({
  emails: z.array(z.email('This is not an e-mail address.').max(254)).default([]),
  phones: z
    .array(z.string().regex(/^\+[1-9]\d{6,14}$/, 'Write a phone number in E.164 form: +15550100.'))
    .default([]),
});

/** One way to reach people. */
const Way = z.union(
  [
    z.strictObject({ slack: z.string().min(1).max(80) }),
    z.strictObject({ email: Name }),
    z.strictObject({ sms: Name }),
    z.strictObject({ pagerduty: z.enum(['critical', 'error', 'warning', 'info']) }),
  ],
  { error: 'Give exactly one of slack (a channel), email, sms (an audience) and pagerduty (a severity).' },
);
export type Way = z.output<typeof Way>;

const BySeverity = z.strictObject(
  Object.fromEntries(SEVERITIES.map((severity) => [severity, z.array(Way).default([])])) as {
    [S in Severity]: z.ZodDefault<z.ZodArray<typeof Way>>;
  },
);
const IMPACTS = ['none', 'minor', 'major', 'critical'] as const;

const NotificationsFile = z
  .strictObject({
    addresses: z.record(Name, Addresses),
    audiences: z.record(Name, BySeverity),
    statusPage: z.strictObject(
      Object.fromEntries(SEVERITIES.map((severity) => [severity, z.enum(IMPACTS)])) as {
        [S in Severity]: z.ZodEnum<{ [I in (typeof IMPACTS)[number]]: I }>;
      },
    ),
  })
  .superRefine(({ addresses, audiences }, context) => {
    for (const [audience, severities] of Object.entries(audiences)) {
      for (const severity of SEVERITIES) {
        severities[severity].forEach((way, index) => {
          const name = 'email' in way ? way.email : 'sms' in way ? way.sms : undefined;
          if (name === undefined) return;
          const kind = 'email' in way ? 'emails' : 'phones';
          if ((addresses[name]?.[kind] ?? []).length > 0) return;
          context.addIssue({
            code: 'custom',
            path: ['audiences', audience, severity, index],
            message: `addresses.${name} has no ${kind}. Add one, or take this way out.`,
          });
        });
      }
    }
  });

/** Who is reached how. */
export type NotificationsConfig = z.output<typeof NotificationsFile>;

/** What a run knows of it: the ways, and no address. */
export type Notifications = Pick<NotificationsConfig, 'audiences' | 'statusPage'>;

/** `notifications.yaml` of a configuration folder. */
export function notificationsFile(
  path: string,
  options?: ConfigFileOptions,
): ConfigFile<NotificationsConfig> {
  return configFile(path, NotificationsFile, options);
}
