import type { Incident } from './contract.js';

/** Under which the step keys are kept. Every top-level value of `metadata` has to be an object. */
const NAMESPACE = 'runbook';

const marks = ({ metadata }: Pick<Incident, 'metadata'>): Readonly<Record<string, unknown>> => {
  const ours = metadata?.[NAMESPACE];
  return typeof ours === 'object' && ours !== null ? { ...ours } : {};
};

/** Whether the step with this key has already written to the incident. */
export const isMarked = (incident: Pick<Incident, 'metadata'>, key: string): boolean =>
  Object.hasOwn(marks(incident), key);

/** The metadata with the step's mark added: what is sent replaces what was there. */
export const marked = (
  incident: Pick<Incident, 'metadata'>,
  key: string,
  what: string,
): Record<string, unknown> => ({
  ...incident.metadata,
  [NAMESPACE]: { ...marks(incident), [key]: what },
});
