import type { Call, Operation, Reply } from '../simulator.js';
import type { Key, StripePermission, StripeState } from './state.js';

/** A request that was let through. */
export type StripeCall = Omit<Call<StripeState>, 'effect'> & {
  readonly key: Key;
  readonly parameters: Parameters;
  readonly effect: (what: string, subject: string) => void;
};
export type Parameters = Record<string, string | Record<string, string>>;

export const failure = (status: number, message: string, more: Record<string, unknown> = {}): Reply => ({
  status,
  body: { error: { type: 'invalid_request_error', message, ...more } },
});

export const missing = (param: string): Reply =>
  failure(400, `Missing required param: ${param}.`, { code: 'parameter_missing', param });

export const invalid = (param: string, message: string, code = 'parameter_invalid'): Reply =>
  failure(400, message, { code, param });

export const noSuch = (kind: string, id: string): Reply =>
  failure(404, `No such ${kind}: '${id}'`, { code: 'resource_missing', param: 'id' });

const masked = (value: string): string => `${value.slice(0, 8)}${'*'.repeat(8)}${value.slice(-4)}`;

/** https://docs.stripe.com/api/authentication: the key is a bearer token or the user name of basic authentication. */
function presentedKey(headers: Call<StripeState>['headers']): string | undefined {
  const [scheme = '', credentials = ''] = (headers['authorization'] ?? '').split(' ');
  if (/^bearer$/i.test(scheme)) return credentials;
  if (!/^basic$/i.test(scheme)) return undefined;
  return Buffer.from(credentials, 'base64').toString().split(':')[0];
}

/** Refuses a request without a key of the account: https://docs.stripe.com/api/authentication */
export function authenticate({ state, headers }: Call<StripeState>): Reply | undefined {
  const presented = presentedKey(headers);
  if (presented === undefined || presented === '') {
    return failure(401, 'You did not provide an API key.');
  }
  const key = state.keys.find(({ value }) => value === presented);
  if (key === undefined) return failure(401, `Invalid API Key provided: ${masked(presented)}`);
  if (key.expired) {
    return failure(401, `Expired API Key provided: ${masked(presented)}`, { code: 'api_key_expired' });
  }
  const version = headers['stripe-version'];
  if (version !== undefined && !/^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$/.test(version)) {
    return failure(400, `Invalid Stripe API version: ${version}`);
  }
  return undefined;
}

/** `metadata[step]=x` is `{ metadata: { step: 'x' } }`. */
function parametersOf(encoded: Iterable<[string, string]>): Parameters {
  const parameters: Parameters = {};
  for (const [name, value] of encoded) {
    const [, outer, inner] = /^([^[\]]+)\[([^[\]]*)\]$/.exec(name) ?? [];
    if (outer === undefined || inner === undefined) parameters[name] = value;
    else {
      const group = parameters[outer];
      parameters[outer] = { ...(typeof group === 'object' ? group : {}), [inner]: value };
    }
  }
  return parameters;
}

export const text = (value: Parameters[string] | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
export const group = (value: Parameters[string] | undefined): Record<string, string> =>
  typeof value === 'object' ? value : {};

/** The right to write includes that to read. */
const allowed = ({ permissions }: Key, wanted: StripePermission): boolean =>
  permissions === null ||
  permissions.includes(wanted) ||
  (wanted === 'webhook_read' && permissions.includes('webhook_write'));

interface Handler {
  readonly known: readonly string[];
  readonly permission: StripePermission;
  readonly handle: (call: StripeCall) => Reply;
}

/** What every endpoint of the API does before its own work. */
export function operation(
  method: Operation<StripeState>['method'],
  path: string,
  source: string,
  { known, permission, handle }: Handler,
): Operation<StripeState> {
  return {
    method,
    path,
    source,
    handle(call) {
      const key = call.state.keys.find(({ value }) => value === presentedKey(call.headers));
      if (key === undefined) throw new Error('authenticate() let a request without a key through');
      if (!allowed(key, permission)) {
        return failure(
          403,
          `The provided key '${masked(key.value)}' does not have the required permissions for this endpoint. ` +
            `Having the 'rak_${permission}' permission would allow this request to continue.`,
        );
      }
      if (method === 'post' && call.body !== undefined && !isForm(call)) {
        return failure(
          400,
          'Invalid request (check that your POST content type is application/x-www-form-urlencoded).',
        );
      }
      const sent =
        method === 'post' ? Object.entries((call.body ?? {}) as Record<string, string>) : call.query;
      const parameters = parametersOf(sent);
      const unknown = Object.keys(parameters).find((name) => !known.includes(name));
      if (unknown !== undefined) {
        return failure(400, `Received unknown parameter: ${unknown}`, {
          code: 'parameter_unknown',
          param: unknown,
        });
      }
      const effect = (what: string, subject: string): void => call.effect(what, subject);
      const prepared = { ...call, key, parameters, effect };
      return method === 'post' ? remembered(prepared, path, handle) : handle(prepared);
    },
  };
}

const isForm = ({ headers }: Call<StripeState>): boolean =>
  headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;

/** https://docs.stripe.com/api/idempotent_requests */
function remembered(call: StripeCall, path: string, handle: Handler['handle']): Reply {
  const idempotencyKey = call.headers['idempotency-key'];
  if (idempotencyKey === undefined) return handle(call);
  if (idempotencyKey.length > 255)
    return failure(400, 'Idempotency keys may be at most 255 characters long.');
  const name = `${call.key.mode}/${idempotencyKey}`;
  const request = JSON.stringify([path, call.params['id'] ?? null, call.parameters]);
  const earlier = call.state.idempotency[name];
  if (earlier === undefined) {
    const { status = 200, body } = handle(call);
    // Nothing is remembered when the parameters fail validation.
    if (status !== 400) call.state.idempotency[name] = { request, status, body: structuredClone(body) };
    return { status, body };
  }
  if (earlier.request !== request) {
    return failure(
      400,
      'Keys for idempotent requests can only be used with the same parameters they were first used with. ' +
        `Try using a key other than '${idempotencyKey}' if you meant to execute a different request.`,
      { type: 'idempotency_error' },
    );
  }
  return { status: earlier.status, body: earlier.body, headers: { 'idempotent-replayed': 'true' } };
}
