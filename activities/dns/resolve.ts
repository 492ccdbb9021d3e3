import { ApplicationFailure } from '@temporalio/common';
import type { CallOptions, Dns, RecordType } from './contract.js';
import { canonicalValues, sameValues } from './records.js';

export interface Resolved {
  /** Every resolver gave exactly the expected values. */
  readonly agree: boolean;
  readonly answers: { readonly resolver: string; readonly values: string[] }[];
}

/**
 * Asks every public resolver. One that does not answer counts as an empty answer.
 * @throws ApplicationFailure `VendorUnavailable` (retryable) when none of them answers, `VendorRefused` (not
 * retryable) when all of them refuse to.
 */
export async function resolved(
  dns: Pick<Dns, 'ask' | 'resolvers'>,
  question: { readonly name: string; readonly type: RecordType; readonly expect: readonly string[] },
  options: CallOptions,
): Promise<Resolved> {
  const { name, type } = question;
  const asked = await Promise.allSettled(
    dns.resolvers.map((resolver) => dns.ask(resolver, { name, type }, options)),
  );
  options.signal?.throwIfAborted();
  if (asked.every(({ status }) => status === 'rejected')) {
    const refusals = asked.filter(isRefused);
    if (refusals.length === asked.length) throw refusals[0]?.reason;
    const names = dns.resolvers.map((resolver) => resolver.name).join(', ');
    throw ApplicationFailure.retryable(
      `None of the public resolvers (${names}) says what ${name} is. It is tried again.`,
      'VendorUnavailable',
    );
  }
  const expected = canonicalValues(type, question.expect);
  const answers = dns.resolvers.map((resolver, place) => {
    const answer = asked[place];
    return { resolver: resolver.name, values: answer?.status === 'fulfilled' ? answer.value : [] };
  });
  return { agree: answers.every(({ values }) => sameValues(values, expected)), answers };
}

function isRefused<T>(result: PromiseSettledResult<T>): result is PromiseRejectedResult {
  return (
    result.status === 'rejected' &&
    result.reason instanceof ApplicationFailure &&
    result.reason.nonRetryable === true
  );
}
