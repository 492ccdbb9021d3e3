import { z } from 'zod';
import { digest } from './digest.js';
import type { Call, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** The personal access token that every world accepts. */
export const NETLIFY_TOKEN = 'nfp_sim-admin';

const SYSTEM = 'netlify';

/** States that a simulated deploy passes through, one with each look at it. */
const PROGRESS = ['enqueued', 'building', 'processing', 'ready'] as const;
type DeployState = (typeof PROGRESS)[number] | 'error';

interface StoredDeploy {
  readonly id: string;
  readonly buildId: string;
  readonly site: string;
  readonly title: string | null;
  readonly createdAt: string;
  state: DeployState;
  errorMessage: string | null;
  publishedAt: string | null;
  /** Digests of the production values that the build started with. */
  readonly environment: Readonly<Record<string, string>>;
}

interface StoredVariable {
  readonly isSecret: boolean;
  readonly scopes: readonly string[];
  /** Digest of the value by context. Values themselves are not remembered. */
  readonly values: Record<string, string>;
}

interface StoredSite {
  readonly account: string;
  readonly variables: Record<string, StoredVariable>;
  /** Oldest first. */
  readonly deploys: StoredDeploy[];
  /** Error messages of the next builds that are to fail. */
  readonly failures: string[];
}

export interface NetlifyState {
  readonly sites: Record<string, StoredSite>;
  lastId: number;
}

type NetlifyCall = Call<NetlifyState>;

const initialState = (): NetlifyState => ({ sites: {}, lastId: 0 });
const stateOf = (world: World): NetlifyState => world.state(SYSTEM, initialState);

function siteOf(world: World, site: string): StoredSite {
  const found = stateOf(world).sites[site];
  if (found === undefined)
    throw new Error(`The simulated Netlify of ${world.name} has no site ${site}: seed it first.`);
  return found;
}

/** Somebody sets a variable of a site in one context, without any step. */
export function setNetlifyVariable(
  world: World,
  { site, variable, context, value }: { site: string; variable: string; context: string; value: string },
): void {
  const { variables } = siteOf(world, site);
  const stored = (variables[variable] ??= { isSecret: true, scopes: SECRET_SCOPES, values: {} });
  stored.values[context] = digest(value);
}

/** Adds a site, with variables that are set in its production context. */
export function seedNetlify(
  world: World,
  seed: { account: string; site: string; variables?: Readonly<Record<string, string>> },
): void {
  const variables = Object.entries(seed.variables ?? {}).map(([key, value]): [string, StoredVariable] => [
    key,
    { isSecret: true, scopes: SECRET_SCOPES, values: { production: digest(value) } },
  ]);
  stateOf(world).sites[seed.site] = {
    account: seed.account,
    variables: Object.fromEntries(variables),
    deploys: [],
    failures: [],
  };
}

/** SHA-256 (hex) of the value that is set now; undefined when none is. */
export function netlifyVariable(
  world: World,
  site: string,
  variable: string,
  context = 'production',
): string | undefined {
  return siteOf(world, site).variables[variable]?.values[context];
}

/** SHA-256 (hex) of the value that the published deploy was built with; undefined when there is none. */
export function netlifyDeployed(world: World, site: string, variable: string): string | undefined {
  return siteOf(world, site).deploys.findLast((deploy) => deploy.state === 'ready')?.environment[variable];
}

/** Lets the next build of a site fail with this message. */
export function failNextNetlifyBuild(world: World, site: string, message: string): void {
  siteOf(world, site).failures.push(message);
}

const ALL_SCOPES = ['builds', 'functions', 'runtime', 'post-processing'] as const;
const SECRET_SCOPES = ['builds', 'functions', 'runtime'] as const;
const CONTEXTS = [
  'all',
  'dev',
  'dev-server',
  'branch-deploy',
  'deploy-preview',
  'production',
  'branch',
] as const;

const Value = z
  .strictObject({ context: z.enum(CONTEXTS), context_parameter: z.string().optional(), value: z.string() })
  .refine((value) => (value.context === 'branch') === (value.context_parameter !== undefined));
const Variable = z
  .strictObject({
    key: z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/),
    scopes: z
      .array(z.enum(ALL_SCOPES))
      .min(1)
      .default([...ALL_SCOPES]),
    values: z.array(Value).min(1),
    is_secret: z.boolean().default(false),
  })
  .refine((variable) => !variable.is_secret || !variable.scopes.includes('post-processing'), {
    message: 'Secret values cannot be used within the post-processing scope',
  })
  .refine((variable) => !variable.is_secret || variable.values.every(mayBeSecret), {
    message: 'Secret values must be set for specific deploy contexts',
  });
