import type { z } from 'zod';
import { dotted } from '../config/load.js';
import type { Assurance, Origin, RunbookSpec } from '../workflows/engine/types.js';

export type AdmissionCode =
  | 'NotAsked'
  | 'UnknownPerson'
  | 'AssuranceNotAccepted'
  | 'MayNotStart'
  | 'InvalidInput'
  | 'UnknownConfig'
  | 'Locked';

export type AdmissionDecision =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly code: AdmissionCode; readonly sentence: string };

/** Everything that the decision depends on. */
export interface AdmissionCase {
  readonly spec: Pick<RunbookSpec, 'name' | 'title' | 'start'>;
  /** The input, parsed by the runbook's schema. */
  readonly parsed: z.ZodSafeParseResult<unknown>;
  /** References of the runbook's `config` that stand for nothing. */
  readonly missingConfig: readonly string[];
  /** Who asked, as proven by an inbox row of this run. */
  readonly person: string | null;
  /** Whether that person is one of ours at this moment. */
  readonly known: boolean;
  readonly groups: readonly string[];
  readonly assurance: Assurance;
  readonly assuranceAccepted: boolean;
  readonly origin: Origin;
  /** A part of a run that was admitted: whoever may start the whole may start its parts. */
  readonly ofAdmittedParent?: boolean;
}

/**
 * Whether a run may go on. Pure: asked by `start` for a quick answer, and decisively by the run's first activity.
 * Who asks is judged before what is asked, so that a stranger learns nothing about the configuration.
 */
export function decideAdmission(admission: AdmissionCase): AdmissionDecision {
  const { spec, parsed, missingConfig, person, known, groups, assurance, assuranceAccepted, origin } =
    admission;
  const refuse = (code: AdmissionCode, sentence: string): AdmissionDecision => ({
    admitted: false,
    code,
    sentence,
  });
  if (person === null) {
    return refuse(
      'NotAsked',
      `${spec.title}: nobody is on record as having asked for this run (origin: ${origin}). ` +
        'Start it with `runbook start` or another surface, not with a bare Temporal client.',
    );
  }
  if (!assuranceAccepted) {
    return refuse(
      'AssuranceNotAccepted',
      `${spec.title}: an identity of assurance "${assurance}" is not accepted here. ` +
        (assurance === 'claimed' ? 'A claimed name counts on the local stack alone. ' : '') +
        'Sign in and start it again.',
    );
  }
  if (!known) {
    return refuse(
      'UnknownPerson',
      `${spec.title}: ${person} is not one of our people. Ask an owner to add you to config/access.yaml.`,
    );
  }
  if (!groups.includes(spec.start) && admission.ofAdmittedParent !== true) {
    return refuse(
      'MayNotStart',
      `${spec.title}: only members of "${spec.start}" may start it; you are in ${
        groups.length === 0 ? 'no group' : groups.join(', ')
      }. Ask one of them, or an owner to add you in config/access.yaml.`,
    );
  }
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${dotted(path) || 'input'}: ${message}`);
    return refuse('InvalidInput', `${spec.title}: the input is not valid. ${issues.join('; ')}`);
  }
  if (missingConfig.length > 0) {
    return refuse(
      'UnknownConfig',
      `${spec.title}: ${missingConfig.join(', ')} ${missingConfig.length === 1 ? 'is' : 'are'} not configured. ` +
        'Correct the input, or add it to the configuration folder.',
    );
  }
  return { admitted: true };
}
