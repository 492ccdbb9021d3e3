import type { VerbInfos } from '../verb-info.js';
import type { stripeSteps } from './steps.js';

export const stripeVerbs = {
  verifyKey: { title: 'Ask Stripe whether it accepts {ref}', returns: true },
  createWebhookEndpoint: {
    title: 'Create a Stripe webhook endpoint for {url} with a new {secret}',
    returns: true,
    critical: true,
    within: '2 minutes',
    giveUpAfter: '15 minutes',
  },
  discardWebhookEndpoint: {
    title: 'Delete the Stripe webhook endpoint that {step} created for {secret}',
    returns: false,
    critical: true,
    undoes: true,
  },
  disableWebhookEndpoint: { title: 'Disable Stripe webhook endpoint {endpointId}', returns: false },
  enableWebhookEndpoint: { title: 'Enable Stripe webhook endpoint {endpointId}', returns: false },
  deleteWebhookEndpoint: {
    title: 'Delete Stripe webhook endpoint {endpointId}; its signing secret ends with it',
    returns: false,
    critical: true,
  },
  testPayment: { title: 'Make a test payment at Stripe with {ref}', returns: true },
  failedDeliveries: {
    title: 'Count Stripe events that were not delivered since {since}',
    returns: true,
    within: '5 minutes',
    giveUpAfter: '30 minutes',
    heartbeat: '1 minute',
  },
} as const satisfies VerbInfos<ReturnType<typeof stripeSteps>>;
