import type { EvidenceSource, Report } from '../../activities/engine/contract.js';
import { engine } from './engine-activities.js';
import type { Verdict } from './inbox.js';
import { identify } from './policy.js';
import { untilRecorded, type Journal } from './record.js';
import { isoNow, nthId, type RunState } from './state.js';
import type { EvidenceStatus, ReadMessage } from './types.js';

/** What belongs to the record of a run: the content is kept outside the history, its hash in the ledger. */
export class Evidence {
  private readonly used: string[] = [];

  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
  ) {}

  /** Keeps a text, a link, or the name and hash of a file. */
  async keep(base: string, what: string, source: EvidenceSource): Promise<EvidenceStatus> {
    const id = this.nextId(base);
    const { hash } = await untilRecorded(() =>
      engine.keepEvidence.executeWithOptions({ activityId: `engine.keepEvidence/${id}`, summary: what }, [
        { identity: this.journal.identity, id, source, virtual: isoNow() },
      ]),
    );
    const kind = 'link' in source ? 'link' : 'file' in source ? 'file' : 'text';
    return this.show({ id, what, source: kind, hash, at: isoNow() });
  }

  /** Drafts a report from the record as it is now, the same from the same record, and keeps it. */
  async report(base: string, what: string, report: Report): Promise<EvidenceStatus> {
    const id = this.nextId(base);
    // Everything that the report must hold is on the record first.
    await this.journal.written();
    const { deadlines, decisions, evidence, gates, severity } = this.state;
    const { hash } = await untilRecorded(() =>
      engine.draftReport.executeWithOptions({ activityId: `engine.draftReport/${id}`, summary: what }, [
        {
          identity: this.journal.identity,
          id,
          title: what,
          report,
          picture: { deadlines, decisions, evidence, gates, severity, startedAt: this.state.startedAt },
          virtual: isoNow(),
        },
      ]),
    );
    return this.show({ id, what, source: 'report', hash, at: isoNow() });
  }

  /** Evidence that somebody sent in; its content is in the inbox. */
  receive(message: ReadMessage): Verdict {
    const who = identify(message);
    if ('refused' in who) return who;
    if (message.evidenceCommitment === undefined) return { refused: 'EvidenceRequired' };
    const id = this.nextId('sent-in');
    const { evidenceCommitment: hash } = message;
    this.show({ id, what: 'sent in by a person', source: 'person', hash, at: isoNow(), person: who.person });
    return { accepted: `It is on the record as ${id}.` };
  }

  private nextId(base: string): string {
    const id = nthId(base, this.used);
    this.used.push(id);
    return id;
  }

  private show(status: EvidenceStatus): EvidenceStatus {
    this.state.evidence.push(status);
    return status;
  }
}
