import { applicationVerbs } from './application/verbs.js';
import type { Steps } from './index.js';
import { dnsVerbs } from './dns/verbs.js';
import { emailVerbs } from './email/verbs.js';
import { githubVerbs } from './github/verbs.js';
import { netlifyVerbs } from './netlify/verbs.js';
import { openaiVerbs } from './openai/verbs.js';
import { pagerdutyVerbs } from './pagerduty/verbs.js';
import { postgresVerbs } from './postgres/verbs.js';
import { resendVerbs } from './resend/verbs.js';
import { s3Verbs } from './s3/verbs.js';
import { slackVerbs } from './slack/verbs.js';
import { smsVerbs } from './sms/verbs.js';
import { statuspageVerbs } from './statuspage/verbs.js';
import { stripeVerbs } from './stripe/verbs.js';
import { supabaseVerbs } from './supabase/verbs.js';
import type { VerbInfos } from './verb-info.js';
import { vaultVerbs } from './vault/verbs.js';

/** What is known of every verb without its code. Part of the workflow bundle: nothing here may import a client. */
export const verbs = {
  application: applicationVerbs,
  dns: dnsVerbs,
  email: emailVerbs,
  github: githubVerbs,
  netlify: netlifyVerbs,
  openai: openaiVerbs,
  pagerduty: pagerdutyVerbs,
  postgres: postgresVerbs,
  resend: resendVerbs,
  s3: s3Verbs,
  slack: slackVerbs,
  sms: smsVerbs,
  statuspage: statuspageVerbs,
  stripe: stripeVerbs,
  supabase: supabaseVerbs,
  vault: vaultVerbs,
} satisfies { readonly [S in keyof Steps]: VerbInfos<Steps[S]> };
