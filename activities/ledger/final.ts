import { ApplicationFailure } from '@temporalio/common';
import type { Ledger } from './contract.js';
import type { EntryOf } from './entry.js';

/**
 * Appends the final outcome of a step. A step has one: when an attempt that was in doubt comes late, or a person
 * resolved the step meanwhile, the entry that came first stands.
 */
export async function appendFinal(
  ledger: Ledger,
  entry: EntryOf<'step.outcome' | 'step.resolved'> & { readonly final: true },
): Promise<void> {
  try {
    await ledger.append([{ eventKey: `${entry.run}/step/${entry.step}/final`, entry }]);
  } catch (error) {
    if (!(error instanceof ApplicationFailure && error.type === 'EventKeyReused')) throw error;
  }
}
