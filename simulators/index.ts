import { applicationSimulator } from './application.js';
import { netlifySimulator } from './netlify.js';
import { openaiSimulator } from './openai.js';
import { resendSimulator } from './resend.js';
import { slackSimulator } from './slack.js';
import { stripeSimulator } from './stripe.js';
import { supabaseSimulator } from './supabase.js';
import type { Simulator } from './simulator.js';

/** Every simulated system. */
export const simulators = [
  applicationSimulator,
  netlifySimulator,
  openaiSimulator,
  resendSimulator,
  slackSimulator,
  stripeSimulator,
  supabaseSimulator,
] as readonly unknown[] as readonly Simulator<never>[];
