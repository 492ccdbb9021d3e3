import { applicationSimulator } from './application.js';
import { dnsSimulator } from './dns.js';
import { emailSimulator } from './email.js';
import { githubSimulator } from './github.js';
import { netlifySimulator } from './netlify.js';
import { openaiSimulator } from './openai.js';
import { pagerdutySimulator } from './pagerduty.js';
import { postgresSimulator } from './postgres.js';
import { resendSimulator } from './resend.js';
import { s3Simulator } from './s3.js';
import { slackSimulator } from './slack.js';
import { smsSimulator } from './sms.js';
import { statuspageSimulator } from './statuspage.js';
import { stripeSimulator } from './stripe.js';
import { supabaseSimulator } from './supabase.js';
import type { Simulator } from './simulator.js';

/** Every simulated system. */
export const simulators = [
  applicationSimulator,
  dnsSimulator,
  emailSimulator,
  githubSimulator,
  netlifySimulator,
  openaiSimulator,
  pagerdutySimulator,
  postgresSimulator,
  resendSimulator,
  s3Simulator,
  slackSimulator,
  smsSimulator,
  statuspageSimulator,
  stripeSimulator,
  supabaseSimulator,
] as readonly unknown[] as readonly Simulator<never>[];
