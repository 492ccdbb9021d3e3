import { z } from 'zod';

/**
 * Deploy contexts that a value can be set for. `branch` is left out: it needs the name of a branch as well.
 * https://open-api.netlify.com/#tag/environmentVariables/operation/setEnvVarValue
 */
export const CONTEXTS = [
  'all',
  'dev',
  'dev-server',
  'branch-deploy',
  'deploy-preview',
  'production',
] as const;
export type Context = (typeof CONTEXTS)[number];

/** An environment variable of a site. Its values are never read back: Netlify masks those of secrets. */
export const EnvVar = z.object({ key: z.string() });
export type EnvVar = z.output<typeof EnvVar>;

/** https://open-api.netlify.com/#tag/build/operation/createSiteBuild */
export const Build = z.object({ id: z.string().min(1), deploy_id: z.string().min(1) });
export type Build = z.output<typeof Build>;

/** https://open-api.netlify.com/#tag/deploy/operation/getDeploy */
export const Deploy = z.object({
  id: z.string().min(1),
  /**
   * new, pending_review, accepted, rejected, enqueued, building, uploading, uploaded, preparing, prepared,
   * processing, processed, ready, error, retrying. A state that Netlify adds counts as "not finished yet".
   */
  state: z.string(),
  title: z.string().nullish(),
  error_message: z.string().nullish(),
});
export type Deploy = z.output<typeof Deploy>;

export interface SiteVariable {
  /** Id or slug of the team. */
  readonly account: string;
  readonly site: string;
  readonly variable: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The Netlify API. Every method throws ApplicationFailure `VendorUnavailable` (retryable), `VendorRefused` or
 * `UnexpectedAnswer` (not retryable).
 */
export interface Netlify {
  /** Time between two looks at a deploy, in milliseconds. */
  readonly pollIntervalMs: number;
  /** The variable, if the site has it. */
  variable(where: SiteVariable, options?: CallOptions): Promise<EnvVar | undefined>;
  /**
   * Creates a variable with one value: as a secret, readable only by code that runs on Netlify, in the contexts
   * that allow it (not `all` and `dev`).
   */
  createVariable(
    where: SiteVariable,
    value: { context: Context; value: string },
    options?: CallOptions,
  ): Promise<void>;
  /**
   * Creates or replaces the value of an existing variable for one context. Whether the variable is a secret stays
   * as it is: Netlify changes that only together with all other values.
   */
  setValue(
    where: SiteVariable,
    value: { context: Context; value: string },
    options?: CallOptions,
  ): Promise<void>;
  /** Deletes a variable with all its values. One that is not there is fine. */
  removeVariable(where: SiteVariable, options?: CallOptions): Promise<void>;
  /** Starts a production build. Netlify has no idempotency key: `title` is how the deploy is found again. */
  startBuild(site: string, title: string, options?: CallOptions): Promise<Build>;
  /** Production deploys of a site, newest first, 100 at a time; `page` counts from 1. */
  deploys(site: string, page: number, options?: CallOptions): Promise<readonly Deploy[]>;
  deploy(deployId: string, options?: CallOptions): Promise<Deploy>;
}

/** Deploys on one page of `deploys`. */
export const DEPLOYS_PER_PAGE = 100;