const mayBeSecret = ({ context }: z.output<typeof Value>): boolean => context !== 'all' && context !== 'dev';
const contextKey = (value: z.output<typeof Value>): string => value.context_parameter ?? value.context;

const refuse = (code: number, message: string): Reply => ({ status: code, body: { code, message } });
const notFound = refuse(404, 'Not Found');
const invalid = (error: z.ZodError): Reply =>
  refuse(422, error.issues.map((issue) => issue.message).join('; '));

/** Runs a handler with the site that a call names in its query (`site_id`) or its path. */
const withSite =
  (handle: (call: NetlifyCall, site: StoredSite, id: string) => Reply) =>
  (call: NetlifyCall): Reply => {
    const id = call.params['site'] ?? call.query.get('site_id') ?? '';
    const site = call.state.sites[id];
    const account = call.params['account'];
    if (site === undefined || (account !== undefined && account !== site.account)) return notFound;
    const isJson = call.headers['content-type']?.startsWith('application/json') === true;
    if (call.body !== undefined && !isJson) return refuse(415, 'Unsupported Media Type');
    return handle(call, site, id);
  };

const shownVariable = (key: string, { isSecret, scopes, values }: StoredVariable) => ({
  key,
  scopes,
  is_secret: isSecret,
  values: Object.keys(values).map((context) => ({
    id: `${key}-${context}`,
    context,
    value: '****************',
  })),
});

const shownDeploy = (deploy: StoredDeploy) => ({
  id: deploy.id,
  site_id: deploy.site,
  build_id: deploy.buildId,
  state: deploy.state,
  title: deploy.title,
  context: 'production',
  branch: 'main',
  error_message: deploy.errorMessage,
  created_at: deploy.createdAt,
  published_at: deploy.publishedAt,
});

/** Moves a deploy on by one state, as if time had passed since the last look. */
function advance(deploy: StoredDeploy, site: StoredSite): void {
  if (deploy.state === 'ready' || deploy.state === 'error') return;
  const failure = deploy.state === 'building' ? site.failures.shift() : undefined;
  if (failure !== undefined) {
    deploy.state = 'error';
    deploy.errorMessage = failure;
    return;
  }
  deploy.state = PROGRESS[PROGRESS.indexOf(deploy.state) + 1] ?? 'ready';
  if (deploy.state === 'ready') deploy.publishedAt = new Date().toISOString();
}

const nextId = (state: NetlifyState): string => (state.lastId += 1).toString(16).padStart(24, '0');

