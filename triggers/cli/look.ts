import type { Plan, Rehearsal } from '../../workflows/engine/types.js';
import type { CatalogueEntry } from '../catalogue.js';
import type { Context } from './context.js';
import { CliError, EXIT } from './exit.js';
import { checkInput, givenInput, inputFlags } from './flags.js';
import { didYouMean } from './nearest.js';
import { sectionTitle } from './status-view.js';
import { clean, columns } from './terminal.js';
import { stepTitle, verbOf } from './titles.js';

/** `list`: the runbooks. */
export function list(context: Context): void {
  const { catalogue, colours: c } = context;
  const entries = [...catalogue.values()];
  const rows = columns(entries.map(({ command, spec }) => [command, spec.title]));
  entries.forEach(({ spec }, index) => {
    const [command = '', title = ''] = rows[index] ?? [];
    context.say(`${c.bold(command)}  ${clean(title)}`);
    context.say(c.dim(`  ${clean(spec.summary)}`));
  });
  if (entries.length === 0) context.say('There is no runbook yet: see docs/add-a-runbook.md.');
  else
    context.hint(
      '`runbook show NAME` shows the plan; `runbook rehearse NAME` tries it where nothing is real.',
    );
  context.document(
    entries.map(({ command, spec, schema }) => ({
      command,
      name: spec.name,
      title: spec.title,
      summary: spec.summary,
      start: spec.start,
      covers: spec.covers,
      input: schema,
    })),
  );
}

/** `show NAME`: the plan in prose, for the given input or that of the first rehearsal. */
export function show(
  context: Context,
  entry: CatalogueEntry,
  options: Readonly<Record<string, unknown>>,
): void {
  const { colours: c } = context;
  const { configuration } = context.services;
  const { spec, command } = entry;
  const given = givenInput(entry, options);
  const [first] = spec.rehearsals;
  // Whoever gives some flags gets the rest from the first rehearsal: a plan is shown, nothing is started.
  const input = checkInput(entry, { ...asObject(first?.input), ...given }, configuration) as Record<
    string,
    unknown
  >;
  const config = Object.fromEntries(
    Object.entries<string>(spec.config?.(input) ?? {}).map(([name, reference]) => {
      const value = configuration.resolve(reference);
      if (value === undefined) throw new CliError(EXIT.notFound, `${reference} is not configured.`);
      return [name, value];
    }),
  );
  const plan: Plan = spec.plan(input, config);
  const kinds = kindsOf(entry);

  context.say(`${c.bold(clean(spec.title))}  ${c.dim(command)}`);
  context.say(clean(spec.summary));
  context.say(c.dim(`Members of ${spec.start} may start it.`));
  context.say();
  const shown = inputFlags(entry).map(({ field, flag }) => `${flag} ${quotedValue(input[field])}`);
  context.say(`${c.dim('For')} ${clean(shown.join(' '))}`);
  plan.forEach((section, index) => {
    const source = section.source === undefined ? '' : c.dim(`  ${clean(section.source)}`);
    context.say();
    context.say(`${c.bold(sectionTitle(section, index))}${source}`);
    for (const id of section.uses) {
      const info = verbOf(id);
      if (info === undefined) {
        context.say(`   ${kinds.symbol(id, c)} ${kinds.word(id)}: ${clean(id)}`);
      } else {
        const critical = info.critical === true ? c.dim(' (skipping it takes a second person)') : '';
        const title = clean(stepTitle(id, undefined, input));
        context.say(
          info.undoes === true
            ? `   ${c.magenta('↺')} ${c.dim(`Only to take it back: ${title}`)}${critical}`
            : `   ${c.dim('·')} ${title}${critical}`,
        );
      }
    }
  });
  if (spec.corrections !== undefined && spec.corrections.length > 0) {
    context.say();
    context.say(c.bold('Where it departs from the documents'));
    for (const correction of spec.corrections) context.say(`   ${clean(correction)}`);
  }
  context.say();
  context.hint(
    `\`runbook start ${command} --help\` shows every flag; \`runbook rehearsals ${command}\` its rehearsals.`,
  );
  context.document({
    command,
    name: spec.name,
    title: spec.title,
    summary: spec.summary,
    start: spec.start,
    input,
    plan,
  });
}

/** `rehearsals NAME` */
export function rehearsals(context: Context, { spec, command }: CatalogueEntry): void {
  const { colours: c } = context;
  for (const { name, input, ends } of spec.rehearsals) {
    const values = Object.entries(asObject(input)).map(([field, value]) => `${field} ${quotedValue(value)}`);
    context.say(
      `${c.bold(clean(name))}${ends === undefined || ends === 'completed' ? '' : c.yellow(`  ends ${ends}`)}`,
    );
    context.say(c.dim(`  ${clean(values.join(', '))}`));
  }
  if (spec.rehearsals.length === 0) context.say(`${spec.title} has no rehearsal.`);
  else context.hint(`\`runbook rehearse ${command} --rehearsal TITLE\` runs one; part of a title will do.`);
  context.document(
    spec.rehearsals.map(({ name, input, ends }) => ({ name, input, ends: ends ?? 'completed' })),
  );
}

/** A rehearsal by its title or a part of it; the first one without. @throws CliError */
export function findRehearsal(
  { spec, command }: CatalogueEntry,
  title: string | undefined,
): Rehearsal<unknown> {
  const all = spec.rehearsals as readonly Rehearsal<unknown>[];
  const [first] = all;
  if (first === undefined) throw new CliError(EXIT.notFound, `${spec.title} has no rehearsal.`);
  if (title === undefined) return first;
  const wanted = title.toLowerCase();
  const exact = all.find(({ name }) => name.toLowerCase() === wanted);
  const partly = all.filter(({ name }) => name.toLowerCase().includes(wanted));
  const [only] = partly;
  if (exact !== undefined) return exact;
  if (only !== undefined && partly.length === 1) return only;
  const names = all.map(({ name }) => name);
  throw new CliError(
    EXIT.notFound,
    partly.length > 1
      ? `Several rehearsals have "${title}" in their title: ${partly.map(({ name }) => `"${name}"`).join(', ')}. Give more of it.`
      : `${spec.title} has no rehearsal "${title}".${didYouMean(title, names)} \`runbook rehearsals ${command}\` lists them.`,
  );
}

/** What ids without a verb are. Rehearsals use every id of a plan: what nobody answers there is a wait. */
function kindsOf({ spec }: CatalogueEntry) {
  const gates = new Set<string>();
  const manual = new Set<string>();
  for (const { answers } of spec.rehearsals) {
    for (const [id, script] of Object.entries(answers)) {
      for (const answer of Array.isArray(script) ? (script as readonly unknown[]) : [script]) {
        const choice =
          typeof answer === 'object' && answer !== null && 'choice' in answer ? answer.choice : undefined;
        if (choice === undefined) gates.add(id);
        else if (choice !== 'cut-short') manual.add(id);
      }
    }
  }
  return {
    word: (id: string) => (gates.has(id) ? 'People decide' : manual.has(id) ? 'A person does it' : 'Wait'),
    symbol: (id: string, c: Context['colours']) =>
      gates.has(id) ? c.yellow('?') : manual.has(id) ? c.yellow('!') : c.cyan('◷'),
  };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function quotedValue(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return /^[\w./:@-]+$/.test(text) ? text : `"${text}"`;
}
