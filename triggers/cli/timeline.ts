import type { LedgerEntry } from '../../activities/ledger/entry.js';
import type { MessageKind, QuestionKind } from '../../workflows/engine/types.js';
import { clean, duration, elapsed, time, type Colours } from './terminal.js';
import { NO_TEXTS, stepTitle, VERBS, type Texts, type Verbs } from './titles.js';

/** A person's name for an opaque id. */
export type Names = (person: string) => string;

export interface FormatOptions {
  readonly colours: Colours;
  /** Start of the run's own clock: times are then shown as the time since (rehearsals). */
  readonly startedAt?: string | undefined;
  readonly texts?: Texts;
  /** A person's words behind a commitment, where they are still kept. */
  readonly words?: (commitment: string) => string | undefined;
}

type Tone = 'good' | 'bad' | 'asks' | 'waits' | 'undoes' | 'quiet' | 'plain';

interface Line {
  readonly symbol: string;
  readonly tone: Tone;
  readonly text: string;
}

/** One entry of the ledger as one line: when, and a sentence. */
export function formatEntry(
  entry: LedgerEntry,
  names: Names,
  verbs: Verbs = VERBS,
  options: FormatOptions,
): string {
  return draw(entry, sentence(entry, names, verbs, options), options);
}

/** When it happened, by the run's own clock in a rehearsal. */
function clock(entry: LedgerEntry, { startedAt }: FormatOptions): string {
  return startedAt === undefined ? time(entry.at, 'seconds') : elapsed(entry.virtual, startedAt).padEnd(9);
}

function draw(entry: LedgerEntry, { symbol, tone, text }: Line, options: FormatOptions): string {
  const { colours: c } = options;
  const paint: { readonly [T in Tone]: (text: string) => string } = {
    good: c.green,
    bad: c.red,
    asks: c.yellow,
    waits: c.cyan,
    undoes: c.magenta,
    quiet: c.dim,
    plain: (plain) => plain,
  };
  const words = tone === 'quiet' ? c.dim(clean(text)) : clean(text);
  return `${c.dim(clock(entry, options))}  ${paint[tone](symbol)} ${words}`;
}

