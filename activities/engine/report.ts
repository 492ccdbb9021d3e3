import type { LedgerEntry } from '../ledger/entry.js';
import type { DraftRequest } from './contract.js';

/** Kinds that say nothing to a reader of a report. */
const LEFT_OUT: ReadonlySet<LedgerEntry['kind']> = new Set([
  'step.intent',
  'message.received',
  'message.accepted',
  'question.reminded',
  'gate.reminded',
]);

/**
 * A report in Markdown, made of the record alone: the same record gives the same text. People are opaque ids in it;
 * whoever publishes it puts the names in.
 */
export function draft(
  { title, report, identity, picture, virtual }: DraftRequest,
  entries: readonly LedgerEntry[],
): string {
  const { deadlines, decisions, evidence, gates, severity, startedAt } = picture;
  const open = [
    ...deadlines.filter(({ state }) => state === 'running').map(({ what, due }) => `${what}: due ${due}`),
    ...gates.filter(({ state }) => state === 'open').map(({ question }) => question),
  ];
  return [
    `# ${cell(title)}`,
    '',
    `Draft of the ${report.kind}, made from the record of run ${identity.run} as it was at ${virtual}.`,
    ...(identity.mode === 'rehearsal' ? ['', '**This was a rehearsal.**'] : []),
    '',
    `- Started: ${startedAt}`,
    `- Severity: ${severity ?? 'not set'}`,
    ...report.facts.flatMap(({ heading, lines }) => section(heading, lines.map(cell))),
    ...section(
      'Clocks',
      deadlines.map(
        ({ what, due, state, endedAt }) =>
          `${what}: due ${due}, ${state}${endedAt === undefined ? '' : ` at ${endedAt}`}`,
      ),
    ),
    ...section(
      'Decisions',
      [
        ...decisions.map(({ question, option, by, at }) => `${at}: ${question} **${option}** (${by})`),
        ...gates
          .filter(({ state }) => state !== 'open')
          .map(
            ({ question, state, closedAt, approvals }) =>
              `${closedAt ?? ''}: ${question} **${state}** (${approvals.join(', ') || 'nobody'})`,
          ),
      ].sort(),
    ),
    ...section(
      'Evidence',
      evidence.map(({ id, what, hash, at }) => `${at}: ${what} (${id}, ${hash})`),
    ),
    ...section('Open points', open),
    ...section(
      'Timeline',
      entries
        .filter(({ kind }) => !LEFT_OUT.has(kind))
        .map((entry) => `${entry.virtual}: ${sentence(entry)}`),
    ),
    '',
  ].join('\n');
}

function section(heading: string, lines: readonly string[]): string[] {
  return [
    '',
    `## ${cell(heading)}`,
    '',
    ...(lines.length === 0 ? ['None.'] : lines.map((line) => `- ${line}`)),
  ];
}

/** One line of Markdown: nothing in it starts a block or a tag. */
function cell(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[<>&]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function sentence(entry: LedgerEntry): string {
  switch (entry.kind) {
    case 'run.admitted':
      return 'the run was admitted';
    case 'step.outcome':
      return `${entry.step}: ${entry.outcome}${entry.error === null ? '' : ` (${entry.error})`}`;
    case 'step.resolved':
      return `${entry.step}: ${entry.choice}`;
    case 'gate.opened':
    case 'gate.escalated':
      return `${entry.kind.replace('.', ' ')}: ${entry.gate}`;
    case 'gate.closed':
      return `gate ${entry.gate}: ${entry.outcome}`;
    case 'question.asked':
    case 'question.escalated':
      return `${entry.kind.replace('.', ' ')}: ${entry.target}`;
    case 'question.answered':
      return `${entry.target}: ${entry.choice} (${entry.person})`;
    case 'decision.made':
      return `${entry.decision}: ${entry.option} (${entry.person})`;
    case 'deadline.started':
    case 'deadline.reminded':
    case 'deadline.missed':
      return `${entry.kind.replace('.', ' ')}: ${entry.deadline}`;
    case 'deadline.ended':
      return `deadline ${entry.deadline}: ${entry.outcome}`;
    case 'evidence.kept':
      return `evidence kept: ${entry.evidence} (${entry.sha256})`;
    case 'severity.set':
      return `severity: ${entry.severity}`;
    case 'charge.taken':
      return `${entry.person} takes charge`;
    case 'child.started':
      return `${entry.child} started`;
    case 'child.ended':
      return `${entry.child}: ${entry.outcome}`;
    default:
      return entry.kind.replace('.', ' ');
  }
}
