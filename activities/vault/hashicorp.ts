import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { answer, request } from '../http.js';
import type { Vault } from './contract.js';
import { documentVault, StateDocument, type DocumentStore } from './documents.js';

export interface HashicorpVaultConfig {
  /** `https://vault.example.com:8200` */
  readonly baseUrl: URL;
  readonly token: string;
  /** Where the KV v2 engine is mounted. Default: `secret`. */
  readonly mount?: string;
  /** Folder below the mount. Default: `runbook`. */
  readonly folder?: string;
  /** Vault Enterprise or HCP: the namespace. */
  readonly namespace?: string;
  readonly org: string;
  readonly fingerprint: (value: string) => string;
}

/** https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version */
const Secret = z.object({
  data: z.object({
    data: z.record(z.string(), z.unknown()).nullable(),
    metadata: z.object({ version: z.number().int(), destroyed: z.boolean().optional() }),
  }),
});

interface Stored {
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The vault in a KV v2 engine of HashiCorp Vault. States change by the engine's check-and-set: the metadata
 * endpoint (`custom_metadata`) has none, so two workers could overwrite each other's change there.
 * The token's policy needs `create`, `read` and `update` on `<mount>/data/<folder>/<org>/*`.
 */
export function hashicorpVault(config: HashicorpVaultConfig): Vault {
  const { baseUrl, token, mount = 'secret', folder = 'runbook', namespace, org } = config;
  const base = `${baseUrl.href.replace(/\/+$/, '')}/v1/${mount}/data/${folder}/${encodeURIComponent(org)}`;
  const options = {
    headers: {
      'x-vault-token': token,
      // https://developer.hashicorp.com/vault/api-docs#the-x-vault-request-header
      'x-vault-request': 'true',
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
    },
    next: `Check that the token is valid and that its policy allows create, read and update on ${mount}/data/${folder}/${org}/*.`,
    // https://developer.hashicorp.com/vault/docs/concepts/consistency: 412 while a standby catches up.
    alsoRetry: [412],
  };

  const read = async (path: string): Promise<Stored> => {
    const what = `read ${path} from HashiCorp Vault`;
    const response = await request(new URL(`${base}/${path}`), { ...options, what, accept: [404] });
    // A deleted version is a 404 with its metadata in the body.
    const parsed =
      response.status === 404
        ? Secret.safeParse(await response.json().catch(() => undefined)).data
        : await answer(Secret, response, what);
    return { version: parsed?.data.metadata.version ?? 0, data: parsed?.data.data ?? undefined };
  };

  /** Writes on top of exactly that version (0: creates). false: the check-and-set did not match. */
  const write = async (path: string, version: number, data: unknown): Promise<boolean> => {
    // https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-secret
    const response = await request(new URL(`${base}/${path}`), {
      ...options,
      what: `write ${path} to HashiCorp Vault`,
      method: 'POST',
      body: { options: { cas: version }, data },
      accept: [400],
    });
    await response.body?.cancel();
    if (response.ok) return true;
    if ((await read(path)).version !== version) return false;
    throw refused(path);
  };

  const valueAt = async (path: string): Promise<string | undefined> => {
    const { data } = await read(path);
    return data === undefined ? undefined : z.object({ value: z.string() }).parse(data).value;
  };
  const createValue = async (path: string, value: string): Promise<boolean> =>
    (await write(path, 0, { value })) || (await valueAt(path)) === value;

  const store: DocumentStore = {
    async readState(name) {
      const { version, data } = await read(`state/${name}`);
      return { revision: version, versions: data === undefined ? [] : StateDocument.parse(data['versions']) };
    },
    writeState: (name, revision, versions) => write(`state/${name}`, revision, { versions }),
    putValue: (name, id, value) => createValue(`values/${name}/${id}`, value),
    readValue: (name, id) => valueAt(`values/${name}/${id}`),
    putBackup: (name, version, value) => createValue(`backups/${name}/v${version}`, value),
    readBackup: (name, version) => valueAt(`backups/${name}/v${version}`),
  };
  return documentVault(store, config.fingerprint);
}

function refused(path: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `write ${path} to HashiCorp Vault: HTTP 400, and not for the check-and-set. Check that the engine is KV version 2.`,
    'VendorRefused',
  );
}
