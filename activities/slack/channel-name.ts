/** https://docs.slack.dev/reference/methods/conversations.create#naming */
const LONGEST = 80;

/**
 * Any text as the name of a channel: lower case without accents, digits, hyphens and underscores, at most 80
 * characters. Empty when nothing of the text is left.
 */
export function channelName(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '-')
    .slice(0, LONGEST)
    .replace(/^[-_]+|[-_]+$/g, '');
}

/** The nth name for a channel: `name`, `name-2`, `name-3`, never longer than Slack allows. */
export function numberedName(name: string, n: number): string {
  if (n === 1) return name;
  const suffix = `-${n}`;
  return name.slice(0, LONGEST - suffix.length).replace(/-+$/, '') + suffix;
}
