import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';

/**
 * The addresses behind the id of an audience. They go from here straight to the vendor: a step's input, output,
 * errors and heartbeats name the audience only.
 */
export type AudienceResolver = (audience: string) => Promise<readonly string[]> | readonly string[];

/** The id of a list of people in config/notifications.yaml. */
export const audienceId = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,49}$/,
    'is not the id of an audience in config/notifications.yaml, for example "on-call"',
  );

/**
 * The addresses of an audience, each once.
 * @throws ApplicationFailure `NoAudience` (not retryable) when there is none, or the list can't be read; an
 * ApplicationFailure of the resolver is passed on.
 */
export async function addressesOf(
  resolve: AudienceResolver,
  audience: string,
  kind: 'e-mail address' | 'phone number',
): Promise<readonly string[]> {
  const found = await (async () => await resolve(audience))().catch((error: unknown) => {
    if (error instanceof ApplicationFailure) throw error;
    // The message of an unforeseen error may quote an address.
    throw ApplicationFailure.nonRetryable(
      `The audience "${audience}" could not be read. Check config/notifications.yaml, then retry.`,
      'NoAudience',
    );
  });
  const addresses = [...new Set(found)];
  if (addresses.length > 0) return addresses;
  throw ApplicationFailure.nonRetryable(
    `The audience "${audience}" has no ${kind}. Add one in config/notifications.yaml, then retry.`,
    'NoAudience',
  );
}
