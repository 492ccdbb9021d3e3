import type { RehearsalHost } from '../../worker/rehearsal/index.js';
import type { CatalogueEntry } from '../../triggers/catalogue.js';
import type { Plan, Rehearsal, RunbookSpec, ScriptedAnswer } from '../../workflows/engine/types.js';
import type { TestInstallation } from '../helpers/engine.js';
import { auditOf, recordsOf } from '../helpers/record.js';
import { observe, type Experiment, type Laboratory, type Observed } from '../helpers/rehearsals.js';

/** Who answers for steps that the rehearsal's script has no answer for. */
export const OPERATOR = 'Ada';
/** The operator gives the step up. */
export const abort: ScriptedAnswer = { by: OPERATOR, choice: 'abort', reason: 'It does not work' };

/** One experiment and what must be true of it. */
export interface Trial {
  readonly about: string;
  readonly experiment: Experiment;
  readonly problems: (observed: Observed) => readonly (string | false)[];
}

/** What is kept of every run: the whole of a thousand would not fit. */
export interface Trace {
  readonly runs: readonly string[];
  /** As scripted, without a fault. */
  readonly clean: boolean;
  /** What is wrong with its record. */
  readonly findings: readonly string[];
  /** What happened in it, each thing once. */
  readonly happened: readonly string[];
}

/** A run that waits for an answer that nobody gives, or that was refused, would wait for ever. */
const PATIENCE_MS = 180_000;

async function inTime<R>(work: Promise<R>): Promise<R> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('it did not end within 3 minutes')), PATIENCE_MS);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

type Limited = <R>(work: () => Promise<R>) => Promise<R>;

/** A runbook under test: its rehearsals as scripted, and every experiment with them. Each property is done once. */
export class Subject {
  readonly traces: Trace[] = [];
  private clean: readonly Observed[] = [];
  private readonly done = new Map<string, Promise<unknown>>();

  constructor(
    readonly exportName: string,
    readonly entry: CatalogueEntry,
    readonly installation: TestInstallation,
    private readonly host: RehearsalHost,
    private readonly limited: Limited,
  ) {}

  get spec(): RunbookSpec {
    return this.entry.spec;
  }

  /** The result of `work`, which is begun by whoever asks first. */
  once<R>(name: string, work: () => Promise<R>): Promise<R> {
    const begun = (this.done.get(name) as Promise<R> | undefined) ?? work();
    this.done.set(name, begun);
    begun.catch(() => undefined);
    return begun;
  }

  /** Plan of each rehearsal. */
  plans(): Plan[] {
    const { spec, installation } = this;
    return spec.rehearsals.map(({ input }) => {
      const parsed = spec.input.parse(input);
      const references = Object.entries<string>(spec.config?.(parsed) ?? {});
      return spec.plan(
        parsed,
        Object.fromEntries(
          references.map(([name, ref]) => [name, installation.installation.configuration.resolve(ref)]),
        ),
      );
    });
  }

  /** All rehearsals as scripted; a line for each that did not end so. */
  rehearsed(): Promise<{ readonly clean: readonly Observed[]; readonly problems: readonly string[] }> {
    return this.once('rehearsed', async () => {
      const clean: Observed[] = [];
      const problems = await this.problemsOf(
        this.spec.rehearsals.map((rehearsal) => ({
          about: 'as scripted',
          experiment: { rehearsal },
          problems: (observed) => {
            clean.push(observed);
            return [];
          },
        })),
        true,
      );
      const order = this.spec.rehearsals.map(({ name }) => name);
      clean.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
      this.clean = clean;
      return { clean, problems };
    });
  }

  /** Ids of a verb's steps in a rehearsal, once all are done. */
  stepsOf({ name }: Rehearsal<unknown>, activity: string): string[] {
    const visits = this.clean.find((observed) => observed.name === name)?.visits ?? [];
    return visits.filter((visit) => visit.activity === activity).map(({ step }) => step);
  }

  /** Whether a rehearsal does a verb while it goes on with something else. */
  isBackground({ name }: Rehearsal<unknown>, activity: string): boolean {
    const visits = this.clean.find((observed) => observed.name === name)?.visits ?? [];
    return visits.some((visit) => visit.activity === activity && visit.background);
  }

  /** @throws Error when no rehearsal has the name */
  rehearsal(name: string): Rehearsal<unknown> {
    const found = this.spec.rehearsals.find((rehearsal) => rehearsal.name === name);
    if (found === undefined) throw new Error(`no rehearsal "${name}"`);
    return found;
  }

  /**
   * A rehearsal in which something goes another way. It then asks what it was not asked before; what no script of its
   * own says is answered as in another rehearsal of the runbook.
   */
  changed(
    rehearsal: Rehearsal<unknown>,
    answers: Readonly<Record<string, ScriptedAnswer | readonly ScriptedAnswer[] | 'nobody'>>,
  ): Rehearsal<unknown> {
    const elsewhere = this.spec.rehearsals.flatMap((other) =>
      Object.entries(other.answers).filter(([, answer]) => answer !== 'nobody'),
    );
    return {
      ...rehearsal,
      answers: { ...Object.fromEntries(elsewhere.reverse()), ...rehearsal.answers, ...answers },
    };
  }

  /** Does all trials; returns a line for everything that was not as it must be. */
  async problemsOf(trials: readonly Trial[], clean = false): Promise<string[]> {
    const found = await Promise.all(
      trials.map(({ about, experiment, problems }) =>
        this.limited(async () => {
          const where = `${experiment.rehearsal.name}, ${about}`;
          try {
            const observed = await inTime(this.run(experiment, clean));
            const wrong = problems(observed).filter((problem) => problem !== false);
            return wrong.map((problem) => `${where} (${observed.run}): ${problem}`);
          } catch (error) {
            return [`${where}: ${error instanceof Error ? error.message : String(error)}`];
          }
        }),
      ),
    );
    return found.flat();
  }

  private async run(experiment: Experiment, clean: boolean): Promise<Observed> {
    const lab: Laboratory = {
      host: this.host,
      client: this.installation.rehearsal,
      entry: this.entry,
      inventory: this.installation.installation.configuration.secrets.get(),
    };
    const observed = await observe(lab, experiment);
    const records = recordsOf(observed);
    const happened = records.flatMap(({ run, entries }) =>
      entries.map(({ entry: said }) => {
        const about = 'step' in said ? said.step : 'gate' in said ? said.gate : '';
        const end = 'outcome' in said ? said.outcome : '';
        return [run.slice(observed.run.length), said.kind, about.replace(/#\d+/, ''), end].join(' ');
      }),
    );
    this.traces.push({
      runs: records.map(({ run }) => run),
      clean,
      findings: auditOf(observed),
      happened: [...new Set(happened)],
    });
    return observed;
  }
}
