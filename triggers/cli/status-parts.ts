import type { ChildStatus, DeadlineStatus, RunStatus } from '../../workflows/engine/types.js';
import { clean, fromNow, time, type Colours } from './terminal.js';
import type { Names } from './timeline.js';

type Parts = Pick<
  RunStatus,
  'children' | 'deadlines' | 'decisions' | 'evidence' | 'locks' | 'now' | 'parent'
>;

/** Clocks, decisions, parts, evidence and locks of a run, for people. */
export function partLines(status: Parts, names: Names, c: Colours): string[] {
  const { children, deadlines, decisions, evidence, locks, now, parent } = status;
  return [
    ...section(
      'Clocks',
      deadlines.map((deadline) => deadlineLine(deadline, now, c)),
      c,
    ),
    ...section(
      'Decided',
      decisions.map(
        ({ id, question, option, by }) =>
          `${c.green('✓')} ${clean(question === '' ? id : question)} ${c.bold(clean(option))} ${c.dim(clean(names(by)))}`,
      ),
      c,
    ),
    ...section(
      'Parts',
      [
        ...(parent === null ? [] : [`part of ${clean(parent)}`]),
        ...children.map((child) => childLine(child, c)),
      ],
      c,
    ),
    ...section(
      'Evidence',
      evidence.map(({ id, what, hash }) => `${clean(id)}  ${clean(what)} ${c.dim(hash.slice(0, 12))}`),
      c,
    ),
    ...section(
      'Locks',
      locks
        .filter(({ state }) => state !== 'released')
        .map(({ resource, state, since, heldBy }) =>
          state === 'held'
            ? `${clean(resource)} ${c.dim(`held since ${time(since)}`)}`
            : `${c.yellow('◷')} waits for ${clean(resource)}, held by ${clean(heldBy ?? '')}, since ${time(since)}`,
        ),
      c,
    ),
  ];
}

function deadlineLine({ id, what, due, state, endedAt }: DeadlineStatus, now: string, c: Colours): string {
  const text = clean(what === '' ? id : what);
  const ended = endedAt === undefined ? '' : ` at ${time(endedAt)}`;
  switch (state) {
    case 'running':
      return `${c.cyan('⧗')} ${text}, due ${time(due)} ${c.bold(`(${fromNow(due, now)})`)}`;
    case 'met':
      return `${c.green('✓')} ${text} ${c.dim(`met${ended}, due ${time(due)}`)}`;
    case 'missed':
      return `${c.red('✗')} ${text} ${c.red(`missed, it was due ${time(due)} (${fromNow(due, now)})`)}`;
    case 'justified':
      return `${c.red('✗')} ${text} ${c.dim(`missed, justified${ended}`)}`;
    case 'stopped':
      return `${c.dim('–')} ${text} ${c.dim(`stopped${ended}`)}`;
    default:
      return state satisfies never;
  }
}

function childLine({ run, state }: ChildStatus, c: Colours): string {
  const symbol = state === 'open' ? c.cyan('▸') : state === 'completed' ? c.green('✓') : c.red('✗');
  return `${symbol} ${clean(run)} ${c.dim(state)}`;
}

function section(heading: string, lines: readonly string[], c: Colours): string[] {
  return lines.length === 0 ? [] : ['', c.bold(heading), ...lines.map((line) => `  ${line}`)];
}
