import { z } from 'zod';
import type { LedgerEntry } from '../../activities/ledger/entry.js';
import type { RehearsalResult } from './index.js';

const duration = z.number().min(0);

/** What a rehearsal showed. Times are ISO 8601 UTC by the run's own clock, durations milliseconds. */
export const DrillReport = z.object({
  run: z.string(),
  runbook: z.string(),
  rehearsal: z.string(),
  outcome: z.string(),
  virtualMs: duration,
  wallMs: duration,
  gates: z.array(
    z.object({
      run: z.string(),
      gate: z.string(),
      outcome: z.string(),
      people: z.array(z.string()),
      openedAt: z.string(),
      closedAt: z.string(),
    }),
  ),
  answers: z.array(
    z.object({ run: z.string(), target: z.string(), by: z.string(), what: z.string(), at: z.string() }),
  ),
  clocks: z.array(z.object({ clock: z.string(), due: z.string(), outcome: z.string(), endedAt: z.string() })),
  steps: z.object({ done: z.number(), failed: z.number(), byHand: z.number() }),
  parts: z.array(z.object({ run: z.string(), outcome: z.string() })),
  /** Recovery time and recovery point that were reached, where the runbook measures them. */
  measured: z.object({ rtoMs: duration.optional(), rpoMs: duration.optional() }),
});
export type DrillReport = z.output<typeof DrillReport>;

const Measured = z.object({ measured: DrillReport.shape.measured }).catch({ measured: {} });

/** The report of a rehearsal, from its record and what the run returned. */
export function drillReport(
  runbook: string,
  rehearsal: string,
  { run, outcome, virtualMs, wallMs, answers, entries, partEntries, output }: RehearsalResult,
): DrillReport {
  const all = [...entries, ...partEntries].map(({ entry }) => entry);
  const of = <K extends LedgerEntry['kind']>(kind: K) =>
    all.filter((entry): entry is Extract<LedgerEntry, { kind: K }> => entry.kind === kind);
  const opened = new Map(of('gate.opened').map((entry) => [`${entry.run}/${entry.gate}`, entry.virtual]));
  const finals = of('step.outcome').filter(({ final }) => final);
  return {
    ...{ run, runbook, rehearsal, outcome, virtualMs, wallMs },
    gates: of('gate.closed').map((entry) => ({
      run: entry.run,
      gate: entry.gate,
      outcome: entry.outcome,
      people: [...entry.people],
      openedAt: opened.get(`${entry.run}/${entry.gate}`) ?? entry.virtual,
      closedAt: entry.virtual,
    })),
    answers: [...answers],
    clocks: of('deadline.started').map(({ run: of_, deadline, due }) => {
      const end = of('deadline.ended').find((entry) => entry.run === of_ && entry.deadline === deadline);
      return { clock: deadline, due, outcome: end?.outcome ?? 'running', endedAt: end?.virtual ?? due };
    }),
    steps: {
      done: finals.filter((entry) => entry.outcome === 'ok').length,
      failed: finals.filter((entry) => entry.outcome !== 'ok').length,
      byHand: of('step.resolved').filter(({ choice }) => choice === 'done by hand').length,
    },
    parts: of('child.ended').map(({ child, outcome: end }) => ({ run: child, outcome: end })),
    measured: Measured.parse(output).measured,
  };
}

/** The report as a page. People of a rehearsal are its cast, so their names may be in it. */
export function drillMarkdown(report: DrillReport, nameOf: (person: string) => string): string {
  const { measured } = report;
  const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] =>
    rows.length === 0
      ? ['None.']
      : [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`);
  return [
    `# Drill: ${cell(report.runbook)}, ${cell(report.rehearsal)}`,
    '',
    `Run ${report.run} ended ${report.outcome}, after ${hours(report.virtualMs)} of its own time and ${(report.wallMs / 1000).toFixed(1)} s of ours.`,
    `Steps: ${report.steps.done} done, ${report.steps.failed} failed, ${report.steps.byHand} done by hand.`,
    ...(measured.rtoMs === undefined ? [] : ['', `Recovery time (RTO): ${hours(measured.rtoMs)}.`]),
    ...(measured.rpoMs === undefined ? [] : ['', `Recovery point (RPO): ${hours(measured.rpoMs)}.`]),
    ...['', '## Clocks', ''],
    ...table(
      ['Clock', 'Due', 'Outcome', 'When'],
      report.clocks.map(({ clock, due, outcome, endedAt }) => [clock, due, outcome, endedAt]),
    ),
    ...['', '## Gates', ''],
    ...table(
      ['Gate', 'Opened', 'Closed', 'Outcome', 'Who'],
      report.gates.map(({ gate, openedAt, closedAt, outcome, people }) => [
        gate,
        openedAt,
        closedAt,
        outcome,
        people.map(nameOf).join(', ') || 'nobody',
      ]),
    ),
    ...['', '## Answers', ''],
    ...table(
      ['When', 'Who', 'What', 'Answer'],
      report.answers.map(({ at, by, target, what }) => [at, by, target, what]),
    ),
    ...(report.parts.length === 0
      ? []
      : [
          '',
          '## Parts',
          '',
          ...table(
            ['Run', 'Outcome'],
            report.parts.map(({ run, outcome }) => [run, outcome]),
          ),
        ]),
    '',
  ].join('\n');
}

function cell(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[|<>]/g, (character) => `\\${character}`);
}

function hours(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  const rest = minutes % 60;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h${rest === 0 ? '' : ` ${rest} min`}`;
}
