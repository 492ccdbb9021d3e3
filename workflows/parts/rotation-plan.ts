import type { Deployment, Secret } from '../../config/secrets.js';
import type { Plan, PlanSection } from '../engine/types.js';
import { acceptsTwo, type Provider } from './keys.js';

/** The plan with an overlap. */
export function scheduledPlan(secret: Secret): Plan {
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
    {
      heading: 'Revoke the old key',
      source: '004_7a3def0868c62bab.txt 496',
      uses: [...revoking(secret), ...narrowing(secret)],
    },
    {
      heading: 'The old key is refused, the new one works',
      uses: [...refusing(secret), 'application.health', 'go-on-despite-checks'],
    },
    { heading: 'Report', uses: ['slack.post'] },
  ];
}

/** The plan for a secret that leaked. */
export function emergencyPlan(secret: Secret): Plan {
  const encrypts = secret.provider.kind === 'generated';
  const revoke: PlanSection = {
    heading: encrypts
      ? 'Retire the compromised key once nothing needs it'
      : 'Revoke the compromised secret at once',
    source: '004_7a3def0868c62bab.txt 502',
    uses: [
      'vault.describe',
      ...revoking(secret),
      ...refusing(secret),
      ...(encrypts ? narrowing(secret) : []),
    ],
  };
  return [
    ...(encrypts ? [] : [revoke]),
    {
      heading: 'Generate a new one',
      source: '004_7a3def0868c62bab.txt 503',
      uses: [
        ...creating(secret).filter((id) => encrypts || id !== 'application.acceptBoth'),
        ...narrowing(secret),
        ...discarding(secret),
      ],
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
  'stripe-webhook': ['stripe.discardWebhookEndpoint', 'application.acceptOnly'],
  'stripe-key': ['delete-by-hand', 'vault.revoke'],
  manual: ['delete-by-hand', 'vault.revoke'],
  generated: ['application.acceptOnly'],
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
/** The application refuses the old value. */
const narrowing = ({ provider }: Secret) => (acceptsTwo(provider) ? ['application.acceptOnly'] : []);
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
