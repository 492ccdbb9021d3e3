import type { Notifications, Way } from '../../config/notifications.js';
import type { Run } from '../engine/runbook.js';
import type { Severity } from '../engine/types.js';
import { InTurn } from './in-turn.js';
import { notify, type Message } from './notify.js';

type NotifyingRun = Run<{ readonly notifications: Notifications }>;

type PagerSeverity = Extract<Way, { pagerduty: unknown }>['pagerduty'];
interface Page {
  readonly dedupKey: string;
  readonly turns: InTurn;
}
type Status = 'investigating' | 'monitoring' | 'resolved';

/**
 * What the public reads about an incident, in the order in which it happened. Done in the background: an incident does
 * not wait for the status page.
 */
export class StatusPage {
  private readonly turns: InTurn;
  private name: string | undefined;
  private incident: string | undefined;
  private resolved = false;

  constructor(
    private readonly run: NotifyingRun,
    private readonly title: string,
  ) {
    this.turns = new InTurn(run);
  }

  /** Publishes the incident, or its next status; not at a severity that the public is not told of. */
  say(severity: Severity, status: Status, body: string): void {
    const { statuspage } = this.run.steps;
    const impact = this.run.config.notifications.statusPage[severity];
    if (this.name !== undefined) {
      this.turns.add(async () => {
        if (this.incident === undefined) return;
        await statuspage.updateIncident({ incident: this.incident, status, body });
        this.resolved = status === 'resolved';
      });
      return;
    }
    if (impact === 'none' || status === 'resolved') return;
    const name = `${this.title}: disruption`;
    this.name = name;
    this.run.undo('statuspage.updateIncident', 'close the notice on the status page', () => this.close(name));
    this.turns.add(async () => {
      ({ incident: this.incident } = await statuspage.createIncident({ name, status, body, impact }));
    });
  }

  /** Waits until the public has read it. */
  async done(): Promise<void> {
    await this.turns.done();
  }

  private async close(name: string): Promise<void> {
    if (this.resolved) return;
    if (this.incident === undefined) {
      // The answer may be lost: only a person can tell whether it was published.
      await this.run.manual('close-notice', {
        instruction:
          `The response to the incident was stopped while "${name}" was being published. Look at the status page, ` +
          'and resolve the incident there if there is one by this name that nobody updates any more.',
      });
      return;
    }
    await this.run.steps.statuspage.updateIncident({
      incident: this.incident,
      status: 'resolved',
      body: 'This notice is closed: updates no longer appear here.',
    });
  }
}

/** The incident's own channel. Nothing waits for it. */
export class IncidentChannel {
  private readonly turns: InTurn;
  private channel = '';
  private named = '';

  constructor(
    private readonly run: Run,
    name: string,
    topic: string,
  ) {
    this.turns = new InTurn(run);
    this.turns.add(async () => {
      ({ channel: this.channel, name: this.named } = await run.steps.slack.createChannel({ name, topic }));
    });
  }

  say(text: string): void {
    this.turns.add(() => this.run.steps.slack.post({ channel: this.channel, text }));
  }

  /** Its name, once everything that was to be said in it is said: Slack may have it under another one. */
  async name(): Promise<string> {
    await this.turns.done();
    return this.named;
  }
}

/** The pages of an incident at PagerDuty: acknowledged once a person is in charge, and resolved at the end. */
export class Pages {
  private readonly sent: Page[] = [];

  /** @param existing key of the page that started it all, or empty: nobody is paged twice for the same */
  constructor(
    private readonly run: NotifyingRun,
    private readonly existing: string,
  ) {
    if (existing !== '') this.add(existing);
  }

  /** Tells an audience like `notify`. `isFirst`: its page is the one that `existing` was sent for. */
  tell(message: Message, isFirst = false): void {
    const { run } = this;
    const { audience, severity, subject } = message;
    const { audiences, ...notifications } = run.config.notifications;
    const ways = audiences[audience];
    if (ways === undefined) return;
    for (const way of ways[severity]) if ('pagerduty' in way) this.send(subject, way.pagerduty, isFirst);
    const others = { ...ways, [severity]: ways[severity].filter((way) => !('pagerduty' in way)) };
    const config = { notifications: { ...notifications, audiences: { [audience]: others } } };
    notify({ ...run, config }, message);
  }

  acknowledge(): void {
    for (const { dedupKey, turns } of this.sent)
      turns.add(() => this.run.steps.pagerduty.acknowledge({ dedupKey }));
  }

  resolve(): void {
    for (const { dedupKey, turns } of this.sent)
      turns.add(() => this.run.steps.pagerduty.resolve({ dedupKey }));
  }

  private send(summary: string, severity: PagerSeverity, isFirst: boolean): void {
    const known = isFirst ? this.sent.find(({ dedupKey }) => dedupKey === this.existing) : undefined;
    const page = known ?? this.add(`${this.run.id}/page-${this.sent.length + 1}`);
    const { dedupKey } = page;
    page.turns.add(() => this.run.steps.pagerduty.trigger({ summary, severity, dedupKey }));
  }

  private add(dedupKey: string): Page {
    const page = { dedupKey, turns: new InTurn(this.run) };
    this.sent.push(page);
    return page;
  }
}
