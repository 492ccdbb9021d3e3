import type { Duration } from '@temporalio/common';
import type { z } from 'zod';
import type { Mode } from './mode.js';

export type { Mode };

/** Where a run was started from. `temporal` is anybody with access to Temporal itself. */
export type Origin =
  'slack' | 'alert' | 'schedule' | 'cli' | 'api' | 'console' | 'rehearsal' | 'parent' | 'temporal';

/** How sure we are of who acted, weakest first. `claimed` exists on the local stack only. */
export const ASSURANCES = ['claimed', 'slack', 'token', 'step-up'] as const;
export type Assurance = (typeof ASSURANCES)[number];

/** The only argument of every runbook's workflow. */
export interface RunRequest {
  readonly org: string;
  readonly input: unknown;
  /** The inbox row (kind `start`) that says who asked. Without it nobody proven asked. */
  readonly inboxId?: string;
  /** Of a child: the requesters of its parent, none of whom may approve here either. */
  readonly requesters?: readonly string[];
}

/** A part of the plan: a heading of the prose and the step, gate and wait ids that may occur under it. */
export interface PlanSection {
  readonly heading: string;
  /** File and lines of the document, `002_c9cf85ce92b0c6c9.txt 36-38`. */
  readonly source?: string;
  /** `system.verb` for steps (and their undo), the id for gates, manual steps and waits. */
  readonly uses: readonly string[];
}
export type Plan = readonly PlanSection[];

/** What a scripted person does in a rehearsal. */
export interface ScriptedAnswer {
  /** A person of the rehearsal's cast: simulators/cast.ts. */
  readonly by: string;
  /** Virtual time after the question. Default: at once. */
  readonly after?: Duration;
  /** For a gate. */
  readonly verdict?: 'approve' | 'decline';
  /** For a failed step, a manual step or a wait. */
  readonly choice?: OperatorChoice;
  /** For a decision: one of its choices. */
  readonly option?: string;
  readonly reason?: string;
  /** The run refuses it, and that is what the script shows. Nobody else answers then. */
  readonly refused?: boolean;
  readonly evidence?: string;
  readonly result?: unknown;
  readonly input?: unknown;
  /**
   * What the person does in the simulated world just before answering: hands in a new value made at the simulated
   * vendor (`runbook secret put`), or revokes the current value of a secret there. The secret's inventory id.
   */
  readonly handsIn?: string;
  readonly revokes?: string;
  /** Other people who answer the same question: a gate may need more than one. */
  readonly also?: readonly ScriptedAnswer[];
}

export interface RehearsalFault {
  readonly operation: string;
  readonly point: 'before' | 'after';
  readonly times?: number;
  readonly status?: number;
}

export interface WorldPreset {
  /** Failed part of the application's requests, 0 to 1, one per look; the last one repeats. */
  readonly errorRates?: readonly number[];
  /** Health checks of the application that fail, per look; the last list repeats. */
  readonly failingChecks?: readonly (readonly string[])[];
  /** The same for environments other than production, by name. */
  readonly failingChecksIn?: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** Environments that the application runs in from the start, beside production. */
  readonly environments?: readonly string[];
  /** Encrypted fields that can't be read with the new key. */
  readonly unreadableFields?: number;
  /** Events that Stripe could not deliver. */
  readonly failedDeliveries?: number;
  /** Log lines that show a use of the old key. */
  readonly logMatches?: number;
  /** The application's breach check finds something. */
  readonly breachSuspected?: boolean;
  /** Accounts whose access to the application looks wrong. */
  readonly suspiciousAccounts?: number;
  /** Deployments and changes of the configuration before the run. */
  readonly recentChanges?: number;
  /** The application's database migrations are refused. */
  readonly failingMigrations?: boolean;
  /** How often switching maintenance mode off is answered and has no effect. */
  readonly stuckMaintenance?: number;
  /** Secrets whose key id at the vendor is not known, as when a person once handed the value in. */
  readonly withoutKeyId?: readonly string[];
  /** Secrets that the simulated vendor goes on accepting after they were revoked. */
  readonly neverRefused?: readonly string[];
  /** How many times a public resolver goes on giving an old answer after a DNS record was changed. Default: 0. */
  readonly slowResolvers?: number;
  /** The newest backup of a database can't be restored. */
  readonly damagedBackups?: boolean;
  /** What the integrity check of a database finds: names of tables, indexes and constraints. */
  readonly integrityProblems?: readonly string[];
  /** How far the replica `app-dr` is behind, in seconds. */
  readonly staleReplica?: number;
  /** Files at the recovery site, and at the live one, that are nowhere else. */
  readonly strayFiles?: number;
  /** The service runs at its recovery site: its name points there, and the environment is deployed. */
  readonly failedOver?: boolean;
  /** Somebody goes on writing to a database after it was backed up. */
  readonly writesAfterBackup?: boolean;
}

