import { ApplicationFailure } from '@temporalio/common';
import {
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebAPIRequestError,
} from '@slack/web-api';
import { RETRYABLE_STATUSES } from '../http.js';

/** Error codes that pass: the common errors of every method, and `rate_limited` of chat.postMessage. */
const RETRYABLE_CODES: ReadonlySet<string> = new Set([
  'fatal_error',
  'internal_error',
  'rate_limited',
  'ratelimited',
  'request_timeout',
  'service_unavailable',
  'team_added_to_org',
]);

const TOKEN = 'Install the Slack app again, give its new bot token to the worker, then retry.';
const CHANNEL =
  'Check the name or id of the channel, and invite the bot into it with /invite (it does not see a private channel before), then retry.';
const TEXT = 'Change the text of the message, then retry.';

/**
 * What a person does next: https://docs.slack.dev/reference/methods/chat.postMessage#errors and
 * https://docs.slack.dev/reference/methods/conversations.archive#errors
 */
const NEXT: Readonly<Record<string, string>> = {
  account_inactive: TOKEN,
  invalid_auth: TOKEN,
  not_authed: TOKEN,
  token_expired: TOKEN,
  token_revoked: TOKEN,
  channel_not_found: CHANNEL,
  not_in_channel: CHANNEL,
  is_archived: 'Unarchive the channel or name another one, then retry.',
  msg_too_long: TEXT,
  no_text: TEXT,
  restricted_action:
    'A preference of the workspace keeps the bot from that: ask its administrator, then retry.',
  cant_archive_general: 'Slack keeps this channel for everybody: name another one.',
  cant_archive_required: 'The workspace requires this channel: name another one.',
};

const unavailable = (message: string, retryAfterSeconds?: number): ApplicationFailure =>
  ApplicationFailure.create({
    message: `${message}. It is tried again.`,
    type: 'VendorUnavailable',
    ...(retryAfterSeconds === undefined || retryAfterSeconds === 0
      ? {}
      : { nextRetryDelay: retryAfterSeconds * 1000 }),
  });

const refused = (message: string, next: string, detail: Record<string, unknown>): ApplicationFailure =>
  ApplicationFailure.nonRetryable(`${message}. ${next}`, 'VendorRefused', detail);

/** Slack's code in a failure of `slackFailure`; undefined for one that is not a refusal by Slack. */
export function refusalCode(error: unknown): unknown {
  if (!(error instanceof ApplicationFailure) || error.type !== 'VendorRefused') return undefined;
  const detail: unknown = error.details?.[0];
  return typeof detail === 'object' && detail !== null ? Reflect.get(detail, 'code') : undefined;
}

/**
 * What Slack's client threw, as a failure that is retryable or names the next action. Only error codes and statuses
 * are taken over: the client's errors also hold whole answers.
 */
export function slackFailure(error: unknown, what: string): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  if (error instanceof WebAPIRateLimitedError) {
    return unavailable(`${what}: too many requests to Slack`, error.retryAfter);
  }
  if (error instanceof WebAPIPlatformError) return platformFailure(error, what);
  if (error instanceof WebAPIHTTPError) {
    const { statusCode: status } = error;
    const message = `${what}: HTTP ${status} from Slack`;
    if (RETRYABLE_STATUSES.includes(status)) return unavailable(message);
    return refused(message, 'Check the address that the worker reaches Slack at, then retry.', { status });
  }
  if (error instanceof WebAPIRequestError) {
    const timedOut = error.original.name === 'TimeoutError';
    return unavailable(
      `${what}: ${timedOut ? 'no answer in time from Slack' : 'the connection to Slack failed'}`,
    );
  }
  return unavailable(`${what}: the answer of Slack could not be read`);
}

/** Slack answers 200 with `ok: false` and a code: https://docs.slack.dev/apis/web-api/#responses */
function platformFailure({ data }: WebAPIPlatformError, what: string): ApplicationFailure {
  const code: unknown = data.error;
  if (typeof code !== 'string' || !/^[a-z][a-z0-9_]{0,60}$/.test(code)) {
    return ApplicationFailure.nonRetryable(
      `${what}: the answer does not have the published shape (neither "ok" nor an error code). ` +
        'Look into Slack before you retry: it may have acted.',
      'UnexpectedAnswer',
    );
  }
  const message = `${what}: Slack answered "${code}"`;
  if (RETRYABLE_CODES.has(code)) return unavailable(message, data.response_metadata?.retryAfter);
  if (code === 'missing_scope') {
    const scope: unknown = Reflect.get(data, 'needed');
    const needed = typeof scope === 'string' && /^[a-z.:,_]+$/.test(scope) ? ` "${scope}"` : '';
    return refused(message, `Give the Slack app the scope${needed}, install it again, then retry.`, { code });
  }
  const next =
    NEXT[code] ?? 'See the errors of the method on https://docs.slack.dev/reference/methods, then retry.';
  return refused(message, next, { code });
}
