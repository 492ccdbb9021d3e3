import { ApplicationFailure } from '@temporalio/common';
import type { ApplicationInput, ApplicationVerb } from './contract.js';

/** What a person does when nobody has said how a verb is done, and what the person reports back. */
const instructions: { readonly [V in ApplicationVerb]: (input: ApplicationInput<V>) => string } = {
  health: ({ checks }) =>
    `Check that each of these parts of the application works: ${checks.join(', ')}. Use the application as its ` +
    'users do and look at its monitoring. Report "passed" (yes or no) and the names of the failed checks.',
  errorRate: ({ minutes }) =>
    `Look up in the application's monitoring how many requests it served in the last ${minutes} minutes and which ` +
    'part of them failed. Report "requests" and "ratio" (failed divided by all, 0 to 1).',
  redeploy: ({ component }) =>
    `Deploy ${component} again, without a change of its code, so that it reads its configuration anew, and wait ` +
    'until the new deployment serves requests. Report "deployment": the id of the deployment.',
  reencrypt: ({ secret, from, to }) =>
    `Re-encrypt every field that is encrypted with ${secret}: read it with ${from}, write it with ${to}. Make sure ` +
    'that new data is written with the new key before you start, and that a field is replaced only after its new ' +
    'form was read back. Report "fields": how many were re-encrypted.',
  verifyEncrypted: ({ secret, ref }) =>
    `Read every field that is encrypted with ${secret}, with ${ref} only. Report "total" (how many fields there ` +
    'are) and "unreadable" (how many of them could not be read).',
  acceptBoth: ({ secret, current, next }) =>
    `Set up the application so that it accepts webhooks signed with either of two values of ${secret}: ${current} ` +
    `and ${next}. Send one webhook with each and check that both are accepted.`,
  searchLogs: ({ fingerprint, since, until }) =>
    `Search the application's logs from ${since} until ${until} for the use of the key with fingerprint ` +
    `${fingerprint}. Report "matches" (how many lines) and "digest" (SHA-256 of the lines you found, in hex).`,
  fileIncidentReport: ({ title, summary }) =>
    `File an incident report in your incident tracker with the title "${title}" and this text: ${summary} ` +
    'Report "id": the id of the report.',
};

/** The exact text of what a person does by hand for a verb and its input. */
export function byHand<V extends ApplicationVerb>(verb: V, input: ApplicationInput<V>): string {
  return instructions[verb](input);
}

/** The failure that turns a verb without configuration into a manual step. */
export function notConfigured<V extends ApplicationVerb>(
  verb: V,
  input: ApplicationInput<V>,
): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `config/application.yaml does not say how "${verb}" is done here, so a person does it. ` +
      `To automate it, add "${verb}" under "verbs" in that file.`,
    'NotConfigured',
    { instruction: byHand(verb, input) },
  );
}
