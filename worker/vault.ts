import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Pool } from 'pg';
import { awsVault } from '../activities/vault/aws.js';
import type { Vault } from '../activities/vault/contract.js';
import { hashicorpVault } from '../activities/vault/hashicorp.js';
import { loadVaultKeys } from '../activities/vault/keys.js';
import { postgresVault } from '../activities/vault/postgres.js';
import type { Environment } from '../config/environment.js';

/**
 * The vault of an installation: rows in Postgres, HashiCorp Vault, or AWS Secrets Manager (with the credentials that
 * the AWS SDK finds by itself).
 * @throws VaultKeyError when the vault key is missing or wrong
 */
export async function openVault(
  { org, vault }: Pick<Environment, 'org' | 'vault'>,
  pool: Pool,
): Promise<Vault> {
  const keys = await loadVaultKeys(vault);
  const { backend } = vault;
  const { fingerprint } = keys;
  switch (backend.kind) {
    case 'postgres':
      return postgresVault({ pool, org, keys });
    case 'hashicorp': {
      const { address, token, namespace, mount } = backend;
      return hashicorpVault({
        baseUrl: address,
        token,
        org,
        fingerprint,
        ...(namespace === undefined ? {} : { namespace }),
        ...(mount === undefined ? {} : { mount }),
      });
    }
    case 'aws': {
      const client = new SecretsManagerClient({ region: backend.region });
      return awsVault({
        client,
        org,
        fingerprint,
        ...(backend.prefix === undefined ? {} : { prefix: backend.prefix }),
      });
    }
    default:
      return backend satisfies never;
  }
}