function sentence(entry: LedgerEntry, names: Names, verbs: Verbs, options: FormatOptions): Line {
  const { texts = NO_TEXTS, words = () => undefined } = options;
  const who = (person: string | null): string => (person === null ? 'Somebody unknown' : names(person));
  const step = (id: string): string => texts.step(id) ?? stepTitle(id, verbs);
  const gate = (id: string): string => quoted(texts.gate(id), id);
  const question = (id: string): string =>
    texts.question(id) ?? (id === stepTitle(id, verbs) ? id : step(id));
  const until = (iso: string): string =>
    options.startedAt === undefined ? time(iso) : elapsed(iso, options.startedAt);
  const said = (commitment: string | null): string => {
    const text = commitment === null ? undefined : words(commitment);
    return text === undefined ? '' : `: ${text}`;
  };

  switch (entry.kind) {
    case 'run.admitted': {
      const by = entry.person === null ? '' : ` for ${who(entry.person)}`;
      return { symbol: '●', tone: 'good', text: `The run begins${by} (${entry.origin})` };
    }
    case 'run.refused':
      return {
        symbol: '✗',
        tone: 'bad',
        text: `The start by ${who(entry.person)} was refused: ${entry.code}`,
      };
    case 'run.closed': {
      const isGood = entry.outcome === 'completed';
      return { symbol: '■', tone: isGood ? 'good' : 'bad', text: `The run is over: ${entry.outcome}` };
    }
    case 'step.intent': {
      const again = entry.attempt > 1 ? `, attempt ${entry.attempt}` : '';
      return { symbol: '·', tone: 'quiet', text: `About to: ${step(entry.step)}${again}` };
    }
    case 'step.outcome':
      switch (entry.outcome) {
        case 'ok': {
          const symbol = isUndo(entry.step) ? '↺' : '✓';
          return { symbol, tone: isUndo(entry.step) ? 'undoes' : 'good', text: step(entry.step) };
        }
        case 'failed':
          return {
            symbol: '✗',
            tone: 'bad',
            text: `${step(entry.step)}: attempt ${entry.attempt} failed (${entry.error ?? 'no reason known'})`,
          };
        case 'unknown':
          return {
            symbol: '✗',
            tone: 'bad',
            text: `${step(entry.step)}: it is not known whether attempt ${entry.attempt} took effect`,
          };
        default:
          return entry satisfies never;
      }
    case 'step.resolved': {
      const isDone = entry.choice === 'done by hand';
      const text = `${step(entry.step)}: ${entry.choice}, decided by ${who(entry.person)}${said(entry.evidence)}`;
      return { symbol: isDone ? '✓' : '–', tone: isDone ? 'good' : 'plain', text };
    }
    case 'step.evidence':
      return { symbol: '·', tone: 'quiet', text: `Output kept as evidence: ${step(entry.step)}` };
    case 'gate.opened': {
      const people = entry.quorum === 1 ? '' : `${entry.quorum} of `;
      const kind = entry.review ? 'Review' : 'Approval';
      const asked = `${kind} by ${people}${entry.groups.join(', ')} until ${until(entry.deadline)}`;
      return { symbol: '?', tone: 'asks', text: `${gate(entry.gate)} ${asked}` };
    }
    case 'gate.reminded':
      return { symbol: '?', tone: 'quiet', text: `Reminder: ${gate(entry.gate)}` };
    case 'gate.escalated':
      return {
        symbol: '?',
        tone: 'asks',
        text: `Nobody answered: ${entry.group} may decide too until ${until(entry.deadline)}: ${gate(entry.gate)}`,
      };
    case 'gate.closed': {
      const people = entry.people.map((person) => who(person)).join(' and ');
      switch (entry.outcome) {
        case 'approved':
          return { symbol: '✓', tone: 'good', text: `${people} approved ${gate(entry.gate)}` };
        case 'declined':
          return { symbol: '✗', tone: 'bad', text: `${people} declined ${gate(entry.gate)}` };
        case 'expired':
          return { symbol: '✗', tone: 'bad', text: `Nobody decided in time: ${gate(entry.gate)}` };
        case 'cancelled':
          return { symbol: '–', tone: 'quiet', text: `Not asked any more: ${gate(entry.gate)}` };
        default:
          return entry satisfies never;
      }
    }
    case 'message.received': {
      const act = ACTS[entry.message](entry.verdict ?? entry.choice ?? '');
      const on = entry.target === null ? '' : ` (${entry.target})`;
      const text = `${who(entry.person)} ${act}${on} through ${entry.channel}${said(entry.reason)}`;
      return { symbol: '→', tone: entry.message === 'note' ? 'plain' : 'quiet', text };
    }
    case 'message.accepted':
      return {
        symbol: '→',
        tone: 'quiet',
        text: `What ${who(entry.person)} said counts${onTarget(entry.target)}`,
      };
    case 'message.refused':
      return {
        symbol: '✗',
        tone: 'bad',
        text: `What ${who(entry.person)} said was refused${onTarget(entry.target)}: ${entry.code}`,
      };
    case 'wait.started': {
      const why = texts.wait(entry.wait);
      return {
        symbol: '◷',
        tone: 'waits',
        text: `Waiting until ${until(entry.until)}: ${why ?? entry.wait}`,
      };
    }
    case 'wait.ended': {
      const why = texts.wait(entry.wait) ?? entry.wait;
      const text = entry.cutShort ? `The wait was cut short: ${why}` : `The wait is over: ${why}`;
      return { symbol: '◷', tone: 'waits', text };
    }
    case 'question.asked': {
      const choices = entry.choices.join(', ');
      const what = ASKED[entry.question];
      return { symbol: '?', tone: 'asks', text: `${what}: ${question(entry.target)} (${choices})` };
    }
    case 'question.reminded':
      return { symbol: '?', tone: 'quiet', text: `Reminder: ${question(entry.target)}` };
    case 'question.escalated':
      return {
        symbol: '?',
        tone: 'asks',
        text: `Nobody answered: ${entry.group} may decide too: ${question(entry.target)}`,
      };
    case 'question.answered': {
      const text = `${who(entry.person)} chose ${entry.choice}: ${question(entry.target)}`;
      return {
        symbol: entry.choice === 'abort' ? '✗' : '✓',
        tone: entry.choice === 'abort' ? 'bad' : 'good',
        text,
      };
    }
    case 'undo.started': {
      const count = entry.steps.length;
      return {
        symbol: '↺',
        tone: 'undoes',
        text: `Taking back what was done (${count} ${count === 1 ? 'thing' : 'things'})`,
      };
    }
    case 'secret.stored': {
      const by = entry.person === null ? 'somebody at the host' : who(entry.person);
      return {
        symbol: '●',
        tone: 'good',
        text: `Version ${entry.version} of ${entry.secret} was handed in by ${by}`,
      };
    }
    case 'undo.ended':
      if (entry.outcome === 'partly')
        return {
          symbol: '✗',
          tone: 'bad',
          text: 'Not everything was taken back: people left something as it is',
        };
      return entry.outcome === 'undone'
        ? { symbol: '↺', tone: 'undoes', text: 'Everything was taken back' }
        : { symbol: '✗', tone: 'bad', text: 'Taking back stopped before its end' };
    case 'decision.made':
      return {
        symbol: '✓',
        tone: 'good',
        text: `${who(entry.person)} decided “${entry.option}”: ${question(entry.decision)}`,
      };
    case 'charge.taken':
      return { symbol: '→', tone: 'plain', text: `${who(entry.person)} is in charge` };
    case 'severity.set':
      return { symbol: '→', tone: 'plain', text: `The severity is ${entry.severity}` };
    case 'deadline.started':
      return { symbol: '⧗', tone: 'waits', text: `Clock ${entry.deadline}: due ${until(entry.due)}` };
    case 'deadline.reminded':
      return { symbol: '⧗', tone: 'quiet', text: `Reminder: clock ${entry.deadline}` };
    case 'deadline.missed':
      return { symbol: '✗', tone: 'bad', text: `Clock ${entry.deadline} was missed` };
    case 'deadline.ended':
      return {
        symbol: '⧗',
        tone: entry.outcome === 'met' ? 'good' : 'quiet',
        text: `Clock ${entry.deadline}: ${entry.outcome}`,
      };
    case 'evidence.kept':
      return {
        symbol: '→',
        tone: 'plain',
        text: `Kept as evidence: ${entry.evidence} (${entry.sha256.slice(0, 12)})`,
      };
    case 'lock.waiting':
      return {
        symbol: '◷',
        tone: 'waits',
        text: `Waiting until ${entry.holder} has released ${entry.resource}`,
      };
    case 'lock.acquired':
      return { symbol: '→', tone: 'quiet', text: `No other run touches ${entry.resource} now` };
    case 'lock.released':
      return { symbol: '→', tone: 'quiet', text: `${entry.resource} is free again` };
    case 'child.started':
      return { symbol: '→', tone: 'plain', text: `Started ${entry.child}` };
    case 'child.ended':
      return {
        symbol: entry.outcome === 'completed' ? '✓' : '✗',
        tone: entry.outcome === 'completed' ? 'good' : 'bad',
        text: `${entry.child}: ${entry.outcome}`,
      };
    default:
      return entry satisfies never;
  }
}

