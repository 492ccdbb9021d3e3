import { coveredProcedures } from '../../docs/covered.js';
import type { Context } from './context.js';
import { clean, columns } from './terminal.js';

/** `coverage`: which runbook covers which procedure of the operations documents, and what none covers yet. */
export function coverage(context: Context): void {
  const { colours: c } = context;
  const rows = coveredProcedures(context.catalogue);
  const table = columns(
    rows.map(({ id, runbooks, title }) => [id, runbooks.join(', ') || 'not yet', clean(title)]),
  );
  table.forEach((row, index) => {
    const isCovered = (rows[index]?.runbooks.length ?? 0) > 0;
    context.say(isCovered ? row.join('  ') : c.dim(row.join('  ')));
  });
  const covered = rows.filter(({ runbooks }) => runbooks.length > 0).length;
  context.say(`${covered} of ${rows.length} procedures have a runbook.`);
  context.document(rows);
}
