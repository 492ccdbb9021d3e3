import { ApplicationFailure } from '@temporalio/common';
import type { WebClient } from '@slack/web-api';
import type { z } from 'zod';
import { numberedName } from './channel-name.js';
import {
  accepted,
  channelDetails,
  createdChannel,
  ownId,
  type OpenedChannel,
  type Slack,
} from './contract.js';
import { refusalCode } from './failure.js';
import { MAX_CHANNEL_PAGES, PAGE, type SlackCall } from './http.js';

/** https://docs.slack.dev/reference/methods/conversations.setTopic#errors, and the same for a purpose */
const LONGEST_TOPIC = 250;

/** Names that are tried: a hundred channels of one name are a mistake of whoever names them. */
const MOST_NAMES = 100;

/**
 * A channel of ours that carries no key after this time was left by an attempt that ended between opening and
 * marking it. Milliseconds.
 */
const UNMARKED_FOR_MS = 2 * 60_000;

type Channel = z.output<typeof channelDetails>['channels'][number];

/** The description of a channel: how its step finds it again. People read it too. */
const purposeOf = (key: string): string => `Opened by a runbook. Reference: ${key}`;

const isUnmarked = ({ purpose }: Channel): boolean => (purpose?.value ?? '') === '';

/** Opens and archives channels. */
export function channelCalls(
  client: WebClient,
  call: SlackCall,
): Pick<Slack, 'createChannel' | 'archiveChannel'> {
  /** Every channel that the bot sees, archived ones as well. */
  async function allChannels(what: string): Promise<readonly Channel[]> {
    const all: Channel[] = [];
    let cursor = '';
    for (let pages = 0; pages < MAX_CHANNEL_PAGES; pages += 1) {
      const page = await call(what, channelDetails, () =>
        client.conversations.list({
          types: 'public_channel',
          exclude_archived: false,
          limit: PAGE,
          ...(cursor === '' ? {} : { cursor }),
        }),
      );
      all.push(...page.channels);
      cursor = page.response_metadata?.next_cursor ?? '';
      if (cursor === '') break;
    }
    return all;
  }

  /** undefined when the name is taken. https://docs.slack.dev/reference/methods/conversations.create */
  async function open(what: string, name: string): Promise<OpenedChannel | undefined> {
    try {
      const { channel } = await call(what, createdChannel, () =>
        client.conversations.create({ name, is_private: false }),
      );
      return { channel: channel.id, name: channel.name };
    } catch (error) {
      if (refusalCode(error) === 'name_taken') return undefined;
      throw error;
    }
  }

  /**
   * Opens the channel or finds the one that an earlier attempt opened: by its key, or, where the attempt ended before
   * it could leave the key, as a channel of the wanted name that the bot opened and nobody has marked.
   */
  async function openOrFind(
    what: string,
    { name, key, repeated }: { name: string; key: string; repeated: boolean },
  ): Promise<OpenedChannel> {
    const first = repeated ? undefined : await open(what, name);
    if (first !== undefined) return first;
    const channels = await allChannels(what);
    const ours = channels.find(({ purpose }) => purpose?.value.includes(key) === true);
    if (ours !== undefined) return { channel: ours.id, name: ours.name };
    const { user_id: self } = await call(what, ownId, () => client.auth.test());
    const isLeftover = (channel: Channel): boolean =>
      channel.creator === self &&
      isUnmarked(channel) &&
      (repeated || Date.now() - (channel.created ?? Infinity) * 1_000 > UNMARKED_FOR_MS);
    for (let n = 1; n <= MOST_NAMES; n += 1) {
      const wanted = numberedName(name, n);
      const there = channels.find((channel) => channel.name === wanted);
      if (there !== undefined && isLeftover(there)) return { channel: there.id, name: there.name };
      // A private channel that the bot is not in has the name as well, and is not in the list.
      const opened = there === undefined ? await open(what, wanted) : undefined;
      if (opened !== undefined) return opened;
    }
    throw ApplicationFailure.nonRetryable(
      `${what}: this name and the ${MOST_NAMES - 1} after it are taken. Choose another name, then retry.`,
      'NameTaken',
    );
  }

  return {
    async createChannel({ name, topic, key, repeated }) {
      const what = `open the Slack channel ${name}`;
      const opened = await openOrFind(what, { name, key, repeated });
      // https://docs.slack.dev/reference/methods/conversations.setPurpose
      await call(what, accepted, () =>
        client.conversations.setPurpose({ channel: opened.channel, purpose: purposeOf(key) }),
      );
      // https://docs.slack.dev/reference/methods/conversations.setTopic
      await call(what, accepted, () =>
        client.conversations.setTopic({ channel: opened.channel, topic: shortened(topic) }),
      );
      return opened;
    },

    // https://docs.slack.dev/reference/methods/conversations.archive
    async archiveChannel(channel) {
      const what = `archive the Slack channel ${channel}`;
      try {
        await call(what, accepted, () => client.conversations.archive({ channel }));
      } catch (error) {
        if (refusalCode(error) !== 'already_archived') throw error;
      }
    },
  };
}

const shortened = (topic: string): string =>
  topic.length <= LONGEST_TOPIC
    ? topic
    : `${topic.slice(0, LONGEST_TOPIC - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
