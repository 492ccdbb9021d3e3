import type { Rehearsal } from '../engine/types.js';

interface Input {
  readonly secret: string;
  readonly mode?: 'scheduled' | 'emergency';
  readonly reason: string;
}

/** One rotation of each kind of secret in each mode, and what people may decide on the way. */
export const rehearsals: readonly Rehearsal<Input>[] = [
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
      'delete-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'stripe/secret-key' },
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
    name: 'Stripe key, revocation declined',
    input: { secret: 'stripe/secret-key', reason: 'Quarterly rotation' },
    answers: {
      'create-by-hand': { by: 'Ada', choice: 'done', evidence: 'Created', handsIn: 'stripe/secret-key' },
      'revoke-old-key': { by: 'Grace', verdict: 'decline', reason: 'A sale is under way' },
      'delete-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'stripe/secret-key' },
    },
    ends: 'rejected',
  },
  {
    name: 'Stripe key, leaked',
    input: { secret: 'stripe/secret-key', mode: 'emergency', reason: 'Found in a support ticket' },
    answers: {
      'delete-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'stripe/secret-key' },
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
      'delete-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'google/ai-api-key' },
      'create-by-hand': { by: 'Ada', choice: 'done', evidence: 'Created', handsIn: 'google/ai-api-key' },
      'revoke-old-key': { by: 'Grace', verdict: 'approve' },
      'revoke-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'google/ai-api-key' },
    },
  },
  {
    name: 'Gemini key by hand, leaked',
    input: { secret: 'google/ai-api-key', mode: 'emergency', reason: 'Posted in a chat' },
    answers: {
      'delete-by-hand': { by: 'Ada', choice: 'done', evidence: 'Deleted', revokes: 'google/ai-api-key' },
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
];
