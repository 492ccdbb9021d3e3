import { z } from 'zod';
import type { Found } from '../step.js';

/** A message as Slack addresses it: the id of its channel and its timestamp. */
export interface PostedMessage {
  readonly channel: string;
  readonly ts: string;
}

/** Slack's Web API as far as steps and the engine use it. */
export interface Slack {
  /**
   * Posts a message that carries `key` in its metadata. Posting is not idempotent at Slack: look with `findByKey`
   * before repeating a call whose answer was lost.
   * @param message.channel id (`C0123456789`), or name with or without `#`
   * @param message.text mrkdwn, at most 40,000 characters; whatever is not meant as markup goes through `escapeMrkdwn`
   * @throws ApplicationFailure `VendorUnavailable` (retryable, after Slack's Retry-After where it sent one);
   * `VendorRefused`, `MessageTooLong`, `UnexpectedAnswer` (not retryable)
   */
  postMessage(message: { channel: string; text: string; key: string }): Promise<PostedMessage>;
  /**
   * Looks for the message with that key in the newest 5,000 messages of the channel; `unknown` when it is not among
   * them and there are older ones.
   * @throws ApplicationFailure as `postMessage`
   */
  findByKey(message: { channel: string; key: string }): Promise<Found<PostedMessage>>;
  /** Who the token belongs to. @throws ApplicationFailure as `postMessage` */
  identity(): Promise<{ readonly team: string; readonly user: string }>;
}

/** https://docs.slack.dev/reference/methods/chat.postMessage */
export const postedMessage = z.object({ channel: z.string().min(1), ts: z.string().min(1) });

/** https://docs.slack.dev/reference/methods/conversations.history; metadata of other apps may have any shape. */
export const history = z.object({
  messages: z.array(
    z.object({
      ts: z.string().min(1),
      metadata: z
        .object({ event_type: z.string(), event_payload: z.record(z.string(), z.unknown()) })
        .optional()
        .catch(undefined),
    }),
  ),
  has_more: z.boolean(),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
});

/** https://docs.slack.dev/reference/methods/conversations.list */
export const channelList = z.object({
  channels: z.array(z.object({ id: z.string().min(1), name: z.string() })),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
});

/** https://docs.slack.dev/reference/methods/auth.test */
export const identity = z.object({ team: z.string(), user: z.string() });
