import type {
  MessageRead,
  Mode,
  Origin,
  Plan,
  RefusalCode,
  RunRequest,
  RunStatus,
} from '../../workflows/engine/types.js';
import type { LedgerEntry } from '../ledger/entry.js';

export interface AdmitRequest {
  readonly run: string;
  readonly runbook: string;
  readonly mode: Mode;
  /** As it came: anybody with access to Temporal may have started the workflow. */
  readonly request: RunRequest;
  /** Workflow id of the parent run, when Temporal says there is one. */
  readonly parent: string | null;
  readonly virtual: string;
}

export type Admission =
  | {
      readonly admitted: true;
      readonly mode: Mode;
      readonly org: string;
      readonly input: Readonly<Record<string, unknown>>;
      readonly config: unknown;
      readonly plan: Plan;
      readonly planDigest: string;
      readonly origin: Origin;
      readonly requesters: readonly string[];
      /** The lock of the run: taken, or held by another run for which this one waits. */
      readonly lock: LockTaken | LockAwaited | null;
    }
  | { readonly admitted: false; readonly code: string; readonly sentence: string };

export interface LockTaken {
  readonly resource: string;
  /** Workflow id of the lock; null when a parent of the run holds it. */
  readonly workflowId: string | null;
  readonly since: string;
}

export interface LockAwaited {
  readonly resource: string;
  /** Workflow id of the run that holds it. */
  readonly heldBy: string;
}

/** Content that is kept for the record. A file is named and hashed by the step that made it. */
export type EvidenceSource =
  { readonly text: string } | { readonly link: string } | { readonly file: string; readonly sha256: string };

/** What a drafted report is made of. */
export interface Report {
  readonly kind: 'initial report' | 'post-mortem' | 'incident report';
  /** Facts that the runbook adds, as heading and lines. Nothing personal. */
  readonly facts: readonly { readonly heading: string; readonly lines: readonly string[] }[];
}

export interface DraftRequest {
  readonly identity: RunIdentity;
  readonly id: string;
  readonly title: string;
  readonly report: Report;
  readonly picture: Pick<
    RunStatus,
    'deadlines' | 'decisions' | 'evidence' | 'gates' | 'severity' | 'startedAt'
  >;
  readonly virtual: string;
}

type AddedField = 'v' | 'org' | 'mode' | 'run' | 'runbook' | 'at';
/**
 * An entry as the workflow knows it; the activity adds what is the same for the whole run, the wall time, the hash of
 * a result (a workflow can't compute it) and the commitment of the evidence in the inbox row.
 */
export type RunEntry = LedgerEntry extends infer E
  ? E extends { resultHash: unknown }
    ? Omit<E, AddedField | 'resultHash' | 'evidence'> & { readonly result: unknown }
    : E extends LedgerEntry
      ? Omit<E, AddedField>
      : never
  : never;

export interface RunIdentity {
  readonly org: string;
  readonly mode: Mode;
  readonly run: string;
  readonly runbook: string;
}

/** What people are told. Texts are written by the runbook or the engine, never by an alert or a vendor. */
export interface Notice {
  readonly about:
    | 'gate opened'
    | 'gate reminder'
    | 'gate escalated'
    | 'gate closed'
    | 'question asked'
    | 'question reminder'
    | 'question escalated'
    | 'question answered'
    | 'deadline reminder'
    | 'deadline missed'
    | 'child started'
    | 'message refused'
    | 'record unavailable'
    | 'run closed';
  /** Gate, step, manual step or wait it is about. */
  readonly target: string | null;
  readonly groups: readonly string[];
  readonly person: string | null;
  readonly text: string;
  /** The run's clock. */
  readonly virtual: string;
}

export interface Answer {
  readonly inboxId: string;
  readonly target: string | null;
  readonly person: string | null;
  readonly virtual: string;
  readonly refused: RefusalCode | null;
  readonly sentence: string;
}

/** What the engine itself does outside the workflow. */
export interface EngineActivities {
  /**
   * Decides whether the run may go on, whoever started it, and writes that to the ledger.
   * @throws ApplicationFailure `LedgerUnavailable`
   */
  'engine.admit'(request: AdmitRequest): Promise<Admission>;
  /** Appends entries; repeating it changes nothing. @throws ApplicationFailure `LedgerUnavailable` */
  'engine.record'(request: {
    identity: RunIdentity;
    entries: readonly { eventKey: string; entry: RunEntry }[];
  }): Promise<void>;
  /** Reads an inbox row and the groups of its person at this moment. Changes nothing. */
  'engine.readMessage'(request: { inboxId: string; run: string }): Promise<MessageRead>;
  /** Records what became of a message, and tells the person. */
  'engine.answer'(request: { identity: RunIdentity; answer: Answer }): Promise<void>;
  /** Digest of the plan after a step's input was changed. */
  'engine.amend'(request: {
    planDigest: string;
    step: string;
    input: unknown;
  }): Promise<{ planDigest: string }>;
  /** Keeps content outside the history, and its hash in the ledger. @throws ApplicationFailure `LedgerUnavailable` */
  'engine.keepEvidence'(request: {
    identity: RunIdentity;
    id: string;
    source: EvidenceSource;
    virtual: string;
  }): Promise<{ hash: string }>;
  /** Drafts a report from the record and keeps it as evidence. @throws ApplicationFailure `LedgerUnavailable` */
  'engine.draftReport'(request: DraftRequest): Promise<{ hash: string }>;
  /** Takes a lock for a run, or says which run holds it. */
  'engine.takeLock'(request: { run: string; resource: string }): Promise<LockTaken | LockAwaited>;
  /** Returns when the run holds the lock: its holder has released it, or has closed without doing so. */
  'engine.waitForLock'(request: {
    run: string;
    org: string;
    mode: Mode;
    resource: string;
  }): Promise<LockTaken>;
  /** Tells people. */
  'engine.announce'(request: { identity: RunIdentity; notice: Notice; key: string }): Promise<void>;
}
