import type {
  GateStatus,
  PlanSection,
  QuestionStatus,
  RunStatus,
  StepStatus,
} from '../../workflows/engine/types.js';
import type { Picture, TimedWait } from './run-status.js';
import { partLines } from './status-parts.js';
import { clean, fromNow, time, type Colours } from './terminal.js';
import type { Names } from './timeline.js';

/** The people whose names a picture needs. */
export function peopleOf(status: RunStatus): string[] {
  return [
    ...status.requesters,
    ...(status.inCharge === null ? [] : [status.inCharge]),
    ...status.decisions.map(({ by }) => by),
    ...status.gates.flatMap(({ approvals }) => approvals),
  ];
}

/** The picture of a run, for people. */
export function statusLines(status: Picture, names: Names, c: Colours): string[] {
  const lines = header(status, names, c);
  if (status.stale === true) {
    lines.push(
      '',
      c.yellow(
        'No worker answers: this is what the ledger knows. Texts are missing, and what happens now may not be in it.',
      ),
    );
  } else if (status.source === 'ledger') {
    lines.push(
      '',
      c.dim('The run is over. No worker answers, so this is told from the ledger: texts are missing.'),
    );
  }
  lines.push('', ...progress(status, c), ...partLines(status, names, c), ...waiting(status, names, c));
  if (status.undo.length > 0) {
    lines.push('', c.bold('Would be taken back if the run ended now'));
    lines.push(...status.undo.map((what) => `  ↺ ${clean(what)}`));
  }
  return lines.filter((line, index) => line !== '' || lines[index - 1] !== '');
}

function header(status: RunStatus, names: Names, c: Colours): string[] {
  const { title, run, state, mode, requesters, origin, startedAt, now, closedAt, notes } = status;
  const by =
    requesters.length === 0 ? '' : `for ${requesters.map((person) => clean(names(person))).join(', ')}`;
  const facts = [
    stateText(state, c),
    mode === 'rehearsal' ? c.magenta('rehearsal') : 'live',
    ...(status.severity === null ? [] : [c.bold(status.severity)]),
    ...(status.inCharge === null ? [] : [`in charge: ${clean(names(status.inCharge))}`]),
    [by, origin === null ? '' : `(${origin})`].filter((part) => part !== '').join(' '),
    `started ${time(startedAt)}, ${fromNow(startedAt, now)}`,
    closedAt === undefined ? '' : `ended ${time(closedAt)}`,
    notes === 0 ? '' : `${notes} ${notes === 1 ? 'note' : 'notes'}`,
  ].filter((fact) => fact !== '');
  return [
    `${c.bold(clean(title))}  ${c.dim(clean(run))}`,
    facts.join(c.dim(' · ')),
    ...(status.problem === null ? [] : [c.red(clean(status.problem))]),
  ];
}

export function stateText(state: string, c: Colours): string {
  switch (state) {
    case 'completed':
      return c.green(state);
    case 'waiting':
    case 'asking':
      return c.yellow(state);
    case 'undoing':
      return c.magenta(state);
    case 'running':
    case 'admitting':
      return c.cyan(state);
    default:
      return c.red(clean(state));
  }
}

