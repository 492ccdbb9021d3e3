import type {
  MessageRead,
  Mode,
  Origin,
  Plan,
  RefusalCode,
  RunRequest,
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
      readonly org: string;
      readonly input: Readonly<Record<string, unknown>>;
      readonly config: unknown;
      readonly plan: Plan;
      readonly planDigest: string;
      readonly origin: Origin;
      readonly requesters: readonly string[];
    }
  | { readonly admitted: false; readonly code: string; readonly sentence: string };

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
  /** Tells people. */
  'engine.announce'(request: { identity: RunIdentity; notice: Notice; key: string }): Promise<void>;
}
