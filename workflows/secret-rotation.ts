import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Deployment, Secret } from '../config/secrets.js';
import { runbook, type Run } from './engine/runbook.js';
import type { Plan, PlanSection } from './engine/types.js';

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
/** A revoked key may be accepted for a moment by caches of the vendor. */
const REVOCATION_SPREADS_WITHIN = '1 minute';
const REVOCATION_LOOKS = 5;
/** How far back uses of a leaked key are searched for; no document names a span. */
const LOOK_BACK_DAYS = 30;
const DAY_MS = 86_400_000;

const REPORT_CHANNEL = 'operations';

interface Config {
  readonly secret: Secret;
}
type Provider = Secret['provider'];
type SecretRun = Run<Config>;

/** A stored version of the secret that is rotated. */
interface Key {
  readonly ref: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly keyId: string | null;
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
    config: ({ secret }) => ({ secret: `secrets/${secret}` }),
    plan: ({ mode }, { secret }: Config) =>
      mode === 'emergency' ? emergencyPlan(secret) : scheduledPlan(secret),
    rehearsals: [
      {
        name: 'OpenAI key, scheduled',
        input: { secret: 'openai/api-key', mode: 'scheduled', reason: 'Quarterly rotation' },
        answers: {
          'revoke-old-key': {
            by: 'Grace',
            after: '20 minutes',
            verdict: 'approve',
            reason: 'Checks are green',
          },
        },
      },
      {
        name: 'OpenAI key, leaked',
        input: { secret: 'openai/api-key', mode: 'emergency', reason: 'Found in a public repository' },
        world: { logMatches: 3 },
        answers: {
          review: { by: 'Grace', after: '2 hours', verdict: 'approve', reason: 'Nothing left to do' },
        },
      },
      {
        name: 'Errors rise and the old key is put back',
        input: { secret: 'openai/api-key', reason: 'Quarterly rotation' },
        world: { errorRates: [0.001, 0.002, 0.04] },
        answers: {
          'revoke-old-key': { by: 'Margaret', verdict: 'approve' },
          'go-on-despite-errors': {
            by: 'Grace',
            after: '10 minutes',
            verdict: 'decline',
            reason: 'Embeddings fail',
          },
        },
        ends: 'rejected',
      },
      {
        name: 'Errors rise for another reason',
        input: { secret: 'resend/api-key', reason: 'Rotation after 90 days' },
        world: { errorRates: [0.001, 0.03, 0.002] },
        answers: {
          'revoke-old-key': { by: 'Grace', verdict: 'approve' },
          'go-on-despite-errors': { by: 'Grace', verdict: 'approve', reason: 'A deployment of another team' },
        },
      },
      {
        name: 'A check fails with the new key',
        input: { secret: 'resend/api-key', reason: 'Rotation after 90 days' },
        world: { failingChecks: [[], ['email'], []] },
        answers: {
          'go-on-despite-checks': {
            by: 'Grace',
            verdict: 'approve',
            reason: 'Known failure of the check itself',
          },
          'revoke-old-key': { by: 'Grace', verdict: 'approve' },
        },
      },
      {
        name: 'Nobody decides on the revocation',
        input: { secret: 'resend/api-key', reason: 'Rotation after 90 days' },
        answers: { 'revoke-old-key': 'nobody' },
        ends: 'rejected',
      },
      {
        name: 'Resend key, leaked',
        input: { secret: 'resend/api-key', mode: 'emergency', reason: 'Seen in a log that left the company' },
        answers: { review: { by: 'Grace', verdict: 'approve', reason: 'Closed' } },
      },
      {
        name: 'Supabase service role key',
        input: { secret: 'supabase/service-role-key', reason: 'Rotation after 90 days' },
        answers: { 'revoke-old-key': { by: 'Grace', verdict: 'approve' } },
      },
      {
        name: 'Supabase service role key, revocation declined',
        input: { secret: 'supabase/service-role-key', reason: 'Rotation after 90 days' },
        answers: { 'revoke-old-key': { by: 'Grace', verdict: 'decline', reason: 'A release is under way' } },
        ends: 'rejected',
      },
      {
        name: 'Supabase service role key, leaked',
        input: { secret: 'supabase/service-role-key', mode: 'emergency', reason: 'Seen in a browser bundle' },
        answers: { review: { by: 'Grace', verdict: 'decline', reason: 'The report names no affected rows' } },
      },
      {
        name: 'Key of which the id is not known',
        input: { secret: 'openai/api-key', reason: 'First rotation of a key made by hand' },
        world: { withoutKeyId: ['openai/api-key'] },
        answers: {
          'revoke-old-key': { by: 'Grace', verdict: 'approve' },
          'revoke-by-hand': {
            by: 'Ada',
            choice: 'done',
            evidence: 'Deleted on the API keys page',
            revokes: 'openai/api-key',
          },
        },
      },
      {
        name: 'Provider goes on accepting the old key',
        input: { secret: 'openai/api-key', reason: 'Quarterly rotation' },
        world: { neverRefused: ['openai/api-key'] },
        answers: {
          'revoke-old-key': { by: 'Grace', verdict: 'approve' },
          'end-old-key': {
            by: 'Ada',
            choice: 'done',
            evidence: 'Ticket with the vendor, key confirmed dead',
          },
        },
      },
      {
        name: 'Stripe key',
        input: { secret: 'stripe/secret-key', reason: 'Quarterly rotation' },
        answers: {
          'create-by-hand': {
            by: 'Ada',
            after: '15 minutes',
            choice: 'done',
            evidence: 'Created',
            handsIn: 'stripe/secret-key',
          },
          'revoke-old-key': { by: 'Grace', verdict: 'approve' },
          'revoke-by-hand': { by: 'Ada', choice: 'done', evidence: 'Expired', revokes: 'stripe/secret-key' },
        },
      },
      {
        name: 'Stripe key, leaked',
        input: { secret: 'stripe/secret-key', mode: 'emergency', reason: 'Found in a support ticket' },
        answers: {
          'revoke-by-hand': { by: 'Ada', choice: 'done', evidence: 'Expired', revokes: 'stripe/secret-key' },
          'create-by-hand': { by: 'Ada', choice: 'done', evidence: 'Created', handsIn: 'stripe/secret-key' },
          review: { by: 'Grace', verdict: 'approve', reason: 'Closed' },
        },
      },
      {
        name: 'Stripe webhook signing secret',
        input: { secret: 'stripe/webhook-secret', reason: 'Together with the Stripe key' },
        answers: { 'revoke-old-key': { by: 'Grace', verdict: 'approve' } },
      },
      {
        name: 'Webhooks fail with the new signing secret',
        input: { secret: 'stripe/webhook-secret', reason: 'Together with the Stripe key' },
        world: { failedDeliveries: 2 },
        answers: {
          'revoke-old-key': { by: 'Grace', verdict: 'approve' },
          'go-on-despite-errors': {
            by: 'Grace',
            verdict: 'decline',
            reason: 'Invoices are not marked as paid',
          },
        },
        ends: 'rejected',
      },
      {
        name: 'Stripe webhook signing secret, leaked',
        input: { secret: 'stripe/webhook-secret', mode: 'emergency', reason: 'Found in a public gist' },
        answers: { review: { by: 'Grace', verdict: 'approve', reason: 'Closed' } },
      },
      {
        name: 'Gemini key by hand',
        input: { secret: 'google/ai-api-key', reason: 'On demand, no incident' },
        answers: {
          'create-by-hand': { by: 'Ada', choice: 'done', evidence: 'Created', handsIn: 'google/ai-api-key' },
          'revoke-old-key': { by: 'Grace', verdict: 'approve' },
          'revoke-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'google/ai-api-key' },
        },
      },
      {
        name: 'Gemini key by hand, leaked',
        input: { secret: 'google/ai-api-key', mode: 'emergency', reason: 'Posted in a chat' },
        answers: {
          'revoke-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'google/ai-api-key' },
          'create-by-hand': { by: 'Ada', choice: 'done', evidence: 'Created', handsIn: 'google/ai-api-key' },
          review: { by: 'Grace', verdict: 'approve', reason: 'Closed' },
        },
      },
      {
        name: 'Database encryption key',
        input: { secret: 'database/encryption-key', reason: 'Quarterly rotation' },
        answers: { 'revoke-old-key': { by: 'Grace', verdict: 'approve' } },
      },
      {
        name: 'Keyring token, leaked',
        input: { secret: 'keyring/token', mode: 'emergency', reason: 'Seen in a crash report' },
        answers: { review: { by: 'Grace', verdict: 'approve', reason: 'Closed' } },
      },
      {
        name: 'Fields that the new key can not read',
        input: { secret: 'keyring/token', reason: 'Rotation after 180 days' },
        world: { unreadableFields: 2 },
        answers: {},
        ends: 'failed',
      },
    ],
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
  const created = await createKey(run, old);

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
  const created = await createKey(run, old);
  run.keep();
  await putEverywhere(run, created, old);
  if (encrypts) await revokeKey(run, old);
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

async function createKey(run: SecretRun, old: Key): Promise<Key> {
  const { openai, resend, supabase, stripe, vault, application } = run.steps;
  const { id: secret, provider } = run.config.secret;
  const discard = 'delete the new key';
  switch (provider.kind) {
    case 'openai':
      run.undo('openai.discardKey', discard, () =>
        openai.discardKey({ secret, project: provider.project, step: 'openai.createKey#1' }),
      );
      return await openai.createKey({ secret, project: provider.project });
    case 'resend':
      run.undo('resend.discardKey', discard, () => resend.discardKey({ secret, step: 'resend.createKey#1' }));
      return await resend.createKey({ secret, permission: provider.permission });
    case 'supabase':
      run.undo('supabase.discardKey', discard, () =>
        supabase.discardKey({ secret, project: provider.project, step: 'supabase.createKey#1' }),
      );
      return await supabase.createKey({ secret, project: provider.project });
    case 'stripe-webhook': {
      run.undo('stripe.discardWebhookEndpoint', 'delete the new endpoint', () =>
        stripe.discardWebhookEndpoint({ secret, step: 'stripe.createWebhookEndpoint#1' }),
      );
      const created = await stripe.createWebhookEndpoint({
        secret,
        url: provider.url,
        events: [...provider.events],
      });
      await application.acceptBoth({ secret, current: old.ref, next: created.ref });
      return created;
    }
    case 'generated': {
      // The old key is backed up before it can be lost: without it nothing that it encrypted can ever be read.
      await vault.backup({ secret, ref: old.ref });
      const generated = { ...(await vault.generate({ secret, bytes: provider.bytes })), keyId: null };
      await application.acceptBoth({ secret, current: old.ref, next: generated.ref });
      run.undo('application.reencrypt', 're-encrypt with the old key', () =>
        application.reencrypt({ secret, from: generated.ref, to: old.ref }),
      );
      await application.reencrypt({ secret, from: old.ref, to: generated.ref });
      await verifyEverythingReadable(run, generated);
      return generated;
    }
    case 'stripe-key':
    case 'manual':
      return await createByHand(run, old, provider.create);
    default:
      return provider satisfies never;
  }
}

/** A person creates the key; that it is another one is checked by its fingerprint. */
async function createByHand(run: SecretRun, old: Key, instruction: string): Promise<Key> {
  const secret = run.config.secret.id;
  for (;;) {
    await run.manual('create-by-hand', { instruction });
    const { ref, version, fingerprint } = await run.steps.vault.newest({ secret, after: old.version });
    if (ref !== null && version !== null && fingerprint !== null && fingerprint !== old.fingerprint) {
      return { ref, version, fingerprint, keyId: null };
    }
  }
}

async function verifyEverythingReadable(run: SecretRun, key: Key): Promise<void> {
  const { total, unreadable } = await run.steps.application.verifyEncrypted({
    secret: run.config.secret.id,
    ref: key.ref,
  });
  if (unreadable === 0) return;
  throw ApplicationFailure.nonRetryable(
    `${unreadable} of ${total} encrypted fields can't be read with the new key. They are re-encrypted with the old one.`,
    'FieldsUnreadable',
  );
}

/** Puts a key into every place that uses the secret, and makes the application read it. */
async function putEverywhere(run: SecretRun, key: Key, other: Key): Promise<void> {
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
  if (acceptsTwo(provider)) await application.acceptBoth({ secret, current: key.ref, next: other.ref });
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

async function revokeKey(run: SecretRun, key: Key): Promise<void> {
  const { openai, resend, supabase, stripe, vault } = run.steps;
  const { id: secret, provider, title } = run.config.secret;
  const byHand = (instruction: string) =>
    run.manual('revoke-by-hand', { instruction: `${instruction} Its fingerprint is ${key.fingerprint}.` });
  const unknownId = `Revoke the old ${title} at its provider: its id there is not known.`;
  switch (provider.kind) {
    case 'openai':
      if (key.keyId === null) await byHand(unknownId);
      else await openai.deleteKey({ project: provider.project, keyId: key.keyId });
      break;
    case 'resend':
      if (key.keyId === null) await byHand(unknownId);
      else await resend.deleteKey({ keyId: key.keyId });
      break;
    case 'supabase':
      if (key.keyId === null) await byHand(unknownId);
      else await supabase.deleteKey({ project: provider.project, keyId: key.keyId });
      break;
    case 'stripe-webhook':
      if (key.keyId === null) await byHand(unknownId);
      else await stripe.deleteWebhookEndpoint({ endpointId: key.keyId });
      break;
    case 'stripe-key':
    case 'manual':
      await byHand(provider.revoke);
      break;
    case 'generated':
      break;
    default:
      provider satisfies never;
  }
  await vault.revoke({ secret, ref: key.ref });
}

/** Whether the provider accepts a key; null where no provider can be asked. */
async function isAccepted(run: SecretRun, key: Key): Promise<boolean | null> {
  const { openai, resend, supabase, stripe } = run.steps;
  const { provider } = run.config.secret;
  switch (provider.kind) {
    case 'openai':
      return (await openai.verifyKey({ ref: key.ref })).accepted;
    case 'resend':
      return (await resend.verifyKey({ ref: key.ref, permission: provider.permission })).accepted;
    case 'supabase':
      return (await supabase.verifyKey({ project: provider.project, ref: key.ref })).accepted;
    case 'stripe-key':
      return (await stripe.verifyKey({ ref: key.ref })).accepted;
    case 'stripe-webhook':
    case 'generated':
    case 'manual':
      return null;
    default:
      return provider satisfies never;
  }
}

async function verifyAccepted(run: SecretRun, key: Key): Promise<void> {
  if ((await isAccepted(run, key)) !== false) return;
  throw ApplicationFailure.nonRetryable(
    `The provider does not accept the new ${run.config.secret.title} (${key.fingerprint}).`,
    'NewKeyRefused',
  );
}

/** The proof that the old key is dead, also when a person revoked it. */
async function verifyRefused(run: SecretRun, key: Key): Promise<void> {
  for (let look = 1; look <= REVOCATION_LOOKS; look += 1) {
    if ((await isAccepted(run, key)) !== true) return;
    await run.wait('revocation-spreads', REVOCATION_SPREADS_WITHIN, 'the provider still accepts the old key');
  }
  await run.manual('end-old-key', {
    instruction:
      `The provider still accepts the old ${run.config.secret.title} (${key.fingerprint}). Revoke it in its console, ` +
      'and check there that it is gone.',
  });
}

/** 004_7a3def0868c62bab.txt 506. */
async function searchUses(run: SecretRun, old: Key): Promise<string> {
  const { openai, supabase, application } = run.steps;
  const { provider } = run.config.secret;
  const until = run.now().toISOString();
  const since = new Date(run.now().getTime() - LOOK_BACK_DAYS * DAY_MS).toISOString();
  const found = await application.searchLogs({ fingerprint: old.fingerprint, since, until });
  const ours = `Application logs since ${since}: ${found.matches} uses (digest ${found.digest}).`;
  switch (provider.kind) {
    case 'openai': {
      const { events, actors, digest } = await openai.searchAuditLogs({
        project: provider.project,
        since,
        until,
      });
      return `${ours} OpenAI audit log: ${events} events by ${actors} actors (digest ${digest}).`;
    }
    case 'supabase': {
      const { events, digest } = await supabase.searchLogs({ project: provider.project, since, until });
      return `${ours} Supabase logs: ${events} events (digest ${digest}).`;
    }
    case 'resend':
    case 'stripe-key':
    case 'stripe-webhook':
    case 'generated':
    case 'manual':
      return ours;
    default:
      return provider satisfies never;
  }
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

/** Whether the application takes the old and the new value side by side during the overlap. */
function acceptsTwo({ kind }: Provider): boolean {
  return kind === 'stripe-webhook' || kind === 'generated';
}

function scheduledPlan(secret: Secret): Plan {
  return [
    {
      heading: 'Look before touching anything',
      uses: ['vault.describe', 'application.health', 'go-on-despite-checks'],
    },
    {
      heading: 'Generate a new key; the old one stays valid',
      source: '004_7a3def0868c62bab.txt 482-484',
      uses: [...creating(secret), ...discarding(secret)],
    },
    {
      heading: 'Update every place that uses it, and redeploy',
      source: '002_c9cf85ce92b0c6c9.txt 38-39, 004_7a3def0868c62bab.txt 486-488',
      uses: updating(secret),
    },
    {
      heading: 'Validate',
      source: '004_7a3def0868c62bab.txt 490-492',
      uses: [
        ...verifying(secret),
        ...(secret.provider.kind === 'stripe-key' ? ['stripe.testPayment'] : []),
        'application.health',
        'go-on-despite-checks',
      ],
    },
    { heading: 'Ask before the old key is revoked', uses: ['revoke-old-key'] },
    {
      heading: 'Wait 24 hours with both keys valid, and watch for errors',
      source: '002_c9cf85ce92b0c6c9.txt 40, 004_7a3def0868c62bab.txt 495',
      uses: [
        'overlap',
        'application.errorRate',
        'go-on-despite-errors',
        ...(secret.provider.kind.startsWith('stripe') ? ['stripe.failedDeliveries'] : []),
      ],
    },
    { heading: 'Revoke the old key', source: '004_7a3def0868c62bab.txt 496', uses: revoking(secret) },
    {
      heading: 'The old key is refused, the new one works',
      uses: [...refusing(secret), 'application.health', 'go-on-despite-checks'],
    },
    { heading: 'Report', uses: ['slack.post'] },
  ];
}

function emergencyPlan(secret: Secret): Plan {
  const encrypts = secret.provider.kind === 'generated';
  const revoke: PlanSection = {
    heading: encrypts
      ? 'Retire the compromised key once nothing needs it'
      : 'Revoke the compromised secret at once',
    source: '004_7a3def0868c62bab.txt 502',
    uses: ['vault.describe', ...revoking(secret), ...refusing(secret)],
  };
  return [
    ...(encrypts ? [] : [revoke]),
    {
      heading: 'Generate a new one',
      source: '004_7a3def0868c62bab.txt 503',
      uses: [...creating(secret), ...discarding(secret)],
    },
    {
      heading: 'Update every place and redeploy',
      source: '004_7a3def0868c62bab.txt 504-505',
      uses: updating(secret),
    },
    ...(encrypts ? [revoke] : []),
    {
      heading: 'Check that everything works',
      uses: [...verifying(secret), 'application.health', 'go-on-despite-checks'],
    },
    {
      heading: 'Search the logs for uses of the old key',
      source: '004_7a3def0868c62bab.txt 506',
      uses: ['application.searchLogs', ...searching(secret)],
    },
    {
      heading: 'File the incident report',
      source: '004_7a3def0868c62bab.txt 507',
      uses: ['application.fileIncidentReport'],
    },
    { heading: 'Review, after the fact', uses: ['review', 'slack.post'] },
  ];
}

const CREATING: { readonly [K in Provider['kind']]: readonly string[] } = {
  openai: ['openai.createKey'],
  resend: ['resend.createKey'],
  supabase: ['supabase.createKey'],
  'stripe-webhook': ['stripe.createWebhookEndpoint', 'application.acceptBoth'],
  'stripe-key': ['create-by-hand', 'vault.newest'],
  manual: ['create-by-hand', 'vault.newest'],
  generated: [
    'vault.backup',
    'vault.generate',
    'application.acceptBoth',
    'application.reencrypt',
    'application.verifyEncrypted',
  ],
};
const DISCARDING: { readonly [K in Provider['kind']]: readonly string[] } = {
  openai: ['openai.discardKey'],
  resend: ['resend.discardKey'],
  supabase: ['supabase.discardKey'],
  'stripe-webhook': ['stripe.discardWebhookEndpoint'],
  'stripe-key': [],
  manual: [],
  generated: [],
};
const REVOKING: { readonly [K in Provider['kind']]: readonly string[] } = {
  openai: ['openai.deleteKey', 'revoke-by-hand'],
  resend: ['resend.deleteKey', 'revoke-by-hand'],
  supabase: ['supabase.deleteKey', 'revoke-by-hand'],
  'stripe-webhook': ['stripe.deleteWebhookEndpoint', 'revoke-by-hand'],
  'stripe-key': ['revoke-by-hand'],
  manual: ['revoke-by-hand'],
  generated: [],
};
const VERIFYING: { readonly [K in Provider['kind']]: readonly string[] } = {
  openai: ['openai.verifyKey'],
  resend: ['resend.verifyKey'],
  supabase: ['supabase.verifyKey'],
  'stripe-key': ['stripe.verifyKey'],
  'stripe-webhook': [],
  manual: [],
  generated: [],
};

const creating = ({ provider }: Secret) => CREATING[provider.kind];
const discarding = ({ provider }: Secret) => DISCARDING[provider.kind];
const revoking = ({ provider }: Secret) => [...REVOKING[provider.kind], 'vault.revoke'];
const verifying = ({ provider }: Secret) => VERIFYING[provider.kind];
const refusing = (secret: Secret) =>
  verifying(secret).length === 0 ? [] : [...verifying(secret), 'revocation-spreads', 'end-old-key'];
const searching = ({ provider }: Secret) =>
  provider.kind === 'openai'
    ? ['openai.searchAuditLogs']
    : provider.kind === 'supabase'
      ? ['supabase.searchLogs']
      : [];

function updating({ deployedTo, components }: Secret): string[] {
  const places: { readonly [S in Deployment['system']]: readonly string[] } = {
    netlify: ['netlify.setVariable', 'netlify.deploy'],
    supabase: ['supabase.setSecret'],
  };
  const used = new Set(deployedTo.flatMap(({ system }) => places[system]));
  return [...used, 'vault.promote', ...(components.length > 0 ? ['application.redeploy'] : [])];
}
