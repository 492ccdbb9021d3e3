import { ApplicationFailure } from '@temporalio/common';
import { LogLevel, WebClient, type Logger, type WebAPICallResult } from '@slack/web-api';
import type { z } from 'zod';
import { answer } from '../http.js';
import { channelCalls } from './channels.js';
import { channelList, history, identity, postedMessage, type Slack } from './contract.js';
import { slackFailure } from './failure.js';

export const SLACK_BASE_URL = new URL('https://slack.com/api');

/** Type of the metadata that a step's message carries: https://docs.slack.dev/messaging/message-metadata */
export const STEP_EVENT = 'runbook_step';

/** Slack cuts longer texts: https://docs.slack.dev/reference/methods/chat.postMessage#truncating */
const MAX_TEXT = 40_000;
/** Slack recommends pages of at most 200: https://docs.slack.dev/apis/web-api/pagination */
export const PAGE = 200;
const MAX_HISTORY_PAGES = 25;
export const MAX_CHANNEL_PAGES = 100;

export interface SlackConfig {
  readonly baseUrl?: URL;
  /**
   * Bot token with chat:write, channels:read, channels:history, channels:manage (groups:* for private channels).
   */
  readonly token: string;
  /** Milliseconds until a request without an answer is given up. Default: 10 s. */
  readonly timeoutMs?: number;
}

/** One request with Slack's client; throws as `postMessage`. */
export type SlackCall = <S extends z.ZodType>(
  what: string,
  schema: S,
  method: () => Promise<WebAPICallResult>,
) => Promise<z.output<S>>;

/** Every failure is thrown; the client's own log lines would only repeat it. */
const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  setLevel: () => undefined,
  getLevel: () => LogLevel.ERROR,
  setName: () => undefined,
};

const isChannelId = (channel: string): boolean => /^[CGD][A-Z0-9]{8,}$/.test(channel);

/** The real client. Temporal retries, so Slack's own client does not: it would also hold everybody's calls on a 429. */
export const slack = ({ baseUrl = SLACK_BASE_URL, token, timeoutMs = 10_000 }: SlackConfig): Slack => {
  const client = new WebClient(token, {
    slackApiUrl: baseUrl.href,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: timeoutMs,
    // A redirect is never followed, and is no reason to try again: the client's own `error` can't be told from a
    // connection that failed.
    fetch: (url, init) => fetch(url, { ...init, redirect: 'manual' }),
    logger: SILENT,
  });
  const idsByName = new Map<string, string>();

  const call: SlackCall = async (what, schema, method) => {
    let result: WebAPICallResult;
    try {
      result = await method();
    } catch (error) {
      throw slackFailure(error, what);
    }
    return await answer(schema, Response.json(result), what);
  };

  /** The id of a channel; of names, those that were looked up before are remembered. */
  async function channelId(channel: string): Promise<string> {
    if (isChannelId(channel)) return channel;
    const name = channel.replace(/^#/, '');
    const known = idsByName.get(name);
    if (known !== undefined) return known;
    const what = `look for the channel #${name} in Slack`;
    let cursor = '';
    for (let pages = 0; pages < MAX_CHANNEL_PAGES; pages += 1) {
      const page = await call(what, channelList, () =>
        client.conversations.list({
          types: 'public_channel,private_channel',
          exclude_archived: true,
          limit: PAGE,
          ...(cursor === '' ? {} : { cursor }),
        }),
      );
      const id = page.channels.find((candidate) => candidate.name === name)?.id;
      if (id !== undefined) {
        idsByName.set(name, id);
        return id;
      }
      cursor = page.response_metadata?.next_cursor ?? '';
      if (cursor === '') break;
    }
    throw ApplicationFailure.nonRetryable(
      `${what}: the bot sees no such channel. Check the name or use the id of the channel, and invite the bot into it with /invite (it does not see a private channel before), then retry.`,
      'VendorRefused',
      { code: 'channel_not_found' },
    );
  }

  return {
    ...channelCalls(client, call),

    // https://docs.slack.dev/reference/methods/chat.postMessage
    async postMessage({ channel, text, key }) {
      const what = `post a message in Slack channel ${channel}`;
      if (text.length > MAX_TEXT) {
        throw ApplicationFailure.nonRetryable(
          `${what}: the text has ${text.length} characters, ${MAX_TEXT} are allowed. Shorten it, then retry.`,
          'MessageTooLong',
        );
      }
      const id = await channelId(channel);
      return await call(what, postedMessage, () =>
        client.chat.postMessage({
          channel: id,
          text,
          metadata: { event_type: STEP_EVENT, event_payload: { key } },
          unfurl_links: false,
          unfurl_media: false,
        }),
      );
    },

    // https://docs.slack.dev/reference/methods/conversations.history
    async findByKey({ channel, key }) {
      const what = `look for an earlier message in Slack channel ${channel}`;
      const id = await channelId(channel);
      let cursor = '';
      for (let page = 0; page < MAX_HISTORY_PAGES; page += 1) {
        const { messages, has_more, response_metadata } = await call(what, history, () =>
          client.conversations.history({
            channel: id,
            include_all_metadata: true,
            limit: PAGE,
            ...(cursor === '' ? {} : { cursor }),
          }),
        );
        const found = messages.find(
          ({ metadata }) => metadata?.event_type === STEP_EVENT && metadata.event_payload['key'] === key,
        );
        if (found !== undefined) return { done: { channel: id, ts: found.ts } };
        cursor = response_metadata?.next_cursor ?? '';
        if (!has_more) return 'not done';
        if (cursor === '') return 'unknown';
      }
      return 'unknown';
    },

    // https://docs.slack.dev/reference/methods/auth.test
    async identity() {
      return await call('ask Slack whose token it is', identity, () => client.auth.test());
    },
  };
};
