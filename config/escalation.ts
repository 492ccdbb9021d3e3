import { z } from 'zod';
import { SEVERITIES, type Severity } from '../workflows/engine/types.js';
import { GroupName, type Access } from './access.js';
import { DurationText } from './duration.js';
import { configFile, type ConfigFile, type ConfigFileOptions } from './load.js';

const Level = z.strictObject({
  group: GroupName,
  /** Time without an acknowledgement after which this level is asked as well. */
  after: DurationText,
  /** Audience of notifications.yaml through which it is reached. */
  notify: z.string().min(1),
});

const Profile = z.strictObject({
  title: z.string().min(1).max(100),
  definition: z.string().min(1).max(500),
  acknowledgeWithin: DurationText,
  /** null: none is owed. */
  postMortemWithin: DurationText.nullable(),
  ladder: z.array(Level).min(1),
});

const Vendor = z.strictObject({
  title: z.string().min(1).max(100),
  /** A desk, not a person: a support address or page. */
  contact: z.string().min(1).max(200),
  terms: z.string().min(1).max(100),
});

const schema = (access: () => Access) =>
  z
    .strictObject({
      severities: z.strictObject(
        Object.fromEntries(SEVERITIES.map((severity) => [severity, Profile])) as {
          [S in Severity]: typeof Profile;
        },
      ),
      vendors: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,49}$/), Vendor),
    })
    .superRefine(({ severities }, context) => {
      const { groups } = access();
      for (const severity of SEVERITIES) {
        severities[severity].ladder.forEach(({ group }, index) => {
          if ((groups[group] ?? []).length > 0) return;
          context.addIssue({
            code: 'custom',
            path: ['severities', severity, 'ladder', index, 'group'],
            message: `Group ${group} has no member in access.yaml: nobody would be asked. Add one there.`,
          });
        });
      }
    });

/** How quickly somebody must take charge, and who is asked when nobody does. */
export type Escalation = z.output<ReturnType<typeof schema>>;

/** `escalation.yaml` of a configuration folder. */
export function escalationFile(
  path: string,
  access: ConfigFile<Access>,
  options?: Omit<ConfigFileOptions, 'dependsOn'>,
): ConfigFile<Escalation> {
  return configFile(
    path,
    schema(() => access.get()),
    { ...options, dependsOn: [access] },
  );
}
