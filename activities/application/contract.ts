import { z } from 'zod';
import type { StepContext } from '../step.js';
import { isRef, isSecretName } from '../vault/ref.js';

const secret = z.string().refine(isSecretName, 'is not the name of a secret, for example "openai/api-key"');
const ref = z
  .string()
  .refine(isRef, 'is not a reference to a secret, for example "secret://openai/api-key@v7"');
const instant = z.iso.datetime({ offset: true });
const text = z.string().min(1).max(4000);
const count = z.number().int().min(0);

/** What goes into each verb and what comes back: the same for a command, an HTTP endpoint and a GitHub workflow. */
export const applicationSchemas = {
  health: {
    input: z.object({ checks: z.array(z.string().min(1).max(100)).min(1).max(50) }),
    output: z.object({ passed: z.boolean(), failed: z.array(z.string().max(100)) }),
  },
  errorRate: {
    input: z.object({ minutes: z.number().int().min(1).max(1440) }),
    output: z.object({ ratio: z.number().min(0).max(1), requests: count }),
  },
  redeploy: {
    input: z.object({ component: z.string().min(1).max(100) }),
    output: z.object({ deployment: z.string().min(1).max(200) }),
  },
  reencrypt: {
    input: z.object({ secret, from: ref, to: ref }),
    output: z.object({ fields: count }),
  },
  verifyEncrypted: {
    input: z.object({ secret, ref }),
    output: z.object({ total: count, unreadable: count }),
  },
  acceptBoth: {
    input: z.object({ secret, current: ref, next: ref }),
    output: z.unknown().transform(() => undefined),
  },
  searchLogs: {
    input: z.object({ fingerprint: z.string().regex(/^[0-9a-f]{16}$/), since: instant, until: instant }),
    output: z.object({ matches: count, digest: z.string().min(1).max(200) }),
  },
  fileIncidentReport: {
    input: z.object({ title: text.max(200), summary: text }),
    output: z.object({ id: z.string().min(1).max(200) }),
  },
} as const satisfies Record<string, { input: z.ZodObject; output: z.ZodType }>;

export type ApplicationVerb = keyof typeof applicationSchemas;
export type ApplicationInput<V extends ApplicationVerb> = z.output<(typeof applicationSchemas)[V]['input']>;
export type ApplicationOutput<V extends ApplicationVerb> = V extends 'acceptBoth'
  ? void
  : z.output<(typeof applicationSchemas)[V]['output']>;

/** What the way a verb is done needs to know of its step. */
export type ApplicationCall = Pick<StepContext, 'key' | 'stepId' | 'attempt' | 'signal' | 'heartbeat'>;

type Method<V extends ApplicationVerb> = (
  input: ApplicationInput<V>,
  call: ApplicationCall,
) => Promise<ApplicationOutput<V>>;

/**
 * The application under care. How each verb is done is the user's choice: config/application.yaml.
 * Every method throws ApplicationFailure `NotConfigured` (not retryable; details `[{ instruction }]`: what a
 * person does instead) when the user has not said how.
 */
export interface Application {
  /** Runs the named health checks. */
  readonly health: Method<'health'>;
  /** The part of requests that failed in the last `minutes`, 0 to 1. */
  readonly errorRate: Method<'errorRate'>;
  /** Deploys a component again, so that it reads its configuration anew. */
  readonly redeploy: Method<'redeploy'>;
  /** Re-encrypts every field from one key to another. Safe to repeat: it goes on where it stopped. */
  readonly reencrypt: Method<'reencrypt'>;
  /** Reads every encrypted field with one key and counts those that can't be read. */
  readonly verifyEncrypted: Method<'verifyEncrypted'>;
  /** Makes the application accept webhooks signed with either of two secrets. */
  readonly acceptBoth: Method<'acceptBoth'>;
  /** Counts log lines that show the use of a key, by its fingerprint. */
  readonly searchLogs: Method<'searchLogs'>;
  /** Files an incident report. Texts must not hold personal data. */
  readonly fileIncidentReport: Method<'fileIncidentReport'>;
  /** Whether an attempt of a verb whose answer was lost may simply be repeated. */
  lost(verb: ApplicationVerb): 'not done' | 'unknown';
}

/** Field of each verb's input that are references to secrets: their values may be handed to the way it is done. */
export const REF_FIELDS: {
  readonly [V in ApplicationVerb]: readonly (keyof ApplicationInput<V> & string)[];
} = {
  health: [],
  errorRate: [],
  redeploy: [],
  reencrypt: ['from', 'to'],
  verifyEncrypted: ['ref'],
  acceptBoth: ['current', 'next'],
  searchLogs: [],
  fileIncidentReport: [],
};

export const APPLICATION_VERBS = Object.keys(applicationSchemas) as readonly ApplicationVerb[];
