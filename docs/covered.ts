import type { Catalogue } from '../triggers/catalogue.js';
import { citation, readProcedures, type Procedure } from './procedures.js';

/** A procedure of the operations documents and the commands of the runbooks that cover it. */
export interface CoveredProcedure extends Procedure {
  readonly citation: string;
  readonly runbooks: readonly string[];
}

/** Every procedure of the documents, with the runbooks that cover it. */
export function coveredProcedures(catalogue: Catalogue): CoveredProcedure[] {
  return readProcedures().map((procedure) => ({
    ...procedure,
    citation: citation(procedure),
    runbooks: [...catalogue.values()]
      .filter(({ spec }) => spec.covers.includes(procedure.id))
      .map(({ command }) => command),
  }));
}