const ACTS: {
  readonly [K in MessageKind | 'start']: (choice: string) => string;
} = {
  start: () => 'asked for this run',
  decide: (verdict) => (verdict === 'decline' ? 'declines' : 'approves'),
  operate: (choice) => `chooses ${choice}`,
  note: () => 'noted',
  cancel: () => 'cancels the run',
  evidence: () => 'sends in evidence',
  'hand-over': () => 'hands the run over',
  severity: () => 'changes the severity',
};

const ASKED: { readonly [K in QuestionKind]: string } = {
  'failed step': 'Failed',
  'manual step': 'To do',
  decision: 'To decide',
  acknowledgement: 'To acknowledge',
  justification: 'To justify',
};

/** The people that an entry names. */
export function peopleIn(entry: LedgerEntry): string[] {
  const people = 'people' in entry ? entry.people : [];
  return 'person' in entry && entry.person !== null ? [entry.person, ...people] : [...people];
}

/** The commitments to words that a timeline would show. */
export function wordsIn(entry: LedgerEntry): string[] {
  const reason = 'reason' in entry ? entry.reason : null;
  const evidence = entry.kind === 'step.resolved' ? entry.evidence : null;
  return [reason, evidence].filter((commitment) => commitment !== null);
}

/**
 * The story of a run, calm: a step is one line when it is done, what was said is one line when it counts, and the same
 * step over and over (a monitor's looks) is one line and a number.
 */