/** Netlify: environment variables, builds and deploys. */
export const netlifySimulator: Simulator<NetlifyState> = {
  system: SYSTEM,
  initialState,

  authenticate: ({ headers }) =>
    headers['authorization'] === `Bearer ${NETLIFY_TOKEN}`
      ? undefined
      : refuse(401, 'Access Denied: invalid access token'),

  operations: {
    getVariable: {
      method: 'get',
      path: '/accounts/:account/env/:key',
      source: 'https://open-api.netlify.com/#tag/environmentVariables/operation/getEnvVar',
      handle: withSite(({ params }, site) => {
        const variable = site.variables[params['key'] ?? ''];
        return variable === undefined ? notFound : { body: shownVariable(params['key'] ?? '', variable) };
      }),
    },

    createVariables: {
      method: 'post',
      path: '/accounts/:account/env',
      source: 'https://open-api.netlify.com/#tag/environmentVariables/operation/createEnvVars',
      handle: withSite((call, site, id) => {
        const parsed = z.array(Variable).min(1).safeParse(call.body);
        if (!parsed.success) return invalid(parsed.error);
        if (parsed.data.some(({ key }) => key in site.variables)) return refuse(409, 'Key already exists');
        for (const { key, is_secret: isSecret, scopes, values } of parsed.data) {
          const digests = Object.fromEntries(values.map((value) => [contextKey(value), digest(value.value)]));
          site.variables[key] = { isSecret, scopes, values: digests };
          for (const context of Object.keys(digests)) {
            call.effect('environment variable set', `${id}/${key} (${context})`);
          }
        }
        const created = parsed.data.map(({ key, is_secret: isSecret, scopes, values }) =>
          shownVariable(key, {
            isSecret,
            scopes,
            values: Object.fromEntries(values.map((v) => [contextKey(v), ''])),
          }),
        );
        return { status: 201, body: created };
      }),
    },

    setVariableValue: {
      method: 'patch',
      path: '/accounts/:account/env/:key',
      source: 'https://open-api.netlify.com/#tag/environmentVariables/operation/setEnvVarValue',
      handle: withSite((call, site, id) => {
        const key = call.params['key'] ?? '';
        const variable = site.variables[key];
        if (variable === undefined) return notFound;
        const parsed = Value.safeParse(call.body);
        if (!parsed.success) return invalid(parsed.error);
        if (variable.isSecret && parsed.data.context === 'all') {
          return refuse(422, 'Secret values must be set for specific deploy contexts');
        }
        const context = contextKey(parsed.data);
        const value = digest(parsed.data.value);
        if (variable.values[context] !== value) {
          variable.values[context] = value;
          call.effect('environment variable set', `${id}/${key} (${context})`);
        }
        return { status: 201, body: shownVariable(key, variable) };
      }),
    },

    deleteVariable: {
      method: 'delete',
      path: '/accounts/:account/env/:key',
      source: 'https://open-api.netlify.com/#tag/environmentVariables/operation/deleteEnvVar',
      handle: withSite((call, site, id) => {
        const key = call.params['key'] ?? '';
        if (!(key in site.variables)) return notFound;
        delete site.variables[key];
        call.effect('environment variable removed', `${id}/${key}`);
        return { status: 204 };
      }),
    },

    createBuild: {
      method: 'post',
      path: '/sites/:site/builds',
      source: 'https://open-api.netlify.com/#tag/build/operation/createSiteBuild',
      handle: withSite((call, site, id) => {
        if (call.body !== undefined) return refuse(422, 'A build takes its parameters from the query');
        const environment = Object.entries(site.variables).flatMap(([key, { values }]) => {
          const value = values['production'] ?? values['all'];
          return value === undefined ? [] : [[key, value] as const];
        });
        const deploy: StoredDeploy = {
          id: nextId(call.state),
          buildId: nextId(call.state),
          site: id,
          title: call.query.get('title'),
          createdAt: new Date().toISOString(),
          state: 'enqueued',
          errorMessage: null,
          publishedAt: null,
          environment: Object.fromEntries(environment),
        };
        site.deploys.push(deploy);
        call.effect('production build started', id);
        return {
          body: {
            id: deploy.buildId,
            deploy_id: deploy.id,
            sha: '',
            done: false,
            created_at: deploy.createdAt,
          },
        };
      }),
    },

    listDeploys: {
      method: 'get',
      path: '/sites/:site/deploys',
      source: 'https://open-api.netlify.com/#tag/deploy/operation/listSiteDeploys',
      handle: withSite(({ query }, site) => {
        const page = Number(query.get('page') ?? 1);
        const perPage = Math.min(Number(query.get('per_page') ?? 100), 100);
        const newestFirst = site.deploys.toReversed().slice((page - 1) * perPage, page * perPage);
        return { body: newestFirst.map(shownDeploy) };
      }),
    },

    getDeploy: {
      method: 'get',
      path: '/deploys/:deploy',
      source: 'https://open-api.netlify.com/#tag/deploy/operation/getDeploy',
      handle: ({ state, params }) => {
        for (const site of Object.values(state.sites)) {
          const deploy = site.deploys.find(({ id }) => id === params['deploy']);
          if (deploy === undefined) continue;
          advance(deploy, site);
          return { body: shownDeploy(deploy) };
        }
        return notFound;
      },
    },
  },
};
