import type { HttpWay } from '../../../config/application.js';
import { answer, request } from '../../http.js';
import type { Vault } from '../../vault/contract.js';
import { z } from 'zod';
import type { ApplicationCall, ApplicationVerb } from '../contract.js';
import { revealCurrent, revealFields } from './secrets.js';

/**
 * Does a verb by one HTTP request: the input as JSON, the step's key in `Idempotency-Key`
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/). It must answer within 20 s.
 * @throws ApplicationFailure as `request` and `answer` do
 */
export async function runHttp(
  verb: ApplicationVerb,
  way: HttpWay,
  vault: Vault,
  input: Readonly<Record<string, unknown>>,
  call: ApplicationCall,
): Promise<{ value: unknown }> {
  const what = `application.${verb}`;
  const secretHeaders: Record<string, string> = {};
  for (const [name, { secret, prefix }] of Object.entries(way.secretHeaders)) {
    secretHeaders[name] = `${prefix}${await revealCurrent(vault, secret)}`;
  }
  const response = await request(new URL(way.url), {
    what,
    method: way.method,
    headers: { accept: 'application/json', ...way.headers, ...secretHeaders, 'idempotency-key': call.key },
    body: { ...input, ...(await revealFields(vault, way.secretBody, input)) },
    signal: call.signal,
    next: `Look at the application's own log, then correct "${verb}" in config/application.yaml.`,
  });
  if (response.status === 204) {
    await response.body?.cancel();
    return { value: {} };
  }
  return { value: await answer(z.unknown(), response, what) };
}
