import { z } from 'zod';
import { isRef, isSecretName } from '../vault/ref.js';

const secret = z.string().refine(isSecretName, 'is not the name of a secret, for example "openai/api-key"');
/** A field with this schema is one whose value may be handed to the way a verb is done. */
export const ref = z
  .string()
  .refine(isRef, 'is not a reference to a secret, for example "secret://openai/api-key@v7"');
const instant = z.iso.datetime({ offset: true });
const text = z.string().min(1).max(4000);
const name = z.string().min(1).max(100);
const id = z.string().min(1).max(200);
const count = z.number().int().min(0);
const digest = z.string().min(1).max(200);
const reason = text.max(500);
const environment = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,49}$/, 'is not the name of an environment, for example "production" or "dr"');
/** Production has verbs of its own: one slip must not replace or remove it. */
const elsewhere = environment.refine(
  (text) => text !== 'production',
  'is production, which this verb leaves alone',
);
const nothing = z.unknown().transform((): undefined => undefined);

/** A stretch of time that ends before it starts would be searched in vain, and look like good news. */
const inOrder = ({ since, until }: { since: string; until: string }): boolean =>
  Date.parse(since) < Date.parse(until);
const ORDER = { error: 'is not after "since"', path: ['until'] };
const period = z.object({ since: instant, until: instant }).refine(inOrder, ORDER);

/** What goes into each verb and what comes back: the same for a command, an HTTP endpoint and a GitHub workflow. */
export const applicationSchemas = {
  /** Runs the named health checks. Without an environment: those of the production one. */
  health: {
    input: z.object({ checks: z.array(name).min(1).max(50), environment: environment.optional() }),
    output: z.object({ passed: z.boolean(), failed: z.array(z.string().max(100)) }),
  },
  /** The part of requests that failed in the last `minutes`, 0 to 1. */
  errorRate: {
    input: z.object({ minutes: z.number().int().min(1).max(1440) }),
    output: z.object({ ratio: z.number().min(0).max(1), requests: count }),
  },
  /** Deploys a component again, so that it reads its configuration anew. */
  redeploy: {
    input: z.object({ component: name }),
    output: z.object({ deployment: id }),
  },
  /** Re-encrypts every field from one key to another. Safe to repeat: it goes on where it stopped. */
  reencrypt: {
    input: z.object({ secret, from: ref, to: ref }),
    output: z.object({ fields: count }),
  },
  /** Reads every encrypted field with one key and counts those that can't be read. */
  verifyEncrypted: {
    input: z.object({ secret, ref }),
    output: z.object({ total: count, unreadable: count }),
  },
  /** Makes the application accept webhooks signed with either of two secrets. */
  acceptBoth: {
    input: z.object({ secret, current: ref, next: ref }),
    output: nothing,
  },
  /** Makes the application accept webhooks signed with one value of a secret, and with no other value of it. */
  acceptOnly: {
    input: z.object({ secret, ref }),
    output: nothing,
  },
  /** Counts log lines that show the use of a key, by its fingerprint. */
  searchLogs: {
    input: z.object({ fingerprint: z.string().regex(/^[0-9a-f]{16}$/), since: instant, until: instant }),
    output: z.object({ matches: count, digest }),
  },
  /** Files an incident report. Texts must not hold personal data. */
  fileIncidentReport: {
    input: z.object({ title: text.max(200), summary: text }),
    output: z.object({ id }),
  },
  /** Shows users a message instead of the application. `until`: when it is expected back. */
  enableMaintenance: {
    input: z.object({ message: text.max(500), until: instant }),
    output: nothing,
  },
  /** Lets users in again. */
  disableMaintenance: { input: z.object({}), output: nothing },
  /** Whether maintenance mode is on. */
  maintenanceState: { input: z.object({}), output: z.object({ on: z.boolean() }) },
  /** Takes no requests at all any more, of users or of anything else that writes. */
  stopTraffic: { input: z.object({ reason }), output: nothing },
  /** Takes requests again. */
  resumeTraffic: { input: z.object({}), output: nothing },
  /** Read-only mode: everything can be read, nothing is written. */
  freezeWrites: { input: z.object({ reason }), output: nothing },
  /** Ends read-only mode. */
  unfreezeWrites: { input: z.object({}), output: nothing },
  /** Cuts a component off from users and from the rest of the application, and keeps it as it is. */
  isolate: { input: z.object({ component: name }), output: z.object({ isolation: id }) },
  /** Connects an isolated component again. */
  liftIsolation: { input: z.object({ component: name }), output: nothing },
  /** Looks for signs that data left the application in a stretch of time. */
  breachCheck: {
    input: period,
    output: z.object({ suspected: z.boolean(), findings: count, digest }),
  },
  /** Logs and alerts more closely than usual. */
  enhanceMonitoring: { input: z.object({}), output: nothing },
  /** Logs and alerts as usual. */
  restoreMonitoring: { input: z.object({}), output: nothing },
  /** Puts the records of a stretch of time where nobody changes them. */
  collectEvidence: {
    input: z
      .object({
        kind: z.enum(['logs', 'database-audit', 'storage-access']),
        since: instant,
        until: instant,
      })
      .refine(inOrder, ORDER),
    output: z.object({
      location: z.string().min(1).max(500),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      entries: count,
    }),
  },
  /** Counts accesses that do not look like those of the account's owner. */
  analyzeAccess: {
    input: period,
    output: z.object({ suspicious: count, accounts: count, digest }),
  },
  /** Deployments and changes of the configuration since a moment; `newest`: the id of the last one. */
  recentChanges: {
    input: z.object({ since: instant }),
    output: z.object({ changes: count, newest: id.nullable() }),
  },
  /** The deployment that serves production, and how many database migrations are applied. */
  currentRelease: { input: z.object({}), output: z.object({ deployment: id.nullable(), migrations: count }) },
  /** Applies every database migration that is not applied yet. */
  runMigrations: { input: z.object({}), output: z.object({ applied: count }) },
  /** Takes the last `count` database migrations back. */
  rollBackMigrations: { input: z.object({ count: z.number().int().min(0).max(1000) }), output: nothing },
  /** Deploys a version to production. `previous`: the deployment that served until then. */
  deployUpdate: {
    input: z.object({ version: id }),
    output: z.object({ deployment: id, previous: id.nullable() }),
  },
  /** Makes an earlier deployment serve production again. `deployment`: the one to go back to. */
  rollBackDeployment: { input: z.object({ deployment: id }), output: nothing },
  /** Deploys the version that serves production to another environment. */
  deployEnvironment: { input: z.object({ environment: elsewhere }), output: z.object({ deployment: id }) },
  /** Removes what runs in an environment. */
  removeEnvironment: { input: z.object({ environment: elsewhere }), output: nothing },
  /** Sends users a message, by mail or in the application. Texts must not hold personal data. */
  notifyUsers: {
    input: z.object({ audience: z.enum(['all', 'affected']), subject: text.max(200), message: text }),
    output: z.object({ recipients: count }),
  },
  /** Gives a component more resources: one step more than it has. */
  scaleUp: { input: z.object({ component: name }), output: nothing },
  /** Switches a feature on or off. `before`: how it was. */
  setFeatureFlag: {
    input: z.object({ flag: name, enabled: z.boolean() }),
    output: z.object({ before: z.boolean() }),
  },
} as const satisfies Record<string, { input: z.ZodObject; output: z.ZodType }>;
