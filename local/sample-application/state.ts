import { z } from 'zod';

/** What the sample application is told by verbs, and what it answered: plain JSON, kept in `state.json`. */
export const State = z.object({
  maintenance: z.object({ message: z.string(), until: z.string() }).nullable(),
  /** Why no traffic is let in; null: it is. */
  stopped: z.string().nullable(),
  /** Why nothing is written; null: it is. */
  readOnly: z.string().nullable(),
  isolated: z.array(z.string()),
  monitoring: z.enum(['usual', 'enhanced']),
  /** Feature flags that are on. */
  flags: z.array(z.string()),
  /** Components that were given more, once for each step. */
  scaled: z.array(z.string()),
  /** Versions that were deployed to production, oldest first. */
  releases: z.array(z.object({ id: z.string(), version: z.string(), at: z.string() })),
  /** The release that serves production. */
  serving: z.string(),
  /** What runs beside production. */
  environments: z.array(z.object({ name: z.string(), deployment: z.string(), version: z.string() })),
  /** Deployments of components and environments so far. */
  deployments: z.number(),
  /** Applied migrations when there is no database. */
  migrations: z.array(z.string()),
  /** Deployments and changes of settings, oldest first. */
  changes: z.array(z.object({ id: z.string(), at: z.string() })),
  /** Written together with the change itself: a repeated request gets the same answer and changes nothing. */
  answered: z.array(z.object({ key: z.string(), verb: z.string(), answer: z.unknown() })),
});
export type State = z.output<typeof State>;

export const initialState: State = {
  maintenance: null,
  stopped: null,
  readOnly: null,
  isolated: [],
  monitoring: 'usual',
  flags: [],
  scaled: [],
  releases: [{ id: 'release-1', version: '1.0.0', at: '2026-01-01T00:00:00.000Z' }],
  serving: 'release-1',
  environments: [],
  deployments: 0,
  migrations: [],
  changes: [],
  answered: [],
};

/** The version that serves production. */
export function servingVersion({ releases, serving }: State): string {
  return releases.find(({ id }) => id === serving)?.version ?? 'unknown';
}
