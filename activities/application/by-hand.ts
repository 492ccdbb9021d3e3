import { ApplicationFailure } from '@temporalio/common';
import type { ApplicationInput, ApplicationVerb } from './contract.js';

const EVIDENCE: Readonly<Record<ApplicationInput<'collectEvidence'>['kind'], string>> = {
  logs: "the application's logs",
  'database-audit': "the database's audit log",
  'storage-access': 'the access log of the file storage',
};

/** What a person does when nobody has said how a verb is done, and what the person reports back. */
const instructions: { readonly [V in ApplicationVerb]: (input: ApplicationInput<V>) => string } = {
  health: ({ checks, environment = 'production' }) =>
    `Check that each of these parts of the application works in the environment "${environment}": ` +
    `${checks.join(', ')}. Use the application as its ` +
    'users do and look at its monitoring. Report "passed" (yes or no) and "failed" (the names of the failed checks).',
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
  acceptOnly: ({ secret, ref }) =>
    `Set up the application so that it accepts webhooks signed with ${ref} and with no other value of ${secret}. ` +
    'Send one webhook with it, and one with an older value: only the first one may be accepted.',
  searchLogs: ({ fingerprint, since, until }) =>
    `Search the application's logs from ${since} until ${until} for the use of the key with fingerprint ` +
    `${fingerprint}. Report "matches" (how many lines) and "digest" (SHA-256 of the lines you found, in hex).`,
  fileIncidentReport: ({ title, summary }) =>
    `File an incident report in your incident tracker with the title "${title}" and this text: ${summary} ` +
    'Report "id": the id of the report.',
  enableMaintenance: ({ message, until }) =>
    `Switch the application's maintenance mode on, expected to last until ${until}, with this message to users: ` +
    `"${message}" Open the application as a user does: the message must be shown.`,
  disableMaintenance: () =>
    "Switch the application's maintenance mode off. Open the application as a user does: it must work again.",
  maintenanceState: () =>
    'Open the application as a user does and see whether it shows its maintenance message. Report "on" (yes or no).',
  stopTraffic: ({ reason }) =>
    `Stop all traffic to the application (reason: ${reason}): requests of users, webhooks and background jobs. ` +
    'Check in its log that it gets no more requests.',
  resumeTraffic: () =>
    'Let requests of users, webhooks and background jobs reach the application again. Check in its log that it ' +
    'gets requests and answers them.',
  freezeWrites: ({ reason }) =>
    `Make the application read-only (reason: ${reason}). Try to change something as a user does: it must be ` +
    'refused, and reading must still work.',
  unfreezeWrites: () =>
    "End the application's read-only mode. Change something as a user does: it must be accepted.",
  isolate: ({ component }) =>
    `Cut ${component} off from users, from the internet and from the other parts of the application. Do not stop ` +
    'or delete it: what is in its memory and on its disk is evidence. Report "isolation": the id of the rule or ' +
    'setting that isolates it, so that it can be lifted.',
  liftIsolation: ({ component }) =>
    `Connect ${component} with users and the other parts of the application again: remove the rule or setting that ` +
    'isolates it. Check that it answers.',
  breachCheck: ({ since, until }) =>
    `Look for signs that data left the application from ${since} until ${until}: unusual exports, large answers, ` +
    'new access keys, access from unusual places. Report "suspected" (yes or no), "findings" (how many) and ' +
    '"digest" (SHA-256, in hex, of the list of what you found).',
  enhanceMonitoring: () =>
    "Switch the application's monitoring to its closest level: log every sign-in and every access to data, and " +
    'alert at once. Note what you change, so that it can be taken back.',
  restoreMonitoring: () => "Take the changes to the application's monitoring back: logs and alerts as usual.",
  collectEvidence: ({ kind, since, until }) =>
    `Copy ${EVIDENCE[kind]} from ${since} until ${until} into one file, to a place where nobody can change ` +
    'it. Report "location" (where the file is), "sha256" (SHA-256 of the file, in hex) and "entries" (how many it holds).',
  analyzeAccess: ({ since, until }) =>
    `Go through the access to the application from ${since} until ${until}: sign-ins from new places, many failed ` +
    'sign-ins, reading far more than usual. Report "suspicious" (how many accesses), "accounts" (how many accounts ' +
    'they belong to) and "digest" (SHA-256, in hex, of the list of what you found). Name nobody in the report.',
  recentChanges: ({ since }) =>
    `Look up what was deployed and which settings were changed since ${since}. Report "changes" (how many) and ` +
    '"newest" (the id of the last one, or nothing when there was none).',
  currentRelease: () =>
    'Look up which deployment serves production and how many database migrations are applied. Report "deployment" ' +
    '(its id, or nothing when it has none) and "migrations" (how many).',
  runMigrations: () =>
    'Apply every database migration of the application that is not applied yet, in order. Report "applied": how many.',
  rollBackMigrations: ({ count }) =>
    `Take back the last ${count} database migrations of the application, newest first. Check with the application's ` +
    'migration tool which one is the last now.',
  deployUpdate: ({ version }) =>
    `Deploy version ${version} of the application to production and wait until it serves requests. Report ` +
    '"deployment" (the id of the new deployment) and "previous" (the id of the one that served before, if any).',
  rollBackDeployment: ({ deployment }) =>
    `Make the deployment ${deployment} serve production again and wait until it does.`,
  deployEnvironment: ({ environment }) =>
    `Deploy the version of the application that serves production to the environment "${environment}" and wait ` +
    'until it answers there. Users must not reach it yet. Report "deployment": the id of the deployment.',
  removeEnvironment: ({ environment }) =>
    `Make sure that no users are served by the environment "${environment}", then remove the application from it. ` +
    'Keep its data.',
  notifyUsers: ({ audience, subject, message }) =>
    `Send ${audience === 'all' ? 'all users' : 'the affected users'} of the application a message with the subject ` +
    `"${subject}" and this text: ${message} Report "recipients": how many people it was sent to.`,
  scaleUp: ({ component }) =>
    `Give ${component} more resources, one step more than it has: more instances or a larger one. Check that it ` +
    'has them.',
  setFeatureFlag: ({ flag, enabled }) =>
    `Look up whether the feature flag ${flag} is on, then set it to ${enabled ? 'on' : 'off'}. Report "before" ` +
    '(yes when it was on).',
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
