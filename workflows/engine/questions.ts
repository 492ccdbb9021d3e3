import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { Duration } from '@temporalio/common';
import { tagState } from './attributes.js';
import type { Gates } from './gates.js';
import type { Verdict } from './inbox.js';
import { identify } from './policy.js';
import type { Journal } from './record.js';
import { isoNow, type RunState } from './state.js';
import type { OperatorChoice, QuestionStatus, ReadMessage, RefusalCode } from './types.js';

/** A question never expires: it is repeated at growing intervals, and from the second time on to more people. */
const REMIND_FROM = '30 minutes';
const REMIND_TO = '4 hours';
const ESCALATE_TO = 'owners';
/** Time for a second person to confirm a changed input or a skipped critical step. */
const CONFIRM_WITHIN = '4 hours';

export interface Question {
  readonly id: string;
  readonly kind: QuestionStatus['kind'];
  /** What was to be done, in a sentence. */
  readonly what: string;
  readonly problem?: string;
  readonly group: string;
  readonly choices: readonly OperatorChoice[];
  /** Later steps use the result: "done" must bring one. */
  readonly needsResult: boolean;
  /** Skipping takes a second person. */
  readonly critical: boolean;
  /** How often the input was changed before; part of the confirming gate's id. */
  readonly revision?: number;
  /** What can be chosen, when it is a decision. */
  readonly options?: readonly string[];
  /** The owners are asked from the start. */
  readonly escalateAtOnce?: boolean;
  /** Who is asked as well after a while, in place of the owners after the second reminder. */
  readonly ladder?: readonly Rung[];
}

/** A level of an escalation. */
export interface Rung {
  readonly group: string;
  /** Time after the question. */
  readonly after: Duration;
  /** Reaches the people of this level: begins something in the background. */
  readonly page?: () => void;
}

export interface QuestionAnswer {
  readonly choice: OperatorChoice;
  readonly person: string;
  readonly inboxId: string;
  readonly at: string;
  /** Changed input for "retry". */
  readonly input?: unknown;
  /** Result of a step done by hand. */
  readonly result?: unknown;
  /** What was chosen, when it was a decision. */
  readonly option?: string;
}

interface OpenQuestion {
  readonly question: Question;
  readonly groups: string[];
  answer: QuestionAnswer | undefined;
  /** Gates in which a second person is asked; given up when the question is answered otherwise. */
  readonly confirmations: CancellationScope[];
}

/** Questions to people that only an answer ends: failed steps and manual steps. */
export class Questions {
  private readonly open = new Map<string, OpenQuestion>();
  private readonly answered = new Set<string>();

  constructor(
    private readonly state: RunState,
    private readonly journal: Journal,
    private readonly gates: Gates,
  ) {}

  has(id: string | null): boolean {
    return id !== null && (this.open.has(id) || this.answered.has(id));
  }

  async ask(question: Question): Promise<QuestionAnswer> {
    const groups = question.escalateAtOnce === true ? escalated([question.group]) : [question.group];
    const open: OpenQuestion = { question, groups, answer: undefined, confirmations: [] };
    this.open.set(question.id, open);
    const status = this.show(open);
    this.journal.record({
      kind: 'question.asked',
      target: question.id,
      question: question.kind,
      choices: [...question.choices],
    });
    this.announce(open, 'question asked');
    try {
      return await (question.ladder === undefined
        ? this.untilAnswered(open)
        : this.climb(open, question.ladder));
    } finally {
      for (const scope of open.confirmations) scope.cancel();
      this.open.delete(question.id);
      this.answered.add(question.id);
      this.state.questions.splice(this.state.questions.indexOf(status), 1);
      tagState(this.state);
    }
  }

  /** One choice that came in. */
  operate(message: ReadMessage): Verdict {
    const open = message.target === null ? undefined : this.open.get(message.target);
    if (open === undefined) return { refused: 'AlreadyClosed' };
    const { question } = open;
    const who = identify(message);
    if ('refused' in who) return who;
    if (!message.groups.some((group) => open.groups.includes(group))) return { refused: 'NotInGroup' };
    const { choice } = message;
    if (choice === undefined || !question.choices.includes(choice)) return { refused: 'ChoiceNotOffered' };
    if (message.problem !== undefined) return { refused: 'BadValue', detail: message.problem };
    const missing = missingFrom(question, message);
    if (missing !== undefined) return { refused: missing };
    const answer: QuestionAnswer = {
      choice,
      person: who.person,
      inboxId: message.inboxId,
      at: isoNow(),
      ...(choice === 'retry' && message.input !== undefined ? { input: message.input } : {}),
      ...(choice === 'done' && message.result !== undefined ? { result: message.result } : {}),
      ...(choice === 'choose' && message.option !== undefined ? { option: message.option } : {}),
    };
    if (answer.input !== undefined) {
      return this.askSecondPerson(open, answer, 'change', `Retry "${question.what}" with a changed input?`);
    }
    if (choice === 'skip' && question.critical) {
      return this.askSecondPerson(open, answer, 'skip', `Skip the critical step "${question.what}"?`);
    }
    return this.settle(open, answer);
  }

