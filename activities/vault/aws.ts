import { createHash } from 'node:crypto';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  SecretsManagerServiceException,
  UpdateSecretVersionStageCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Vault } from './contract.js';
import { documentVault, StateDocument, type DocumentStore } from './documents.js';

export interface AwsVaultConfig {
  /** Made by the caller, who knows region, endpoint and credentials. */
  readonly client: SecretsManagerClient;
  /** Start of every secret's name. Default: `runbook`. */
  readonly prefix?: string;
  /** KMS key of the backup copies. Default: the same as for everything else. */
  readonly backupKmsKeyId?: string;
  readonly org: string;
  readonly fingerprint: (value: string) => string;
}

const State = z.object({ revision: z.number().int().positive(), versions: StateDocument });

/**
 * The vault in AWS Secrets Manager. Each value is a version of `<prefix>/<org>/values/<name>`, whose VersionId
 * (ClientRequestToken) follows from the step's key; the current one carries AWSCURRENT, the newest AWSPENDING.
 * The state document is a secret of its own: a revision's ClientRequestToken can be taken by one writer only.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
 *
 * Secrets Manager drops versions without a stage when there are more than 100 of one secret: values revoked that
 * long ago can't be read any more.
 */
export function awsVault({
  client,
  prefix = 'runbook',
  backupKmsKeyId,
  org,
  fingerprint,
}: AwsVaultConfig): Vault {
  const id = (kind: 'values' | 'state' | 'backups', name: string): string =>
    `${prefix}/${org}/${kind}/${name}`;

  const read = async (SecretId: string, VersionId?: string): Promise<string | undefined> =>
    await sent(
      `read ${SecretId}`,
      async () =>
        (await client.send(new GetSecretValueCommand({ SecretId, ...(VersionId && { VersionId }) })))
          .SecretString,
      { ResourceNotFoundException: undefined },
    );

  const create = async (
    Name: string,
    content?: { token: string; text: string },
    KmsKeyId?: string,
  ): Promise<boolean> =>
    await sent(
      `create ${Name}`,
      async () => {
        await client.send(
          new CreateSecretCommand({
            Name,
            ...(content && { ClientRequestToken: content.token, SecretString: content.text }),
            ...(KmsKeyId && { KmsKeyId }),
          }),
        );
        return true;
      },
      { ResourceExistsException: false },
    );

  /** false: the token belongs to another content. undefined: there is no such secret. */
  const putVersion = async (
    SecretId: string,
    ClientRequestToken: string,
    SecretString: string,
    VersionStages?: string[],
  ): Promise<boolean | undefined> =>
    await sent<boolean | undefined>(
      `write ${SecretId}`,
      async () => {
        await client.send(
          new PutSecretValueCommand({
            SecretId,
            ClientRequestToken,
            SecretString,
            ...(VersionStages && { VersionStages }),
          }),
        );
        return true;
      },
      { ResourceExistsException: false, ResourceNotFoundException: undefined },
    );

  const store: DocumentStore = {
    async readState(name) {
      const text = await read(id('state', name));
      return text === undefined ? { revision: 0, versions: [] } : State.parse(JSON.parse(text));
    },
    async writeState(name, revision, versions) {
      const SecretId = id('state', name);
      const next = revision + 1;
      const token = hex(`${SecretId} revision ${next}`);
      const text = JSON.stringify({ revision: next, versions });
      if (revision === 0) return await create(SecretId, { token, text });
      return (await putVersion(SecretId, token, text)) === true;
    },
    async putValue(name, valueId, value) {
      const SecretId = id('values', name);
      const stored = await putVersion(SecretId, valueId, value, ['AWSPENDING']);
      if (stored !== undefined) return stored;
      await create(SecretId);
      return (await putVersion(SecretId, valueId, value, ['AWSPENDING'])) === true;
    },
    readValue: (name, valueId) => read(id('values', name), valueId),
    async putBackup(name, version, value) {
      const Name = `${id('backups', name)}/v${version}`;
      if (await create(Name, { token: hex(Name), text: value }, backupKmsKeyId)) return true;
      return (await read(Name)) === value;
    },
    readBackup: (name, version) => read(`${id('backups', name)}/v${version}`),
    async promoted(name, valueId) {
      const SecretId = id('values', name);
      const holder = await sent(`look up the stages of ${SecretId}`, async () => {
        const { Versions = [] } = await client.send(
          new ListSecretVersionIdsCommand({ SecretId, MaxResults: 100 }),
        );
        return Versions.find(({ VersionStages = [] }) => VersionStages.includes('AWSCURRENT'))?.VersionId;
      });
      if (holder === valueId) return;
      // Secrets Manager moves AWSPREVIOUS to the holder itself.
      await sent(`move AWSCURRENT of ${SecretId}`, () =>
        client.send(
          new UpdateSecretVersionStageCommand({
            SecretId,
            VersionStage: 'AWSCURRENT',
            MoveToVersionId: valueId,
            ...(holder && { RemoveFromVersionId: holder }),
          }),
        ),
      );
    },
  };
  return documentVault(store, fingerprint);
}

/** A ClientRequestToken has 32 to 64 characters. */
const hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Worth another attempt: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html */
const RETRYABLE = ['InternalServiceError', 'ThrottlingException', 'ServiceUnavailable', 'InternalFailure'];

/**
 * One request. `expected` maps exceptions that are answers, not failures, to their meaning.
 * Messages of the SDK's errors are not passed on.
 */
async function sent<T>(
  what: string,
  work: () => Promise<T>,
  expected: Readonly<Record<string, T>> = {},
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SecretsManagerServiceException)) {
      const name = error instanceof Error ? error.name : 'unknown error';
      throw ApplicationFailure.retryable(
        `${what} in AWS Secrets Manager: no answer (${name}). It is tried again.`,
        'VendorUnavailable',
      );
    }
    const status = error.$metadata.httpStatusCode ?? 0;
    if (error.name in expected) return expected[error.name] as T;
    if (status >= 500 || status === 429 || RETRYABLE.includes(error.name)) {
      throw ApplicationFailure.retryable(
        `${what} in AWS Secrets Manager: ${error.name}. It is tried again.`,
        'VendorUnavailable',
      );
    }
    throw ApplicationFailure.nonRetryable(
      `${what} in AWS Secrets Manager: ${error.name}. Check region and credentials, and that the role may ` +
        'secretsmanager:CreateSecret, GetSecretValue, PutSecretValue, ListSecretVersionIds and UpdateSecretVersionStage there.',
      'VendorRefused',
    );
  }
}
