import { applicationVerbs } from './application/verbs.js';
import type { Steps } from './index.js';
import { netlifyVerbs } from './netlify/verbs.js';
import { openaiVerbs } from './openai/verbs.js';
import { resendVerbs } from './resend/verbs.js';
import { slackVerbs } from './slack/verbs.js';
import { stripeVerbs } from './stripe/verbs.js';
import { supabaseVerbs } from './supabase/verbs.js';
import type { VerbInfos } from './verb-info.js';
import { vaultVerbs } from './vault/verbs.js';

/** What is known of every verb without its code. Part of the workflow bundle: nothing here may import a client. */
export const verbs = {
  application: applicationVerbs,
  netlify: netlifyVerbs,
  openai: openaiVerbs,
  resend: resendVerbs,
  slack: slackVerbs,
  stripe: stripeVerbs,
  supabase: supabaseVerbs,
  vault: vaultVerbs,
} satisfies { readonly [S in keyof Steps]: VerbInfos<Steps[S]> };