export interface Rehearsal<I> {
  readonly name: string;
  readonly input: I;
  /** How the simulated world differs from one where all is well. */
  readonly world?: WorldPreset;
  readonly faults?: readonly RehearsalFault[];
  /** By gate, wait, manual step or step id; an array answers one after the other. */
  readonly answers: Readonly<Record<string, ScriptedAnswer | readonly ScriptedAnswer[] | 'nobody'>>;
  /** How the run must end. Default: completed. */
  readonly ends?: RunOutcome;
}

export interface RunbookSpec<I extends z.ZodObject = z.ZodObject, C = unknown> {
  /** camelCase; equals the export's name and the workflow type. */
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  /** Rows of docs/procedures.json. */
  readonly covers: readonly string[];
  /** What the documents got wrong, in one line each. */
  readonly corrections?: readonly string[];
  readonly input: I;
  /** The group whose members may start it. */
  readonly start: string;
  /** What only one run at a time may touch: `service/shop`. A child shares the locks of its parents. */
  readonly lock?: (input: z.output<I>) => string;
  /** What a run does when another one holds its lock. Default: it is refused, with the name of the holder. */
  readonly whenLocked?: 'refuse' | 'queue';
  /** Configuration that the run needs, as references: `secrets/openai/api-key`. Resolved once, at admission. */
  readonly config?: (input: z.output<I>) => Readonly<Record<keyof NoInfer<C> & string, string>>;
  readonly plan: (input: z.output<I>, config: C) => Plan;
  readonly rehearsals: readonly Rehearsal<z.input<I>>[];
}

/** What a runbook's file declares. Scripts whose input names moments follow from the time of the rehearsal. */
export type DeclaredSpec<I extends z.ZodObject = z.ZodObject, C = unknown> = Omit<
  RunbookSpec<I, C>,
  'rehearsals'
> & {
  readonly rehearsals: RunbookSpec<I, C>['rehearsals'] | ((now: Date) => RunbookSpec<I, C>['rehearsals']);
};

/**
 * `choose` answers a decision with one of its options, `acknowledge` says that somebody has taken charge, `justify`
 * gives the reason of a missed deadline.
 */
export const OPERATOR_CHOICES = [
  'retry',
  'skip',
  'done',
  'abort',
  'cut-short',
  'choose',
  'acknowledge',
  'justify',
] as const;
export type OperatorChoice = (typeof OPERATOR_CHOICES)[number];

/** What a person can say to a run that is under way. */
export const MESSAGE_KINDS = [
  'decide',
  'operate',
  'note',
  'cancel',
  'evidence',
  'hand-over',
  'severity',
] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** One scale by rank; the labels of the documents contradict each other (`P1` is the first level in two of them). */
export const SEVERITIES = ['sev1', 'sev2', 'sev3', 'sev4'] as const;
export type Severity = (typeof SEVERITIES)[number];

export type RunOutcome = 'completed' | 'rejected' | 'aborted' | 'cancelled' | 'failed' | 'refused';

/** An inbox row as the workflow sees it: read by one local activity, groups looked up at that moment. */
export interface ReadMessage {
  readonly inboxId: string;
  readonly found: true;
  readonly kind: MessageKind;
  readonly org: string;
  readonly run: string;
  /** Gate id, step id, manual step id or wait id. */
  readonly target: string | null;
  readonly person: string | null;
  /** Groups of the person at this moment. */
  readonly groups: readonly string[];
  readonly assurance: Assurance;
  /** Whether this installation accepts that assurance at all (`claimed` only on the local stack). */
  readonly assuranceAccepted: boolean;
  readonly channel: Origin;
  readonly verdict?: 'approve' | 'decline';
  readonly choice?: OperatorChoice;
  /** For `choose`. */
  readonly option?: string;
  /** For a change of severity. */
  readonly severity?: Severity;
  /** For a hand-over: the person who takes charge; null when that is nobody we know. */
  readonly to?: string | null;
  /** What the ledger says of the evidence in the row. */
  readonly evidenceCommitment?: string;
  /** Digest of the plan that the person saw. */
  readonly planDigest?: string;
  /** Whether a reason was given; the text stays in the row. */
  readonly hasReason: boolean;
  readonly hasEvidence: boolean;
  /** Changed input of a step, or the result of a step done by hand: parsed by the verb's schema. */
  readonly input?: unknown;
  readonly result?: unknown;
  /** Why input or result does not fit the verb's schema. */
  readonly problem?: string;
}
export type MessageRead = ReadMessage | { readonly inboxId: string; readonly found: false };

