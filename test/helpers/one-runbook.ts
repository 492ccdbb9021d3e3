import { findRunbook, type CatalogueEntry } from '../../triggers/catalogue.js';
import type { RehearsalHost } from '../../worker/rehearsal/index.js';
import type { Rehearsal } from '../../workflows/engine/types.js';
import { rehearsalHost, testInstallation, type TestInstallation } from './engine.js';
import { observe, type Experiment, type Observed } from './rehearsals.js';

/** One runbook, and all that its rehearsals need. */
export interface Trials {
  readonly installation: TestInstallation;
  /** A rehearsal by its name, as it is shipped. @throws Error when there is none */
  named(name: string): Rehearsal<unknown>;
  rehearse(rehearsal: Rehearsal<unknown>, experiment?: Omit<Experiment, 'rehearsal'>): Promise<Observed>;
  close(): Promise<void>;
}

/** Opens an installation in which a runbook is rehearsed. */
export async function trialsOf(runbook: string): Promise<Trials> {
  const installation = await testInstallation();
  const host: RehearsalHost = await rehearsalHost(installation);
  const { catalogue, configuration } = installation.installation;
  const entryOf = (): CatalogueEntry => {
    const entry = findRunbook(catalogue, runbook);
    if (entry === undefined) throw new Error(`${runbook} is not in the catalogue.`);
    return entry;
  };
  return {
    installation,
    named(name) {
      const found = entryOf().spec.rehearsals.find((rehearsal) => rehearsal.name === name);
      if (found === undefined) throw new Error(`no rehearsal "${name}"`);
      return found;
    },
    rehearse: (rehearsal, experiment = {}) => {
      const lab = {
        host,
        client: installation.rehearsal,
        entry: entryOf(),
        inventory: configuration.secrets.get(),
      };
      return observe(lab, { rehearsal, closely: false, ...experiment });
    },
    async close() {
      await host.close();
      await installation.close();
    },
  };
}
