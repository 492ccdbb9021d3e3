import { z } from 'zod';
import { configFile, type ConfigFile, type ConfigFileOptions } from './load.js';

/** Groups that runbooks name; each must be there and have a member, or a gate could never be passed. */
export const REQUIRED_GROUPS = [
  'operators',
  'approvers',
  'security',
  'owners',
  'on-call',
  'legal',
  'executives',
] as const;

export const GroupName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,49}$/, 'A group is named in lower-case letters, digits and dashes: operators.');

const Email = z
  .email('This is not an e-mail address.')
  .max(254)
  .transform((email) => email.toLowerCase());

const PersonEntry = z.strictObject({
  email: Email,
  name: z.string().trim().min(1, 'Give the name that people read.').max(100),
  /** Slack member ids (`U...` or `W...`), of every workspace in which this person acts. */
  slack: z
    .array(
      z
        .string()
        .regex(
          /^[UW][A-Z0-9]{2,20}$/,
          'A Slack member id looks like U024BE7LH: Profile, More, Copy member ID.',
        ),
    )
    .default([]),
});

const Access = z
  .strictObject({
    people: z.array(PersonEntry),
    groups: z.record(GroupName, z.array(Email)),
  })
  .superRefine(({ people, groups }, context) => {
    const problem = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    const emails = new Set<string>();
    const slackIds = new Map<string, string>();
    people.forEach((person, index) => {
      if (emails.has(person.email))
        problem(['people', index, 'email'], `${person.email} is listed twice. Remove one.`);
      emails.add(person.email);
      person.slack.forEach((id, position) => {
        const owner = slackIds.get(id);
        if (owner !== undefined) {
          problem(
            ['people', index, 'slack', position],
            `Slack id ${id} already belongs to ${owner}. One id is one person.`,
          );
        }
        slackIds.set(id, person.email);
      });
    });
    for (const [group, members] of Object.entries(groups)) {
      members.forEach((email, index) => {
        if (!emails.has(email)) {
          problem(
            ['groups', group, index],
            `${email} is not listed under people. Add the person there, or take the address out of ${group}.`,
          );
        } else if (members.indexOf(email) < index) {
          problem(['groups', group, index], `${email} is in ${group} twice. Remove one.`);
        }
      });
    }
    for (const group of REQUIRED_GROUPS) {
      if ((groups[group] ?? []).length === 0) {
        problem(['groups', group], `Group ${group} needs at least one member: runbooks ask it.`);
      }
    }
  });

/** Who may do what: people, and the groups that runbooks name. Emails are in lower case. */
export type Access = z.output<typeof Access>;
export type PersonEntry = Access['people'][number];

/** `access.yaml` of a configuration folder. */
export function accessFile(path: string, options?: ConfigFileOptions): ConfigFile<Access> {
  return configFile(path, Access, options);
}

/** Groups of a person, sorted; none for somebody who is not listed. */
export function groupsOfEmail({ groups }: Access, email: string): readonly string[] {
  const address = email.toLowerCase();
  return Object.keys(groups)
    .filter((group) => groups[group]?.includes(address) === true)
    .sort();
}
