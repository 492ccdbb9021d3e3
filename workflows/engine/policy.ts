import { ASSURANCES, type Assurance, type ReadMessage, type RefusalCode } from './types.js';

/** What an approval policy demands. */
export interface GatePolicy {
  readonly groups: readonly string[];
  /** Distinct people who must approve. */
  readonly quorum: number;
  readonly minimumAssurance: Assurance;
  readonly reasonAlways: boolean;
  /** People who may not decide: who started the run, who changed its input, who proposed what is decided. */
  readonly excluded: readonly string[];
  readonly planDigest: string;
}

export type Judgement =
  { readonly refused: RefusalCode } | { readonly counted: 'approve' | 'decline'; readonly person: string };

/** What is required of everybody who acts on a run, whatever the act. */
export function identify(message: ReadMessage): { refused: RefusalCode } | { person: string } {
  if (message.person === null) return { refused: 'UnknownPerson' };
  if (!message.assuranceAccepted) return { refused: 'AssuranceNotAccepted' };
  return { person: message.person };
}

/** Judges one decision against a policy. Pure: the same for every surface that a decision came through. */
export function judge(policy: GatePolicy, approvals: readonly string[], message: ReadMessage): Judgement {
  const who = identify(message);
  if ('refused' in who) return who;
  if (policy.excluded.includes(who.person)) return { refused: 'Requester' };
  if (!message.groups.some((group) => policy.groups.includes(group))) return { refused: 'NotInGroup' };
  if (isWeaker(message.assurance, policy.minimumAssurance)) return { refused: 'AssuranceTooLow' };
  if (message.planDigest !== policy.planDigest) return { refused: 'PlanChanged' };
  if (message.verdict === undefined) return { refused: 'BadValue' };
  if (!message.hasReason && (policy.reasonAlways || message.verdict === 'decline')) {
    return { refused: 'ReasonRequired' };
  }
  if (message.verdict === 'approve' && approvals.includes(who.person)) return { refused: 'AlreadyVoted' };
  return { counted: message.verdict, person: who.person };
}

/** Whether the first assurance proves less than the second. */
export function isWeaker(assurance: Assurance, minimum: Assurance): boolean {
  return ASSURANCES.indexOf(assurance) < ASSURANCES.indexOf(minimum);
}
