import { listDrills, readDrill } from '../drills.js';
import { findRunbook } from '../catalogue.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { didYouMean } from './nearest.js';
import { clean, columns, duration, time } from './terminal.js';

/** `drills`: the rehearsals that were stored, newest first. */
export async function drills(
  context: Context,
  { runbook, limit }: { readonly runbook?: string; readonly limit: number },
): Promise<void> {
  const { services, catalogue, colours: c } = context;
  const entry = runbook === undefined ? undefined : findRunbook(catalogue, runbook);
  if (runbook !== undefined && entry === undefined) {
    throw new CliError(
      EXIT.notFound,
      `There is no runbook "${runbook}".${didYouMean(runbook, [...catalogue.keys()])}`,
    );
  }
  const found = await listDrills(services.pool, services.org, {
    limit,
    ...(entry === undefined ? {} : { runbook: entry.spec.name }),
  });
  const rows = columns(
    found.map(({ id, endedAt, report }) => [
      String(id),
      time(endedAt),
      report.runbook,
      clean(report.rehearsal),
      report.outcome,
    ]),
  );
  rows.forEach((row, index) => {
    const report = found[index]?.report;
    const missed = report?.clocks.filter(({ outcome }) => outcome === 'justified').length ?? 0;
    const clocks = missed === 0 ? '' : c.red(`  ${missed} clocks missed`);
    context.say(`${row.join('  ')}  ${c.dim(duration(report?.virtualMs ?? 0))}${clocks}`);
  });
  if (found.length === 0) context.say('No rehearsal was stored yet. `runbook rehearse NAME` makes one.');
  else context.hint('`runbook drill NUMBER` prints the report of one.');
  context.document(found.map(({ id, endedAt, report }) => ({ id, endedAt, ...report })));
}

/** `drill NUMBER`: the report of a rehearsal, in Markdown or as JSON. */
export async function drill(context: Context, id: number): Promise<void> {
  const { services } = context;
  const found = await readDrill(services.pool, services.org, id);
  if (found === undefined) {
    throw new CliError(EXIT.notFound, `There is no drill ${id}. \`runbook drills\` lists them.`);
  }
  for (const line of found.markdown.split('\n')) context.say(clean(line));
  context.document({ id: found.id, endedAt: found.endedAt, ...found.report });
}
