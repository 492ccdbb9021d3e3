import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Secret } from '../config/secrets.js';
import { runbook } from './engine/runbook.js';
import {
  acceptOnly,
  acceptsTwo,
  createKey,
  revokeKey,
  searchUses,
  verifyAccepted,
  verifyRefused,
  type Key,
  type SecretRun,
} from './parts/keys.js';
import { emergencyPlan, scheduledPlan } from './parts/rotation-plan.js';
import { rehearsals } from './rehearsals/secret-rotation.js';

/** 002_c9cf85ce92b0c6c9.txt 40 and 48, 004_7a3def0868c62bab.txt 495: 24 hours after the validation. */
const OVERLAP = '24 hours';
/** How often the monitor looks during the overlap; the documents only say "monitor". */
const LOOK_EVERY = '30 minutes';
const LOOK_EVERY_MINUTES = 30;
/** 002_c9cf85ce92b0c6c9.txt 68: an error rate above 1 % is a warning. */
const ERROR_RATE = 0.01;
/** Time to decide; no document names one. Nobody deciding puts the old key back. */
const DECIDE_WITHIN = '8 hours';
const DECIDE_ON_ERRORS_WITHIN = '1 hour';
/** 004_7a3def0868c62bab.txt 558: the security team is reached within 15 minutes; its review may take a day. */
const REVIEW_WITHIN = '24 hours';
const REPORT_CHANNEL = 'operations';

interface Config {
  readonly secret: Secret;
}

/**
 * Replaces a secret at its provider and in every place that uses it, with an overlap in which both work; or, when it
 * leaked, revokes it first. Follows 002_c9cf85ce92b0c6c9.txt 34-56 and 004_7a3def0868c62bab.txt 480-508.
 */
export const secretRotation = runbook(
  {
    name: 'secretRotation',
    title: 'Rotate a secret',
    summary:
      'Creates a new key, puts it into every place that uses the old one, waits 24 hours with both valid, and ' +
      'revokes the old one. In an emergency the old one is revoked first.',
    covers: ['A-062', 'A-063', 'A-064', 'A-065', 'A-066'],
    corrections: [
      '002_c9cf85ce92b0c6c9.txt 52-54 backs up the old encryption key after the rotation; here it is backed up before.',
      '002_c9cf85ce92b0c6c9.txt 44-47 changes the webhook secret before the deployment; here the application accepts both meanwhile.',
      '004_7a3def0868c62bab.txt 473 rotates KEYRING_TOKEN like a key; here what it encrypts is re-encrypted.',
      '002_c9cf85ce92b0c6c9.txt 44-48 never takes the old webhook secret out of the application; here it is refused at the end.',
      '004_7a3def0868c62bab.txt 502 revokes first; a key that data is encrypted with is retired only after the re-encryption.',
    ],
    input: z.object({
      secret: z
        .string()
        .min(1)
        .max(100)
        .meta({
          title: 'Secret',
          description: 'Its id in config/secrets.yaml',
          examples: ['openai/api-key'],
          options: 'secrets',
        }),
      mode: z
        .enum(['scheduled', 'emergency'])
        .default('scheduled')
        .meta({
          title: 'Mode',
          description: 'emergency: it leaked, and is revoked before anything else',
          examples: ['scheduled'],
        }),
      reason: z
        .string()
        .min(10)
        .max(500)
        .meta({
          title: 'Reason',
          description: 'Why it is rotated now; no personal data',
          examples: ['Quarterly rotation'],
        }),
    }),
    start: 'operators',
    // Two rotations of one secret would each take the other's new key for the old one.
    lock: ({ secret }) => `secret/${secret}`,
    config: ({ secret }) => ({ secret: `secrets/${secret}` }),
    plan: ({ mode }, { secret }: Config) =>
      mode === 'emergency' ? emergencyPlan(secret) : scheduledPlan(secret),
    rehearsals,
  },
  async ({ mode, reason }, run: SecretRun) =>
    mode === 'emergency' ? await rotateAtOnce(run, reason) : await rotateWithOverlap(run),
);

/** Scheduled: 004_7a3def0868c62bab.txt 480-496. */
async function rotateWithOverlap(run: SecretRun) {
  const { vault } = run.steps;
  const { secret } = run.config;

  // 1. Look before touching anything.
  const old = await vault.describe({ secret: secret.id });
  await checkHealth(run, 'before anything changed');

  // 2. Generate a new key; the old one stays valid.
  const created = await createKey(run, old, false);

  // 3. Update every place that uses it.
  run.undo('vault.promote', 'put the old key back everywhere', () => putEverywhere(run, old, created));
  await putEverywhere(run, created, old);

  // 4. Validate: the affected functionality works with the new key.
  await validate(run, created);

  // 5. Ask before the old key is revoked.
  await run.approve('revoke-old-key', {
    question: `Both keys of ${secret.title} are valid and the checks passed. Revoke the old one after ${OVERLAP}?`,
    group: 'approvers',
    within: DECIDE_WITHIN,
  });

  // 6. Wait, and watch.
  const startedAt = run.now();
  let accepted = ERROR_RATE;
  await run.wait('overlap', OVERLAP, 'both keys are valid', {
    every: LOOK_EVERY,
    look: async () => {
      accepted = await lookForErrors(run, startedAt, accepted);
    },
  });

  // 7. Revoke the old key. From here on there is no way back.
  run.keep();
  await revokeKey(run, old);
  await acceptOnly(run, created);

  // 8. The old key is refused, the new one works.
  await verifyRefused(run, old);
  await verifyAccepted(run, created);
  await checkHealth(run, 'after the old key was revoked');

  // 9. Report.
  return await report(run, old, created);
}

