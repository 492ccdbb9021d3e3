import type { z } from 'zod';
import type { StepContext } from '../step.js';
import { applicationSchemas, ref } from './schemas.js';

export { applicationSchemas };

export type ApplicationVerb = keyof typeof applicationSchemas;
export type ApplicationInput<V extends ApplicationVerb> = z.output<(typeof applicationSchemas)[V]['input']>;
export type ApplicationOutput<V extends ApplicationVerb> =
  z.output<(typeof applicationSchemas)[V]['output']> extends undefined
    ? void
    : z.output<(typeof applicationSchemas)[V]['output']>;

/** What the way a verb is done needs to know of its step. */
export type ApplicationCall = Pick<StepContext, 'key' | 'stepId' | 'attempt' | 'signal' | 'heartbeat'>;

type Method<V extends ApplicationVerb> = (
  input: ApplicationInput<V>,
  call: ApplicationCall,
) => Promise<ApplicationOutput<V>>;

/** One method for each entry of `applicationSchemas`, where each is described. */
export type ApplicationMethods = { readonly [V in ApplicationVerb]: Method<V> };

/**
 * The application under care. How each verb is done is the user's choice: config/application.yaml.
 * Every method throws ApplicationFailure `NotConfigured` (not retryable; details `[{ instruction }]`: what a
 * person does instead) when the user has not said how.
 */
export interface Application extends ApplicationMethods {
  /** Whether an attempt of a verb whose answer was lost may simply be repeated. */
  lost(verb: ApplicationVerb): 'not done' | 'unknown';
}

export const APPLICATION_VERBS = Object.keys(applicationSchemas) as readonly ApplicationVerb[];

/** Fields of each verb's input that are references to secrets: their values may be handed to the way it is done. */
export const REF_FIELDS = Object.fromEntries(
  APPLICATION_VERBS.map((verb) => [
    verb,
    Object.entries(applicationSchemas[verb].input.shape)
      .filter(([, schema]) => schema === ref)
      .map(([field]) => field),
  ]),
) as Record<string, readonly string[]> as Readonly<Record<ApplicationVerb, readonly string[]>>;