  private settle(open: OpenQuestion, answer: QuestionAnswer): Verdict {
    open.answer = answer;
    const { id, what } = open.question;
    this.journal.record({
      kind: 'question.answered',
      target: id,
      choice: answer.choice,
      person: answer.person,
    });
    this.journal.announce({
      about: 'question answered',
      target: id,
      groups: [...open.groups],
      person: answer.person,
      text: `${what}: ${answer.option ?? answer.choice}`,
    });
    return { accepted: `Your choice counts: ${answer.option ?? answer.choice}. It was asked: ${what}` };
  }

  /** Opens a gate for a second person; the question stays open meanwhile. */
  private askSecondPerson(
    open: OpenQuestion,
    answer: QuestionAnswer,
    what: 'change' | 'skip',
    ask: string,
  ): Verdict {
    const suffix = what === 'change' ? `change~r${(open.question.revision ?? 1) + 1}` : 'skip';
    const gateId = `${open.question.id}/${suffix}`;
    if (this.gates.openIds().has(gateId))
      return { refused: 'SecondPersonRequired', detail: `decide the gate ${gateId}` };
    const scope = new CancellationScope();
    open.confirmations.push(scope);
    void scope
      .run(async () => {
        const options = {
          question: ask,
          group: open.question.group,
          within: CONFIRM_WITHIN,
          escalateTo: null,
        } as const;
        const { verdict } = await this.gates.ask(gateId, options, false, [answer.person]);
        if (verdict === 'approved' && open.answer === undefined) this.settle(open, answer);
      })
      .catch((error: unknown) => {
        if (!isCancellation(error)) throw error;
      });
    return { accepted: `A second person must confirm it: gate ${gateId}.` };
  }

  /** Asks one level after the other. When the last one is silent too, everybody is reminded for ever. */
  private async climb(open: OpenQuestion, ladder: readonly Rung[]): Promise<QuestionAnswer> {
    const askedAt = Date.now();
    for (const { group, after, page } of [...ladder].sort((a, b) => ms(a.after) - ms(b.after))) {
      const left = askedAt + ms(after) - Date.now();
      if (left > 0) {
        await condition(() => open.answer !== undefined, left, { summary: `${open.question.id}: ${group}` });
      }
      if (open.answer !== undefined) return open.answer;
      this.escalate(open, group);
      page?.();
    }
    return await this.untilAnswered(open);
  }

  private escalate(open: OpenQuestion, group: string): void {
    if (!open.groups.includes(group)) open.groups.push(group);
    this.journal.record({ kind: 'question.escalated', target: open.question.id, group });
    this.announce(open, 'question escalated');
  }

  private async untilAnswered(open: OpenQuestion): Promise<QuestionAnswer> {
    let interval = msToNumber(REMIND_FROM);
    for (let times = 1; ; times += 1) {
      await condition(() => open.answer !== undefined, interval, { summary: `question ${open.question.id}` });
      if (open.answer !== undefined) return open.answer;
      interval = Math.min(interval * 2, msToNumber(REMIND_TO));
      if (times === 2 && !open.groups.includes(ESCALATE_TO)) {
        this.escalate(open, ESCALATE_TO);
      } else {
        this.journal.record({ kind: 'question.reminded', target: open.question.id });
        this.announce(open, 'question reminder');
      }
    }
  }

  private show(open: OpenQuestion): QuestionStatus {
    const { id, kind, what, problem, choices, needsResult, options } = open.question;
    const status: QuestionStatus = {
      id,
      kind,
      what,
      ...(problem === undefined ? {} : { problem }),
      groups: open.groups,
      choices,
      ...(options === undefined ? {} : { options }),
      needsResult,
      askedAt: isoNow(),
    };
    this.state.questions.push(status);
    tagState(this.state);
    return status;
  }

  private announce(
    open: OpenQuestion,
    about: 'question asked' | 'question reminder' | 'question escalated',
  ): void {
    const { id, what, problem, choices, options } = open.question;
    const text = `${what}${problem === undefined ? '' : `: ${problem}`} (${(options ?? choices).join(', ')})`;
    this.journal.announce({ about, target: id, groups: [...open.groups], person: null, text });
  }
}

const ms = (duration: Duration): number => msToNumber(duration);

function escalated(groups: readonly string[]): string[] {
  return [...new Set([...groups, ESCALATE_TO])];
}

/** What an answer must bring along, and does not. */
function missingFrom(question: Question, message: ReadMessage): RefusalCode | undefined {
  const { choice, option } = message;
  if ((choice === 'skip' || choice === 'justify') && !message.hasReason) return 'ReasonRequired';
  if (choice === 'done' && !message.hasEvidence) return 'EvidenceRequired';
  if (choice === 'done' && question.needsResult && message.result === undefined) return 'ResultRequired';
  if (choice === 'choose' && (option === undefined || question.options?.includes(option) !== true))
    return 'OptionNotOffered';
  return undefined;
}
