/** The API token that the simulated Cloudflare accepts. */
export const CLOUDFLARE_SIM_TOKEN = 'cf-sim-token-0000000000000000000000000000';

/** The access key that the simulated Route 53 accepts; it looks at the id only, not at the signature. */
export const ROUTE53_SIM_ACCESS_KEY_ID = 'AKIASIMDNS0000000000';
export const ROUTE53_SIM_SECRET = 'sim-route53-secret-access-key-0000000000';
