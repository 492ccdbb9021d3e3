import type { Application } from './application/contract.js';
import { applicationSteps } from './application/steps.js';
import type { Dns } from './dns/contract.js';
import { dnsSteps } from './dns/steps.js';
import type { Email } from './email/contract.js';
import { emailSteps } from './email/steps.js';
import type { Github } from './github/contract.js';
import { githubSteps } from './github/steps.js';
import type { Netlify } from './netlify/contract.js';
import { netlifySteps } from './netlify/steps.js';
import type { Openai } from './openai/contract.js';
import { openaiSteps } from './openai/steps.js';
import type { Pagerduty } from './pagerduty/contract.js';
import { pagerdutySteps } from './pagerduty/steps.js';
import type { Postgres } from './postgres/contract.js';
import { postgresSteps } from './postgres/steps.js';
import type { Resend } from './resend/contract.js';
import { resendSteps } from './resend/steps.js';
import type { S3 } from './s3/contract.js';
import { s3Steps } from './s3/steps.js';
import type { Slack } from './slack/contract.js';
import { slackSteps } from './slack/steps.js';
import type { Sms } from './sms/contract.js';
import { smsSteps } from './sms/steps.js';
import type { Statuspage } from './statuspage/contract.js';
import { statuspageSteps } from './statuspage/steps.js';
import type { AnyVerb, VerbInput, VerbOutput } from './step.js';
import type { Stripe } from './stripe/contract.js';
import { stripeSteps } from './stripe/steps.js';
import type { Supabase } from './supabase/contract.js';
import { supabaseSteps } from './supabase/steps.js';
import type { Vault } from './vault/contract.js';
import { vaultSteps } from './vault/steps.js';

/** Everything that steps act on. Live there is one set; a rehearsal has one per root run. */
export interface Systems {
  readonly application: Application;
  readonly dns: Dns;
  readonly email: Email;
  readonly github: Github;
  readonly netlify: Netlify;
  readonly openai: Openai;
  readonly pagerduty: Pagerduty;
  readonly postgres: Postgres;
  readonly resend: Resend;
  readonly s3: S3;
  readonly slack: Slack;
  readonly sms: Sms;
  readonly statuspage: Statuspage;
  readonly stripe: Stripe;
  readonly supabase: Supabase;
  readonly vault: Vault;
}

/** The verbs of every system, over the given systems. */
export function createSteps(systems: Systems) {
  return {
    application: applicationSteps(systems),
    dns: dnsSteps(systems),
    email: emailSteps(systems),
    github: githubSteps(systems),
    netlify: netlifySteps(systems),
    openai: openaiSteps(systems),
    pagerduty: pagerdutySteps(systems),
    postgres: postgresSteps(systems),
    resend: resendSteps(systems),
    s3: s3Steps(systems),
    slack: slackSteps(systems),
    sms: smsSteps(systems),
    statuspage: statuspageSteps(systems),
    stripe: stripeSteps(systems),
    supabase: supabaseSteps(systems),
    vault: vaultSteps(systems),
  } satisfies Record<keyof Systems, Record<string, AnyVerb>>;
}

export type Steps = ReturnType<typeof createSteps>;

/** The steps as a workflow calls them. */
export type StepCalls = {
  readonly [S in keyof Steps]: {
    readonly [V in keyof Steps[S]]: Steps[S][V] extends AnyVerb
      ? (input: VerbInput<Steps[S][V]>) => Promise<VerbOutput<Steps[S][V]>>
      : never;
  };
};
