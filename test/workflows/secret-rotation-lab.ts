import { findRunbook } from '../../triggers/catalogue.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { rehearsals } from '../../workflows/rehearsals/secret-rotation.js';
import { rehearsalHost, testInstallation, type TestInstallation } from '../helpers/engine.js';
import {
  isUndo,
  observe,
  ofKind,
  type Experiment,
  type Observed,
  type Visit,
} from '../helpers/rehearsals.js';

export interface RotationLab {
  readonly installation: TestInstallation;
  rehearse(rehearsal: Rehearsal<unknown>, experiment?: Omit<Experiment, 'rehearsal'>): Promise<Observed>;
  close(): Promise<void>;
}

/** A place to rehearse rotations in, and to look on. */
export async function rotationLab(): Promise<RotationLab> {
  const installation = await testInstallation();
  const host = await rehearsalHost(installation);
  const { catalogue, configuration } = installation.installation;
  const entry = findRunbook(catalogue, 'secretRotation');
  if (entry === undefined) throw new Error('the runbook is not in the catalogue');
  const lab = { host, client: installation.rehearsal, entry, inventory: configuration.secrets.get() };
  return {
    installation,
    rehearse: (rehearsal, experiment = {}) => observe(lab, { rehearsal, ...experiment }),
    close: async () => {
      await host.close();
      await installation.close();
    },
  };
}

/** A rehearsal of the runbook by its name, as it is or to be changed. */
export function named(name: string): Rehearsal<unknown> {
  const found = rehearsals.find((rehearsal) => rehearsal.name === name);
  if (found === undefined) throw new Error(`no rehearsal "${name}"`);
  return found;
}

/** What was done, without what was taken back. */
export const forward = ({ visits }: Observed): readonly Visit[] => visits.filter((visit) => !isUndo(visit));
export const activitiesOf = (observed: Observed): string[] =>
  forward(observed).map(({ activity }) => activity);
export const undoneOf = ({ visits }: Observed): string[] =>
  visits.filter(isUndo).map(({ activity }) => activity);

/** The run's clock when a step first began, in milliseconds. */
export const begunAt = (observed: Observed, activity: string): number =>
  Date.parse(ofKind(observed, 'step.intent').find((intent) => intent.activity === activity)?.virtual ?? '');

/** References of the values of a secret that the simulated application accepts. */
export function acceptedOf({ world }: Observed, secret: string): readonly string[] | undefined {
  const { accepted } = world.dump()['application'] as { accepted: Record<string, readonly string[]> };
  return accepted[secret];
}
