import { z } from 'zod';
import type { Call, Reply, Simulator } from './simulator.js';

/** The access key that a simulated Secrets Manager accepts; it looks at the id only, not at the signature. */
export const AWS_SIM_ACCESS_KEY_ID = 'AKIASIMADMIN00000000';

interface Version {
  text: string;
  stages: string[];
  created: number;
}
interface AwsState {
  /** Versions of each secret by their id. */
  secrets: Record<string, Record<string, Version>>;
}

/** https://docs.aws.amazon.com/AWSJavaScriptSDK and CommonErrors: JSON 1.1 protocol, `__type` names the exception. */
const exception = (type: string, message: string): Reply => ({
  status: 400,
  body: { __type: type, message },
  headers: { 'content-type': 'application/x-amz-json-1.1' },
});
const notFound = exception('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");

const Token = z.string().min(32).max(64);
const Name = z.string().regex(/^[A-Za-z0-9/_+=.@-]{1,512}$/);
const Text = z.string().min(1).max(65_536);
const bodies = {
  CreateSecret: z.strictObject({
    Name,
    ClientRequestToken: Token.optional(),
    SecretString: Text.optional(),
    KmsKeyId: z.string().optional(),
  }),
  GetSecretValue: z.strictObject({
    SecretId: Name,
    VersionId: Token.optional(),
    VersionStage: z.string().optional(),
  }),
  PutSecretValue: z.strictObject({
    SecretId: Name,
    ClientRequestToken: Token,
    SecretString: Text,
    VersionStages: z.array(z.string()).min(1).max(20).optional(),
  }),
  ListSecretVersionIds: z.strictObject({
    SecretId: Name,
    MaxResults: z.number().int().min(1).max(100).optional(),
  }),
  UpdateSecretVersionStage: z.strictObject({
    SecretId: Name,
    VersionStage: z.string(),
    MoveToVersionId: Token.optional(),
    RemoveFromVersionId: Token.optional(),
  }),
};

type Versions = Record<string, Version>;

/** A stage is at one version at most; AWSPREVIOUS follows AWSCURRENT. */
function moveStage(versions: Versions, stage: string, to: string): void {
  for (const [id, version] of Object.entries(versions)) {
    if (!version.stages.includes(stage)) continue;
    version.stages = version.stages.filter((other) => other !== stage);
    if (stage === 'AWSCURRENT' && id !== to) moveStage(versions, 'AWSPREVIOUS', id);
  }
  versions[to]?.stages.push(stage);
}

function addVersion(versions: Versions, id: string, text: string, stages: readonly string[]): void {
  const first = Object.keys(versions).length === 0;
  versions[id] = { text, stages: [], created: Date.now() / 1000 };
  for (const stage of new Set(first ? [...stages, 'AWSCURRENT'] : stages)) moveStage(versions, stage, id);
}

type Handler = (call: Call<AwsState>) => Reply;

const handlers: Readonly<Record<keyof typeof bodies, Handler>> = {
  CreateSecret({ state, body, effect }) {
    const { Name: name, ClientRequestToken: token, SecretString: text } = bodies.CreateSecret.parse(body);
    const existing = state.secrets[name];
    if (
      existing !== undefined &&
      (token === undefined || text === undefined || existing[token]?.text !== text)
    ) {
      return exception('ResourceExistsException', `the secret ${name} already exists`);
    }
    if (existing === undefined) {
      const versions: Versions = (state.secrets[name] = {});
      if (text !== undefined && token !== undefined) addVersion(versions, token, text, []);
      effect('secret created', name);
    }
    return { body: { ARN: arn(name), Name: name, ...(token && { VersionId: token }) } };
  },
  GetSecretValue({ state, body }) {
    const { SecretId, VersionId, VersionStage = 'AWSCURRENT' } = bodies.GetSecretValue.parse(body);
    const found = Object.entries(state.secrets[SecretId] ?? {}).find(([id, { stages }]) =>
      VersionId === undefined ? stages.includes(VersionStage) : id === VersionId,
    );
    if (found === undefined) return notFound;
    const [id, { text, stages, created }] = found;
    return {
      body: {
        ARN: arn(SecretId),
        Name: SecretId,
        VersionId: id,
        SecretString: text,
        VersionStages: stages,
        CreatedDate: created,
      },
    };
  },
  PutSecretValue({ state, body, effect }) {
    const {
      SecretId,
      ClientRequestToken: id,
      SecretString,
      VersionStages,
    } = bodies.PutSecretValue.parse(body);
    const versions = state.secrets[SecretId];
    if (versions === undefined) return notFound;
    const existing = versions[id];
    if (existing !== undefined && existing.text !== SecretString) {
      return exception(
        'ResourceExistsException',
        'A version with this ClientRequestToken has another value.',
      );
    }
    if (existing === undefined) {
      addVersion(versions, id, SecretString, VersionStages ?? ['AWSCURRENT']);
      effect('version created', SecretId);
    }
    return {
      body: { ARN: arn(SecretId), Name: SecretId, VersionId: id, VersionStages: versions[id]?.stages },
    };
  },
  ListSecretVersionIds({ state, body }) {
    const { SecretId } = bodies.ListSecretVersionIds.parse(body);
    const versions = state.secrets[SecretId];
    if (versions === undefined) return notFound;
    const listed = Object.entries(versions).filter(([, { stages }]) => stages.length > 0);
    return {
      body: {
        ARN: arn(SecretId),
        Name: SecretId,
        Versions: listed.map(([id, { stages, created }]) => ({
          VersionId: id,
          VersionStages: stages,
          CreatedDate: created,
        })),
      },
    };
  },
  UpdateSecretVersionStage({ state, body, effect }) {
    const { SecretId, VersionStage, MoveToVersionId, RemoveFromVersionId } =
      bodies.UpdateSecretVersionStage.parse(body);
    const versions = state.secrets[SecretId];
    if (
      versions === undefined ||
      (MoveToVersionId !== undefined && versions[MoveToVersionId] === undefined)
    ) {
      return notFound;
    }
    const holder = Object.entries(versions).find(([, { stages }]) => stages.includes(VersionStage))?.[0];
    if (holder !== RemoveFromVersionId) {
      return exception('InvalidParameterException', `${VersionStage} is attached to another version`);
    }
    if (MoveToVersionId !== undefined) moveStage(versions, VersionStage, MoveToVersionId);
    effect('stage moved', `${SecretId} ${VersionStage}`);
    return { body: { ARN: arn(SecretId), Name: SecretId } };
  },
};

const arn = (name: string): string =>
  `arn:aws:secretsmanager:eu-central-1:000000000000:secret:${name}-a1b2c3`;

/** AWS Secrets Manager: one address; the header `X-Amz-Target` names the operation. */
export const awsSecretsManagerSimulator: Simulator<AwsState> = {
  system: 'aws-secrets-manager',
  initialState: () => ({ secrets: {} }),
  authenticate: ({ headers }) =>
    headers['authorization']?.startsWith(`AWS4-HMAC-SHA256 Credential=${AWS_SIM_ACCESS_KEY_ID}/`) === true
      ? undefined
      : exception('UnrecognizedClientException', 'The security token included in the request is invalid.'),
  operations: {
    call: {
      method: 'post',
      path: '/',
      source: 'https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Operations.html',
      handle(call) {
        const operation = call.headers['x-amz-target']?.replace(/^secretsmanager\./, '') ?? '';
        if (!(operation in bodies))
          return exception('UnknownOperationException', `no operation ${operation}`);
        const name = operation as keyof typeof bodies;
        if (!bodies[name].safeParse(call.body).success) {
          return exception('ValidationException', `the request of ${name} is malformed`);
        }
        return handlers[name](call);
      },
    },
  },
};
