import type { Call, Reply, Simulator } from './simulator.js';

/** The token that a simulated HashiCorp Vault accepts. */
export const HASHICORP_SIM_TOKEN = 'hvs.sim-admin';

interface HashicorpState {
  /** Versions of each path, oldest first. */
  secrets: Record<string, { data: Record<string, unknown>; createdTime: string }[]>;
}

/** https://developer.hashicorp.com/vault/api-docs#http-status-codes: every error is a list of texts. */
const errors = (status: number, ...messages: string[]): Reply => ({ status, body: { errors: messages } });

const pathOf = (params: Call<HashicorpState>['params']): string =>
  String(params['path']).replaceAll(',', '/');

const metadata = (version: number, createdTime: string) => ({
  created_time: createdTime,
  custom_metadata: null,
  deletion_time: '',
  destroyed: false,
  version,
});

/** The KV v2 engine at `secret/` of a HashiCorp Vault. */
export const hashicorpVaultSimulator: Simulator<HashicorpState> = {
  system: 'hashicorp-vault',
  initialState: () => ({ secrets: {} }),
  authenticate: ({ headers }) =>
    headers['x-vault-token'] === HASHICORP_SIM_TOKEN ? undefined : errors(403, 'permission denied'),
  operations: {
    read: {
      method: 'get',
      path: '/v1/secret/data/*path',
      source: 'https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version',
      handle({ state, params }) {
        const versions = state.secrets[pathOf(params)] ?? [];
        const last = versions.at(-1);
        if (last === undefined) return errors(404);
        return { body: { data: { data: last.data, metadata: metadata(versions.length, last.createdTime) } } };
      },
    },
    write: {
      method: 'post',
      path: '/v1/secret/data/*path',
      source: 'https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-secret',
      handle({ state, params, body, effect }) {
        const path = pathOf(params);
        if (typeof body !== 'object' || body === null || !('data' in body))
          return errors(400, 'no data provided');
        const { data, options } = body as { data: Record<string, unknown>; options?: { cas?: number } };
        const versions = (state.secrets[path] ??= []);
        if (options?.cas !== undefined && options.cas !== versions.length) {
          return errors(400, 'check-and-set parameter did not match the current version');
        }
        const createdTime = new Date().toISOString();
        versions.push({ data, createdTime });
        effect('secret written', path);
        return { body: { data: metadata(versions.length, createdTime) } };
      },
    },
  },
};