export class Timeline {
  private readonly open = new Map<string, string>();
  private readonly quorums = new Map<string, number>();
  private repeated: { readonly step: string; readonly entry: LedgerEntry; times: number } | undefined;

  constructor(
    private readonly names: Names,
    private readonly options: FormatOptions,
    private readonly verbs: Verbs = VERBS,
  ) {}

  /** The lines that an entry adds. */
  add(entry: LedgerEntry): string[] {
    switch (entry.kind) {
      case 'step.intent':
        this.open.set(entry.step, this.title(entry.step));
        return [];
      case 'question.answered':
        // What was chosen is told by the decision itself.
        if (entry.choice === 'choose') return [];
        break;
      case 'step.outcome': {
        this.open.delete(entry.step);
        if (entry.outcome !== 'ok') break;
        const step = `${isUndo(entry.step) ? 'undo ' : ''}${this.title(entry.step)}`;
        if (this.repeated?.step === step) {
          this.repeated = { step, entry, times: this.repeated.times + 1 };
          return [];
        }
        const before = this.flush();
        this.repeated = { step, entry, times: 0 };
        return [...before, this.line(entry)];
      }
      case 'gate.opened':
        this.quorums.set(entry.gate, entry.quorum);
        break;
      case 'message.received':
        // A choice shows when it counts, or is refused; a note has no other line.
        if (entry.message !== 'note' && entry.message !== 'cancel') return [];
        break;
      case 'message.accepted':
        if (entry.target === null || (this.quorums.get(entry.target) ?? 1) === 1) return [];
        break;
      case 'step.resolved':
        // The answer to the question says it.
        if (entry.evidence === null) return [];
        break;
      default:
        break;
    }
    return [...this.flush(), this.line(entry)];
  }

  /** What is held back: call it at the end. */
  flush(): string[] {
    const repeated = this.repeated;
    this.repeated = undefined;
    if (repeated === undefined || repeated.times === 0) return [];
    const text = `${repeated.times} more ${repeated.times === 1 ? 'time' : 'times'}, all well`;
    return [draw(repeated.entry, { symbol: '·', tone: 'quiet', text }, this.options)];
  }

  /** What is being done at this moment. */
  underWay(): string[] {
    return [...this.open.values()];
  }

  private title(step: string): string {
    return (this.options.texts ?? NO_TEXTS).step(step) ?? stepTitle(step, this.verbs);
  }

  private line(entry: LedgerEntry): string {
    return formatEntry(entry, this.names, this.verbs, this.options);
  }
}

/** The last line of a story: how long it took, by the run's clock and by ours. */
export function closing(virtualMs: number, wallMs: number): string {
  return `${duration(virtualMs)} of the run's time in ${duration(wallMs)}`;
}

function isUndo(step: string): boolean {
  return step.startsWith('undo/');
}

function quoted(text: string | undefined, id: string): string {
  return text === undefined ? id : `“${text}”`;
}

function onTarget(target: string | null): string {
  return target === null ? '' : ` (${target})`;
}
