import type { Notifications, Way } from '../../config/notifications.js';
import type { Run } from '../engine/runbook.js';
import { SEVERITIES, type Severity } from '../engine/types.js';

/** Longest text of an SMS that is one message. */
const SMS_CHARACTERS = 160;

export interface Message {
  /** Audience of config/notifications.yaml. */
  readonly audience: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly text: string;
}

/** Ids for the plan: the steps by which an audience is reached, at any severity. */
export function notifying({ audiences }: Notifications, ...names: readonly string[]): string[] {
  const ways = names.flatMap((name) => SEVERITIES.flatMap((severity) => audiences[name]?.[severity] ?? []));
  return [...new Set(ways.map(stepOf))];
}

/**
 * Tells an audience in every way that is configured for the severity, all at once. Done in the background: nothing
 * waits for a message, but the run does not end before each was sent or a person has decided about it.
 */
export function notify(run: NotifyingRun, message: Message): void {
  for (const send of sendings(run, message)) run.meanwhile(send);
}

/** Tells an audience like `notify`, and waits until every message is sent: for a clock that stops then. */
export async function tell(run: NotifyingRun, message: Message): Promise<void> {
  await Promise.all(sendings(run, message).map((send) => send()));
}

type NotifyingRun = Run<{ readonly notifications: Notifications }>;

/** One function for each way. */
function sendings(
  run: NotifyingRun,
  { audience, severity, subject, text }: Message,
): (() => Promise<unknown>)[] {
  const { slack, email, sms, pagerduty } = run.steps;
  const ways = run.config.notifications.audiences[audience]?.[severity] ?? [];
  return ways.map((way) => () => {
    if ('slack' in way) return slack.post({ channel: way.slack, text: `*${subject}* ${text}` });
    if ('email' in way) return email.send({ audience: way.email, subject, body: text });
    if ('sms' in way) return sms.send({ audience: way.sms, text: subject.slice(0, SMS_CHARACTERS) });
    return pagerduty.trigger({ summary: subject, severity: way.pagerduty });
  });
}

function stepOf(way: Way): string {
  if ('slack' in way) return 'slack.post';
  if ('email' in way) return 'email.send';
  if ('sms' in way) return 'sms.send';
  return 'pagerduty.trigger';
}