/** Why a message was refused. The sentence for a person is in engine/sentences.ts. */
export type RefusalCode =
  | 'NoSuchMessage'
  | 'OtherRun'
  | 'NoSuchTarget'
  | 'UnknownPerson'
  | 'AssuranceNotAccepted'
  | 'AssuranceTooLow'
  | 'Requester'
  | 'NotInGroup'
  | 'PlanChanged'
  | 'AlreadyClosed'
  | 'TooLate'
  | 'AlreadyVoted'
  | 'ReasonRequired'
  | 'EvidenceRequired'
  | 'ResultRequired'
  | 'BadValue'
  | 'ChoiceNotOffered'
  | 'OptionNotOffered'
  | 'UnknownSuccessor'
  | 'SecondPersonRequired'
  | 'RunClosed';

export interface StepStatus {
  readonly id: string;
  readonly title: string;
  readonly state:
    'running' | 'done' | 'failed' | 'skipped' | 'done by hand' | 'aborted' | 'waiting for the ledger';
  readonly undo: boolean;
  /** The run goes on meanwhile. */
  readonly background?: true;
  readonly startedAt: string;
  readonly endedAt?: string;
}

export interface GateStatus {
  readonly id: string;
  readonly question: string;
  readonly groups: readonly string[];
  readonly quorum: number;
  readonly risk: 'normal' | 'high';
  readonly state: 'open' | 'approved' | 'declined' | 'expired' | 'cancelled';
  readonly openedAt: string;
  readonly deadline: string;
  readonly approvals: readonly string[];
  readonly closedAt?: string;
  /** After the fact: it never undoes. */
  readonly review: boolean;
}

export interface WaitStatus {
  readonly id: string;
  readonly why: string;
  readonly until: string;
  readonly state: 'waiting' | 'over' | 'cut short';
}

export type QuestionKind = 'failed step' | 'manual step' | 'decision' | 'acknowledgement' | 'justification';

/** A question to a person that is open. */
export interface QuestionStatus {
  readonly id: string;
  readonly kind: QuestionKind;
  readonly what: string;
  readonly problem?: string;
  readonly groups: readonly string[];
  readonly choices: readonly OperatorChoice[];
  /** What can be chosen, when it is a decision. */
  readonly options?: readonly string[];
  /** JSON Schema of the result that `done` must bring, when later steps use it. */
  readonly needsResult: boolean;
  readonly askedAt: string;
}

/** What people decided where the answer is not yes or no. */
export interface DecisionStatus {
  readonly id: string;
  readonly question: string;
  readonly option: string;
  readonly by: string;
  readonly at: string;
}

/** A legal or promised clock. */
export interface DeadlineStatus {
  readonly id: string;
  readonly what: string;
  readonly from: string;
  readonly due: string;
  readonly state: 'running' | 'met' | 'missed' | 'justified' | 'stopped';
  /** When it was met, or justified after it was missed. */
  readonly endedAt?: string;
}

export interface EvidenceStatus {
  readonly id: string;
  readonly what: string;
  readonly source: 'text' | 'link' | 'file' | 'report' | 'person';
  /** SHA-256 of the content; of a person's words the salted commitment, since they can be erased. */
  readonly hash: string;
  readonly at: string;
  readonly person?: string;
}

export interface ChildStatus {
  readonly id: string;
  readonly run: string;
  readonly runbook: string;
  readonly state: 'open' | RunOutcome;
  readonly startedAt: string;
  readonly closedAt?: string;
}

export interface LockStatus {
  readonly resource: string;
  readonly state: 'waiting' | 'held' | 'released';
  /** Since when this run holds it, or waits for it. */
  readonly since: string;
  /** The run that holds it while this one waits. */
  readonly heldBy?: string;
}

/** The answer of the `status` query: the whole picture. Times are ISO 8601 UTC, virtual in a rehearsal. */
export interface RunStatus {
  readonly run: string;
  readonly runbook: string;
  readonly title: string;
  readonly org: string;
  readonly mode: Mode;
  readonly state: 'admitting' | 'running' | 'waiting' | 'asking' | 'undoing' | RunOutcome;
  readonly origin: Origin | null;
  readonly requesters: readonly string[];
  readonly startedAt: string;
  readonly now: string;
  readonly closedAt?: string;
  readonly planDigest: string | null;
  readonly plan: Plan;
  readonly steps: readonly StepStatus[];
  readonly gates: readonly GateStatus[];
  readonly waits: readonly WaitStatus[];
  readonly questions: readonly QuestionStatus[];
  readonly decisions: readonly DecisionStatus[];
  readonly deadlines: readonly DeadlineStatus[];
  readonly evidence: readonly EvidenceStatus[];
  readonly children: readonly ChildStatus[];
  readonly locks: readonly LockStatus[];
  /** Run that started this one. */
  readonly parent: string | null;
  readonly severity: Severity | null;
  /** Why the run did not complete; null while it goes on, and when it did. */
  readonly problem: string | null;
  /** Who is in charge of the run at the moment. */
  readonly inCharge: string | null;
  /** What would be undone, first to be undone first. */
  readonly undo: readonly string[];
  readonly notes: number;
  /** Set when the picture comes from the ledger because no worker answered. */
  readonly stale?: boolean;
}
