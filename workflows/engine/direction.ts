import { tagSeverity } from './attributes.js';
import type { Verdict } from './inbox.js';
import { identify } from './policy.js';
import type { Journal } from './record.js';
import type { RunState } from './state.js';
import type { ReadMessage, RefusalCode, Severity } from './types.js';

/** What people say to a run as a whole: notes, who is in charge, how severe it is, and that it must stop. */
export class Direction {
  /** Who cancelled the run. */
  cancelledBy: string | undefined;

  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
    /** The group whose members may start the runbook. */
    private readonly starters: string,
    private readonly stop: () => void,
  ) {}

  takeCharge(person: string): void {
    this.state.inCharge = person;
    this.journal.record({ kind: 'charge.taken', person });
  }

  setSeverity(severity: Severity, person: string | null): void {
    if (this.state.severity === severity) return;
    this.state.severity = severity;
    this.journal.record({ kind: 'severity.set', severity, person });
    tagSeverity(severity);
  }

  note(message: ReadMessage): Verdict {
    const who = identify(message);
    if ('refused' in who) return who;
    if (!message.hasReason) return { refused: 'ReasonRequired' };
    this.state.notes += 1;
    return { accepted: 'Your note is on the record.' };
  }

  /** Whoever may start a runbook, started this run, or is in charge of it. */
  private mayDirect(message: ReadMessage): { refused: RefusalCode } | { person: string } {
    const who = identify(message);
    if ('refused' in who) return who;
    const { requesters, inCharge } = this.state;
    const may =
      message.groups.includes(this.starters) || requesters.includes(who.person) || inCharge === who.person;
    return may ? who : { refused: 'NotInGroup' };
  }

  handOver(message: ReadMessage): Verdict {
    const who = this.mayDirect(message);
    if ('refused' in who) return who;
    const { to } = message;
    if (to === undefined || to === null) return { refused: 'UnknownSuccessor' };
    this.takeCharge(to);
    return { accepted: 'The run is handed over.' };
  }

  changeSeverity(message: ReadMessage): Verdict {
    const who = this.mayDirect(message);
    if ('refused' in who) return who;
    if (message.severity === undefined) return { refused: 'BadValue' };
    if (!message.hasReason) return { refused: 'ReasonRequired' };
    this.setSeverity(message.severity, who.person);
    return { accepted: `The severity is ${message.severity} now.` };
  }

  cancel(message: ReadMessage): Verdict {
    const who = this.mayDirect(message);
    if ('refused' in who) return who;
    if (!message.hasReason) return { refused: 'ReasonRequired' };
    if (this.state.phase !== 'running') return { refused: 'AlreadyClosed' };
    this.cancelledBy = who.person;
    this.stop();
    return { accepted: 'The run is cancelled; what it did is undone now.' };
  }
}
