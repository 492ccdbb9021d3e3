import { activityInfo } from '@temporalio/activity';
import type { EngineServices } from '../activities/engine/index.js';
import { escapeMrkdwn } from '../activities/slack/escape.js';
import type { Slack } from '../activities/slack/contract.js';
import type { Directory } from '../triggers/people.js';

/** Channel of an installation that names none. */
export const DEFAULT_CHANNEL = 'operations';

export interface AnnouncerOptions {
  readonly slackFor: (run: string) => Slack;
  readonly directory: Directory;
  readonly channel: string;
}

/** Tells people in Slack. A message whose answer was lost is found by its key and not posted again. */
export function slackAnnouncer({
  slackFor,
  directory,
  channel,
}: AnnouncerOptions): EngineServices['announce'] {
  return async ({ run, mode }, { about, target, groups, person, text }, key) => {
    const slack = slackFor(run);
    const earlier = activityInfo().attempt > 1 ? await slack.findByKey({ channel, key }) : 'not done';
    // In doubt it is said twice: a message to people must not be lost.
    if (typeof earlier === 'object') return;
    const named = await nameAll(text, directory);
    const who =
      person === null
        ? groups.map((group) => `@${group}`).join(' ')
        : ((await directory.nameOf(person)) ?? person);
    const where = target === null ? run : `${run} / ${target}`;
    const banner = mode === 'rehearsal' ? 'REHEARSAL ' : '';
    await slack.postMessage({
      channel,
      key,
      text: escapeMrkdwn(`${banner}[${about}] ${named} (${where}) ${who}`.trim()),
    });
  };
}

/** People are opaque ids in everything that lasts; in a message to people they have names. */
async function nameAll(text: string, directory: Directory): Promise<string> {
  let named = text;
  for (const id of new Set(text.match(/p_[0-9A-HJKMNP-TV-Z]{26}/g) ?? [])) {
    named = named.replaceAll(id, (await directory.nameOf(id)) ?? id);
  }
  return named;
}
