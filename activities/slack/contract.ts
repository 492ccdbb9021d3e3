import { z } from 'zod';
import type { Found } from '../step.js';

/** A message as Slack addresses it: the id of its channel and its timestamp. */
export interface PostedMessage {
  readonly channel: string;
  readonly ts: string;
}

/** A channel that a step opened. */
export interface OpenedChannel {
  /** Id of the channel. */
  readonly channel: string;
  /** Its name without `#`; differs from the wanted one where that was taken. */
  readonly name: string;
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
  /**
   * Opens a public channel that carries `key` in its description, once per key. A name that is taken gets `-2`, `-3`
   * and so on.
   * @param channel.name as `channelName` makes it
   * @param channel.topic plain text; longer ones are cut to 250 characters
   * @param channel.repeated whether an earlier attempt may have opened the channel already
   * @throws ApplicationFailure as `postMessage`; `NameTaken` (not retryable) when all names are
   */
  createChannel(channel: {
    name: string;
    topic: string;
    key: string;
    repeated: boolean;
  }): Promise<OpenedChannel>;
  /** Archives a channel by id. One that is archived already is fine. @throws ApplicationFailure as `postMessage` */
  archiveChannel(channel: string): Promise<void>;
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

/** https://docs.slack.dev/reference/methods/conversations.create */
export const createdChannel = z.object({
  channel: z.object({ id: z.string().min(1), name: z.string().min(1) }),
});

/** https://docs.slack.dev/reference/objects/conversation-object; archived channels keep their names. */
export const channelDetails = z.object({
  channels: z.array(
    z.object({
      id: z.string().min(1),
      name: z.string(),
      /** Unix seconds. */
      created: z.number().optional(),
      creator: z.string().optional(),
      purpose: z.object({ value: z.string() }).optional(),
    }),
  ),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
});

/** https://docs.slack.dev/reference/methods/auth.test */
export const ownId = z.object({ user_id: z.string().min(1) });

/** Methods whose answer holds nothing that is used. */
export const accepted = z.object({ ok: z.literal(true) });

/** Same source as `ownId`. */
export const identity = z.object({ team: z.string(), user: z.string() });