/** The plan with what was done of it. A step belongs to the first section, from the current one on, that names it. */
function progress(status: Picture, c: Colours): string[] {
  const { plan, steps, gates, waits, state } = status;
  const done = plan.map((): string[] => []);
  const elsewhere: string[] = [];
  const takenBack: string[] = [];
  let current = 0;
  const place = (id: string, line: string): void => {
    const verb = id
      .replace(/^undo\//, '')
      .replace(/#.*$/, '')
      .replace(/\/.*$/, '');
    const next = plan.findIndex(({ uses }, index) => index >= current && uses.includes(verb));
    // A verb that only an earlier section names was used again: it is shown where the run was by then.
    const index = next === -1 && plan.some(({ uses }) => uses.includes(verb)) ? current : next;
    const isUndo = id.startsWith('undo/');
    if (!isUndo && index > current) current = index;
    (isUndo ? takenBack : (done[index] ?? elsewhere)).push(line);
  };
  const happened = [
    ...steps.map((step) => ({ at: step.startedAt, id: step.id, line: stepLine(step, c) })),
    ...gates.map((gate) => ({ at: gate.openedAt, id: gate.id, line: gateLine(gate, c) })),
    ...waits.map((wait) => ({ at: wait.startedAt ?? status.now, id: wait.id, line: waitLine(wait, c) })),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  for (const { id, line } of happened) place(id, line);
  const isOver = state === 'completed';
  const open = openIds(status);
  const sections = plan.flatMap((section, index) => {
    const isOpen = index === current || section.uses.some((id) => open.has(id));
    const isPassed = (done[index] ?? []).length === 0 ? c.dim('–') : c.green('✓');
    const symbol = isOver || (index < current && !isOpen) ? isPassed : isOpen ? c.cyan('▸') : c.dim('·');
    const title = sectionTitle(section, index);
    return [
      `${symbol} ${index > current && !isOver ? c.dim(title) : title}`,
      ...(done[index] ?? []).map((line) => `     ${line}`),
    ];
  });
  const part = (heading: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['', c.bold(heading), ...lines.map((line) => `  ${line}`)];
  return [
    ...(plan.length === 0
      ? elsewhere.map((line) => `  ${line}`)
      : [...sections, ...part('Besides the plan', elsewhere)]),
    ...part('Taken back', takenBack),
  ];
}

/** What of the plan waits for people, or for time, at the moment. */
function openIds({ gates, questions, waits, deadlines }: Picture): ReadonlySet<string> {
  const ids = [
    ...gates.filter(({ state }) => state === 'open').map(({ id }) => id),
    ...questions.map(({ id }) => id),
    ...waits.filter(({ state }) => state === 'waiting').map(({ id }) => id),
    ...deadlines.filter(({ state }) => state === 'running').map(({ id }) => id),
  ];
  return new Set(ids.map((id) => id.replace(/#\d+$/, '')));
}

export function sectionTitle({ heading }: PlanSection, index: number): string {
  return `${index + 1}. ${clean(heading)}`;
}

function stepLine({ title, state, undo }: StepStatus, c: Colours): string {
  switch (state) {
    case 'done':
      return `${undo ? c.magenta('↺') : c.green('✓')} ${clean(title)}`;
    case 'done by hand':
      return `${c.green('✓')} ${clean(title)} ${c.dim('(done by hand)')}`;
    case 'running':
      return `${c.cyan('…')} ${clean(title)}`;
    case 'skipped':
      return `${c.dim('–')} ${clean(title)} ${c.dim('(skipped)')}`;
    case 'waiting for the ledger':
      return `${c.yellow('…')} ${clean(title)} ${c.yellow('(waiting for the ledger)')}`;
    case 'failed':
    case 'aborted':
      return `${c.red('✗')} ${clean(title)} ${c.red(`(${state})`)}`;
    default:
      return state satisfies never;
  }
}

function waitLine({ id, why, until, state, endedAt = until }: TimedWait, c: Colours): string {
  const text = `${c.cyan('◷')} ${clean(why === '' ? id : why)}`;
  switch (state) {
    case 'waiting':
      return `${text}, until ${time(until)}`;
    case 'over':
      return `${text} ${c.dim(`(over since ${time(endedAt)})`)}`;
    case 'cut short':
      return `${text} ${c.dim(`(cut short at ${time(endedAt)} instead of ${time(until)})`)}`;
    default:
      return state satisfies never;
  }
}

function gateLine({ id, question, state }: GateStatus, c: Colours): string {
  const text = question === '' ? id : `“${clean(question)}”`;
  switch (state) {
    case 'approved':
      return `${c.green('✓')} ${text} ${c.dim('approved')}`;
    case 'open':
      return `${c.yellow('?')} ${text}`;
    case 'declined':
    case 'expired':
      return `${c.red('✗')} ${text} ${c.red(state)}`;
    case 'cancelled':
      return `${c.dim('–')} ${text} ${c.dim(state)}`;
    default:
      return state satisfies never;
  }
}

/** What people have to do now, with the commands that do it. */
function waiting(status: RunStatus, names: Names, c: Colours): string[] {
  const { run, now, gates, questions, waits } = status;
  const lines: string[] = [];
  for (const gate of gates.filter(({ state }) => state === 'open')) {
    lines.push(...gateFacts(gate, now, names, c), ...gateCommands(run, gate.id, c));
  }
  for (const question of questions) {
    const { id, kind, what, problem, groups } = question;
    const who = groups.length === 0 ? '' : c.dim(` asked of ${groups.join(', ')}`);
    lines.push(`  ${c.yellow('?')} ${c.bold(clean(id))}  ${kind}${who}`, `      ${clean(what)}`);
    if (problem !== undefined) lines.push(`      ${c.red(clean(problem))}`);
    lines.push(...answerCommands(run, question).map((line) => `      ${c.dim(line)}`));
  }
  for (const { id, why, until } of waits.filter(({ state }) => state === 'waiting')) {
    lines.push(
      `  ${c.cyan('◷')} ${c.bold(clean(id))}  ${clean(why)}, until ${time(until)} (${fromNow(until, now)})`,
    );
  }
  return lines.length === 0 ? [] : ['', c.bold('Waits for'), ...lines];
}

/** The question of a gate and who decides it. */
export function gateFacts(gate: GateStatus, now: string, names: Names, c: Colours): string[] {
  const { id, question, groups, quorum, approvals, deadline, risk, review } = gate;
  const approved =
    approvals.length === 0
      ? ''
      : `, approved by ${approvals.map((person) => clean(names(person))).join(', ')}`;
  const people = `${quorum === 1 ? 'one' : quorum} of ${groups.join(', ')}${approved}`;
  return [
    `  ${c.yellow('?')} ${c.bold(clean(id))}  ${question === '' ? c.dim('(its question is not known without a worker)') : clean(question)}`,
    c.dim(
      `      ${review ? 'review' : 'approval'} by ${people}; until ${time(deadline)} (${fromNow(deadline, now)})` +
        (risk === 'high' ? '; high risk: a reason is needed' : ''),
    ),
  ];
}

export function gateCommands(run: string, gate: string, c: Colours): string[] {
  return [
    c.dim(`      npx runbook approve ${run} ${gate} --as PERSON`),
    c.dim(`      npx runbook decline ${run} ${gate} --reason TEXT --as PERSON`),
  ];
}

/** The command that answers a question, and what can be put in place of CHOICE. */
function answerCommands(
  run: string,
  { id, kind, choices, options = [], needsResult }: QuestionStatus,
): string[] {
  const quoted = (choice: string): string => (/\s/.test(choice) ? `'${choice}'` : choice);
  switch (kind) {
    case 'decision':
      return [
        `npx runbook decide ${run} ${id} CHOICE --as PERSON`,
        ...(options.length === 0 ? [] : [`  CHOICE: ${options.map(quoted).join(', ')}`]),
      ];
    case 'acknowledgement':
      return [`npx runbook acknowledge ${run} ${id} --as PERSON`];
    case 'justification':
      return [`npx runbook justify ${run} ${id} --reason TEXT --as PERSON`];
    case 'failed step':
    case 'manual step':
      return [
        `npx runbook operate ${run} '${id}' CHOICE --as PERSON`,
        `  CHOICE: ${choices.join(', ')} (done needs --evidence TEXT${needsResult ? ' and --result JSON' : ''}, skip needs --reason TEXT)`,
      ];
    default:
      return kind satisfies never;
  }
}