/** Emergency: 004_7a3def0868c62bab.txt 498-508. No gate before the revocation; people review afterwards. */
async function rotateAtOnce(run: SecretRun, reason: string) {
  const { vault, application } = run.steps;
  const { secret } = run.config;
  const encrypts = secret.provider.kind === 'generated';

  // 1. Revoke the compromised secret. Data that is encrypted with it must be re-encrypted first.
  const old = await vault.describe({ secret: secret.id });
  const outageFrom = run.now();
  if (!encrypts) {
    await revokeKey(run, old);
    await verifyRefused(run, old);
  }

  // 2. Generate a new one. 3. Update every place. 4. Redeploy.
  const created = await createKey(run, old, true);
  run.keep();
  // A signing secret is refused by nobody but the application: whoever has the old one could go on forging webhooks.
  if (!encrypts) await acceptOnly(run, created);
  await putEverywhere(run, created, encrypts ? old : null);
  if (encrypts) {
    await revokeKey(run, old);
    await acceptOnly(run, created);
  }
  await verifyAccepted(run, created);
  await checkHealth(run, 'with the new key');
  const outageTo = run.now();

  // 5. Search the logs for uses of the old key.
  const uses = await searchUses(run, old);

  // 6. File the incident report.
  const incident = await application.fileIncidentReport({
    title: `${secret.title} was compromised and replaced`,
    summary:
      `Reason given: ${reason}. Old key ${old.fingerprint} revoked, new key ${created.fingerprint}. ` +
      `Not usable from ${outageFrom.toISOString()} to ${outageTo.toISOString()}. ${uses}`,
  });

  // 7. Review, after the fact.
  const review = await run.review('review', {
    question: `${secret.title} was replaced in an emergency (report ${incident.id}). Is everything done that must be?`,
    group: 'security',
    within: REVIEW_WITHIN,
  });
  return { ...(await report(run, old, created)), incident: incident.id, review: review.verdict };
}

/** Puts a key into every place that uses the secret, and makes the application read it; `other` stays accepted. */
async function putEverywhere(run: SecretRun, key: Key, other: Key | null): Promise<void> {
  const { netlify, supabase, vault, application } = run.steps;
  const { id: secret, variable, deployedTo, components, provider } = run.config.secret;
  for (const place of deployedTo) {
    switch (place.system) {
      case 'netlify': {
        const { account, site, context } = place;
        await netlify.setVariable({ account, site, variable, ref: key.ref, context });
        break;
      }
      case 'supabase':
        await supabase.setSecret({ project: place.project, variable, ref: key.ref });
        break;
      default:
        place satisfies never;
    }
  }
  await vault.promote({ secret, ref: key.ref });
  if (other !== null && acceptsTwo(provider))
    await application.acceptBoth({ secret, current: key.ref, next: other.ref });
  for (const place of deployedTo) if (place.system === 'netlify') await netlify.deploy({ site: place.site });
  for (const component of components) await application.redeploy({ component });
}

/** 002_c9cf85ce92b0c6c9.txt 39 and 46, 004_7a3def0868c62bab.txt 490-492. */
async function validate(run: SecretRun, key: Key): Promise<void> {
  const { provider } = run.config.secret;
  await verifyAccepted(run, key);
  if (provider.kind === 'stripe-key') {
    const test = await run.steps.vault.describe({ secret: provider.testKey });
    const { status } = await run.steps.stripe.testPayment({ ref: test.ref });
    if (status !== 'succeeded') {
      throw ApplicationFailure.nonRetryable(
        `The test payment in staging ended as "${status}".`,
        'TestPaymentFailed',
      );
    }
  }
  await checkHealth(run, 'with the new key');
}

/** Runs the checks that prove the affected functionality; when one fails, people decide. */
async function checkHealth(run: SecretRun, when: string): Promise<void> {
  const { checks, title } = run.config.secret;
  const { passed, failed } = await run.steps.application.health({ checks: [...checks] });
  if (passed) return;
  await run.approve('go-on-despite-checks', {
    question: `${title}: ${failed.join(', ')} failed ${when}. Go on all the same?`,
    group: 'approvers',
    within: DECIDE_ON_ERRORS_WITHIN,
  });
}

/** One look of the monitor. Returns the error rate up to which nobody is asked again. */
async function lookForErrors(run: SecretRun, since: Date, accepted: number): Promise<number> {
  const { application, stripe } = run.steps;
  const { title, provider } = run.config.secret;
  const { ratio } = await application.errorRate({ minutes: LOOK_EVERY_MINUTES });
  const isStripe = provider.kind === 'stripe-key' || provider.kind === 'stripe-webhook';
  const { events } = isStripe ? await stripe.failedDeliveries({ since: since.toISOString() }) : { events: 0 };
  if (ratio <= accepted && events === 0) return accepted;
  const undelivered = events === 0 ? '' : ` and ${events} events could not be delivered`;
  await run.approve('go-on-despite-errors', {
    question: `${title}: ${(ratio * 100).toFixed(1)} % of requests fail${undelivered}. Go on with the new key? Declining puts the old one back.`,
    group: 'approvers',
    within: DECIDE_ON_ERRORS_WITHIN,
  });
  return Math.max(ratio, accepted);
}

async function report(run: SecretRun, old: Key, created: Key) {
  const { title, id } = run.config.secret;
  const rotatedAt = run.now().toISOString();
  await run.steps.slack.post({
    channel: REPORT_CHANNEL,
    text: `${title}: the old key (${old.fingerprint}) is revoked, the new one (${created.fingerprint}) is in use. Run ${run.id}.`,
  });
  return {
    secret: id,
    oldFingerprint: old.fingerprint,
    newFingerprint: created.fingerprint,
    ref: created.ref,
    rotatedAt,
  };
}
