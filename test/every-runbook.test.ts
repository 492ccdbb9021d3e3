import { fileURLToPath } from 'node:url';
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker, type InjectedSinks } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readProcedures } from '../docs/procedures.js';
import { catalogueOf, findRunbook } from '../triggers/catalogue.js';
import { dataConverter } from '../worker/connection.js';
import type { RehearsalHost } from '../worker/rehearsal/index.js';
import type { ReplayRecorderSinks } from '../workflows/engine/interceptors.js';
import type { Plan, Rehearsal, ScriptedAnswer } from '../workflows/engine/types.js';
import * as workflows from '../workflows/index.js';
import { rehearsalHost, testInstallation, workflowBundle, type TestInstallation } from './helpers/engine.js';
import {
  answered,
  auditOf,
  inParallel,
  messagesOf,
  netEffects,
  observe,
  ofKind,
  type Experiment,
  type Laboratory,
  type Observed,
  type Strike,
  type Visit,
} from './helpers/rehearsals.js';

/** Runs at once: more only wait for one another on two cores. */
const AT_ONCE = 8;
const MINUTES = 60_000;
/** A fault for good is answered like this: no verb tries again after it. */
const REFUSED = 400;
/** A monitor repeats its step for a day; each further look is the same as the second. */
const STRUCK_OF_EACH_VERB = 2;
/** Who answers for steps that the rehearsal's script has no answer for. */
const OPERATOR = 'Ada';

let installation: TestInstallation;
let host: RehearsalHost;
/** Every run of this file: properties 8 and 9 hold for all of them. */
const all: Observed[] = [];

beforeAll(async () => {
  installation = await testInstallation();
  host = await rehearsalHost(installation);
}, 2 * MINUTES);

afterAll(async () => {
  await host?.close();
  await installation?.close();
}, 2 * MINUTES);

async function run(runbook: string, experiment: Experiment): Promise<Observed> {
  const { catalogue, configuration } = installation.installation;
  const entry = findRunbook(catalogue, runbook);
  if (entry === undefined) throw new Error(`no runbook ${runbook}`);
  const lab: Laboratory = {
    host,
    client: installation.rehearsal,
    entry,
    inventory: configuration.secrets.get(),
  };
  const observed = await observe(lab, experiment);
  all.push(observed);
  return observed;
}

/** One experiment and what must be true of it. */
interface Trial {
  readonly about: string;
  readonly experiment: Experiment;
  readonly problems: (observed: Observed) => readonly (string | false)[];
}

/** Does all of them; returns a line for everything that was not as it must be. */
async function problemsOf(runbook: string, trials: readonly Trial[]): Promise<string[]> {
  const found = await inParallel(trials, AT_ONCE, async ({ about, experiment, problems }) => {
    const where = `${experiment.rehearsal.name}, ${about}`;
    try {
      const observed = await run(runbook, experiment);
      const wrong = problems(observed).filter((problem) => problem !== false);
      return wrong.map((problem) => `${where} (${observed.run}): ${problem}`);
    } catch (error) {
      return [`${where}: ${error instanceof Error ? error.message : String(error)}`];
    }
  });
  return found.flat();
}

const baseOf = (id: string): string => id.replace(/#\d+$/, '');
const isUndo = ({ step }: Pick<Visit, 'step'>): boolean => step.startsWith('undo/');
const operationsOf = ({ requests }: Visit): string[] => [
  ...new Set(requests.map(({ operation }) => operation)),
];
const changingOperationsOf = ({ requests }: Visit): string[] => [
  ...new Set(requests.filter(({ method }) => method !== 'GET').map(({ operation }) => operation)),
];
const isChange = ({ before, after }: Visit): boolean => before !== after;

/** Whether an undo at this point brings everything back: each change so far was made under an undo still to come. */
function isRestorable(visits: readonly Visit[], undo: readonly string[]): boolean {
  const changes = visits.filter((visit) => !isUndo(visit) && isChange(visit));
  return changes.every((visit) => visit.undo.length > 0 && visit.undo.every((what) => undo.includes(what)));
}

/** What is wrong with how a run was undone that stopped when `undo` was to be taken back, first to be undone first. */
function undoProblems(observed: Observed, undo: readonly string[]): (string | false)[] {
  const [started] = ofKind(observed, 'undo.started');
  const [ended] = ofKind(observed, 'undo.ended');
  if (undo.length === 0) return [started !== undefined && 'something was undone although nothing was to be'];
  const order = (started?.steps ?? []).map((id) =>
    observed.visits.findIndex(({ step }) => step.startsWith(`undo/${id}#`)),
  );
  return [
    started?.steps.length !== undo.length &&
      `${started?.steps.length ?? 0} and not ${undo.length} undos were started`,
    ended?.outcome !== 'undone' && `the undo ended ${ended?.outcome ?? 'never'}`,
    order.some((index) => index < 0) && `an undo was not executed: ${started?.steps.join(', ')}`,
    order.some((index, nth) => index < (order[nth - 1] ?? 0)) &&
      'the undo steps did not run in reverse order',
  ];
}

const restored = (observed: Observed): string | false =>
  observed.after !== observed.before &&
  `the world is not as it was before: ${difference(observed.before, observed.after)}`;

/** The lines in which two pictures differ. */
function difference(a: string, b: string): string {
  const [before, after] = [a.split('\n'), b.split('\n')];
  const gone = before.filter((line) => !after.includes(line)).map((line) => `-${line.trim()}`);
  const come = after.filter((line) => !before.includes(line)).map((line) => `+${line.trim()}`);
  return [...gone, ...come].slice(0, 6).join(' ');
}

function effectsDiffer(observed: Observed, clean: Observed): string | false {
  const [is, was] = [netEffects(observed.world.effects), netEffects(clean.world.effects)];
  const keys = [...new Set([...Object.keys(is), ...Object.keys(was)])].filter((key) => is[key] !== was[key]);
  const said = keys.some((key) => key.startsWith('slack'))
    ? ` (said: ${messagesOf(observed).join(' | ')})`
    : '';
  return (
    keys.length > 0 &&
    keys.map((key) => `"${key}" ${is[key] ?? 0} times and not ${was[key] ?? 0}`).join('; ') + said
  );
}

/** Those of `items` that bring something new: the fewest that are easily found. */
function covering<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): T[] {
  const seen = new Set<string>();
  const byMost = [...items].sort((a, b) => new Set(keysOf(b)).size - new Set(keysOf(a)).size);
  return byMost.filter((item) => {
    const fresh = keysOf(item).filter((key) => !seen.has(key));
    for (const key of fresh) seen.add(key);
    return fresh.length > 0;
  });
}

function firstOfEach<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const item of items) if (!byKey.has(keyOf(item))) byKey.set(keyOf(item), item);
  return [...byKey.values()];
}

const abort: ScriptedAnswer = { by: OPERATOR, choice: 'abort', reason: 'It does not work' };

describe.each(Object.entries(workflows))('%s', (exportName, { spec }) => {
  const clean: Observed[] = [];
  const cleanOf = ({ name }: Rehearsal<unknown>): Observed => {
    const found = clean.find((observed) => observed.name === name);
    if (found === undefined) throw new Error(`the rehearsal "${name}" did not end as scripted`);
    return found;
  };
  const plans = (): Plan[] =>
    spec.rehearsals.map(({ input }) => {
      const parsed = spec.input.parse(input);
      const { configuration } = installation.installation;
      const references = Object.entries<string>(spec.config?.(parsed) ?? {});
      return spec.plan(
        parsed,
        Object.fromEntries(references.map(([name, ref]) => [name, configuration.resolve(ref)])),
      );
    });

  test('1. is named, described and sourced', () => {
    expect(exportName).toBe(spec.name);
    for (const [name, field] of Object.entries(spec.input.shape)) {
      const { title, description, examples } =
        (field as { meta(): Record<string, unknown> | undefined }).meta() ?? {};
      expect({ name, title, description, examples }).toEqual({
        name,
        title: expect.stringMatching(/\S/) as string,
        description: expect.stringMatching(/\S/) as string,
        examples: [expect.anything()],
      });
    }
    const sources = plans().flatMap((plan) =>
      plan.flatMap(({ source }) => (source === undefined ? [] : source.split(', '))),
    );
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) expect(source).toMatch(/^\d{3}_[0-9a-f]{16}\.txt \d+(-\d+)?$/);
    const rows = readProcedures().map(({ id }) => id);
    expect(spec.covers.length).toBeGreaterThan(0);
    for (const row of spec.covers) expect(rows).toContain(row);
  });

  test('2. its input is a flat form that every surface can show', () => {
    const schema = findRunbook(
      catalogueOf({ [exportName]: workflows[exportName as keyof typeof workflows] }),
      spec.name,
    )?.schema;
    expect(schema).toMatchObject({ type: 'object' });
    const fields = Object.entries(schema?.properties ?? {});
    expect(fields.length).toBeGreaterThan(0);
    for (const [name, field] of fields) {
      const { type, title, description } = field as {
        type?: unknown;
        title?: unknown;
        description?: unknown;
      };
      expect({ name, type, title, description }).toEqual({
        name,
        type: expect.stringMatching(/^(string|number|integer|boolean)$/) as string,
        title: expect.any(String) as string,
        description: expect.any(String) as string,
      });
    }
  });

  test(
    '3. each rehearsal ends as scripted, and together they use every id of every plan',
    { timeout: 5 * MINUTES },
    async () => {
      expect(spec.rehearsals.length).toBeGreaterThan(0);
      const problems = await problemsOf(
        spec.name,
        spec.rehearsals.map((rehearsal) => ({
          about: 'as scripted',
          experiment: { rehearsal },
          problems: (observed) => {
            clean.push(observed);
            return [];
          },
        })),
      );
      expect(problems).toEqual([]);
      const used = new Set(
        clean.flatMap(({ entries }) =>
          entries.flatMap(({ entry }) => {
            if (entry.kind === 'step.intent') return [entry.activity];
            if (entry.kind === 'gate.opened') return [baseOf(entry.gate)];
            if (entry.kind === 'wait.started') return [baseOf(entry.wait)];
            return entry.kind === 'question.asked' ? [baseOf(entry.target)] : [];
          }),
        ),
      );
      const planned = new Set(plans().flatMap((plan) => plan.flatMap(({ uses }) => uses)));
      expect([...planned].filter((id) => !used.has(id))).toEqual([]);
      expect([...used].filter((id) => !planned.has(id))).toEqual([]);
    },
  );

  /**
   * A step is struck at every operation that it asked in the clean run. All steps of a run are struck, one after the
   * other: each recovers before the next begins, so a step that does not is named by its own line. As many rehearsals
   * as bring a verb, or another set of operations of it, that no other one has.
   */
  describe.each(['before', 'after'] as const)('4. a fault %s the effect of each step', (point) => {
    test('is overcome by a retry, and the effect is there once', { timeout: 5 * MINUTES }, async () => {
      const keysOf = (observed: Observed) =>
        observed.visits.map((visit) => `${visit.activity} ${operationsOf(visit).join()}`);
      const problems = await problemsOf(
        spec.name,
        covering(clean, keysOf).map((wanted): Trial => {
          const rehearsal = spec.rehearsals.find(({ name }) => name === wanted.name) as Rehearsal<unknown>;
          const targets = wanted.visits.filter(
            (visit, index) =>
              wanted.visits.slice(0, index).filter((other) => other.activity === visit.activity).length <
              STRUCK_OF_EACH_VERB,
          );
          const strikes = new Map(
            targets.map((visit) => [visit.step, { point, operations: operationsOf(visit) } satisfies Strike]),
          );
          return {
            about: `fault ${point} each step`,
            experiment: { rehearsal, strike: (step) => strikes.get(step) },
            problems: (observed) => [
              effectsDiffer(observed, wanted),
              ...targets.flatMap(({ step }) => {
                const outcomes = ofKind(observed, 'step.outcome').filter((outcome) => outcome.step === step);
                return [
                  !observed.struck.has(step) && `${step} was not struck`,
                  !outcomes.some(({ outcome }) => outcome === 'failed') && `${step} was not tried again`,
                  outcomes.at(-1)?.outcome !== 'ok' && `${step} did not succeed`,
                ];
              }),
            ],
          };
        }),
      );
      expect(problems).toEqual([]);
    });
  });

  /**
   * Where a step can fail: once for each verb and each state of what would be undone (before and after the point of
   * no return, for instance), in the rehearsal that gets there soonest.
   */
  const failurePoints = (): { rehearsal: Rehearsal<unknown>; visit: Visit; restorable: boolean }[] => {
    const points = spec.rehearsals.flatMap((rehearsal) => {
      const { visits } = cleanOf(rehearsal);
      return visits.flatMap((visit, index) =>
        isUndo(visit)
          ? []
          : [{ rehearsal, visit, index, restorable: isRestorable(visits.slice(0, index + 1), visit.undo) }],
      );
    });
    return firstOfEach(
      points.sort((a, b) => a.index - b.index),
      ({ visit, restorable }) => JSON.stringify([visit.activity, visit.undo, restorable]),
    );
  };

  const stopProblems = (
    observed: Observed,
    { step, undo }: Visit,
    restorable: boolean,
  ): (string | false)[] => {
    const asked = ofKind(observed, 'question.asked').filter(({ question }) => question === 'failed step');
    const resolved = ofKind(observed, 'step.resolved').filter(({ choice }) => choice === 'aborted');
    const since = observed.visits.slice(observed.visits.findLastIndex((visit) => !isUndo(visit)) + 1);
    return [
      observed.outcome !== 'aborted' && `it ended ${observed.outcome}`,
      !observed.struck.has(step) && `${step} was not struck`,
      asked.map(({ target }) => target).join() !== step &&
        `it failed at ${asked.map(({ target }) => target).join() || 'no step'}`,
      resolved.map((entry) => entry.step).join() !== step && `${step} is not the step that was given up`,
      ...undoProblems(observed, undo),
      !since.every(isUndo) && 'it went on after the step that failed',
      restorable && restored(observed),
      !messagesOf(observed).some(
        (text) => text.includes('question asked') && text.includes(step) && text.includes('abort'),
      ) && `nobody was told what to do about ${step}`,
      !messagesOf(observed).some((text) => text.includes('run closed') && text.includes('aborted')) &&
        'nobody was told of the end',
    ];
  };
  const failing = (visit: Visit): Strike => ({
    point: 'before',
    forGood: true,
    status: REFUSED,
    // The last operation: what came before it has happened, which is harder to undo.
    operations: operationsOf(visit).slice(-1),
  });

  test(
    '5. a step that fails for good stops at exactly that step, and everything is undone in reverse',
    { timeout: 8 * MINUTES },
    async () => {
      const points = failurePoints();
      expect(points.some(({ restorable, visit }) => restorable && visit.undo.length > 0)).toBe(true);
      const problems = await problemsOf(
        spec.name,
        points.map(({ rehearsal, visit, restorable }) => ({
          about: `${visit.step} refused for good`,
          experiment: {
            rehearsal: answered(rehearsal, { [visit.step]: abort }),
            strike: (step) => (step === visit.step ? failing(visit) : undefined),
            anyEnd: true,
          },
          problems: (observed) => stopProblems(observed, visit, restorable),
        })),
      );
      expect(problems).toEqual([]);
    },
  );

  test(
    '5. so does a step whose answer is lost for good, unless it finds what it did',
    { timeout: 8 * MINUTES },
    async () => {
      const points = firstOfEach(
        failurePoints().filter(({ visit }) => visit.acted),
        ({ visit }) => visit.activity,
      );
      const problems = await problemsOf(
        spec.name,
        points.map(({ rehearsal, visit, restorable }) => ({
          about: `${visit.step} never answered`,
          experiment: {
            rehearsal: answered(rehearsal, { [visit.step]: abort }),
            strike: (step) =>
              step === visit.step
                ? { point: 'after', forGood: true, operations: changingOperationsOf(visit) }
                : undefined,
            anyEnd: true,
          },
          problems: (observed) => {
            const gaveUp = ofKind(observed, 'question.asked').some(({ target }) => target === visit.step);
            if (gaveUp) return stopProblems(observed, visit, restorable);
            const expected = cleanOf(rehearsal);
            return [
              !observed.struck.has(visit.step) && `${visit.step} was not struck`,
              observed.outcome !== expected.outcome && `it ended ${observed.outcome}`,
              effectsDiffer(observed, expected),
            ];
          },
        })),
      );
      expect(problems).toEqual([]);
    },
  );

  test(
    '5. a manual step that can not be done stops the run, and everything is undone in reverse',
    { timeout: 5 * MINUTES },
    async () => {
      const problems = await problemsOf(
        spec.name,
        manualSteps().map(({ rehearsal, id }) => ({
          about: `${id} can't be done`,
          experiment: { rehearsal: answered(rehearsal, { [id]: abort }), anyEnd: true },
          problems: (observed) => {
            const undo = observed.visits.findLast((visit) => !isUndo(visit))?.undo ?? [];
            return [
              observed.outcome !== 'aborted' && `it ended ${observed.outcome}`,
              ...undoProblems(observed, undo),
            ];
          },
        })),
      );
      expect(problems).toEqual([]);
    },
  );

  test(
    '6. each undo step that is executed twice leaves the same world',
    { timeout: 5 * MINUTES },
    async () => {
      const undone = failurePoints().flatMap(({ rehearsal, visit, restorable }) => {
        const observed = all.find(
          (candidate) =>
            candidate.name === rehearsal.name &&
            candidate.outcome === 'aborted' &&
            candidate.struck.has(visit.step) &&
            candidate.visits.some(isUndo),
        );
        return observed === undefined ? [] : [{ rehearsal, visit, restorable, observed }];
      });
      const chosen = covering(undone, ({ observed }) =>
        observed.visits.filter(isUndo).map((visit) => `${visit.activity} ${operationsOf(visit).join()}`),
      );
      expect(chosen.length).toBeGreaterThan(0);
      const problems = await problemsOf(
        spec.name,
        chosen.map(({ rehearsal, visit, restorable, observed: once }): Trial => {
          const undoSteps = once.visits.filter(isUndo);
          const strikes = new Map(
            undoSteps.map((undo) => [
              undo.step,
              { point: 'after', operations: operationsOf(undo) } satisfies Strike,
            ]),
          );
          return {
            about: `undone twice after ${visit.step}`,
            experiment: {
              rehearsal: answered(rehearsal, { [visit.step]: abort }),
              strike: (step) => (step === visit.step ? failing(visit) : strikes.get(step)),
              anyEnd: true,
            },
            problems: (observed) => [
              ...undoSteps.map(({ step }) => !observed.struck.has(step) && `${step} was not executed twice`),
              ...stopProblems(observed, visit, restorable),
              effectsDiffer(observed, once),
            ],
          };
        }),
      );
      expect(problems).toEqual([]);
    },
  );

  test(
    '7. a gate that nobody answers escalates, expires, and is never taken for a yes',
    { timeout: 5 * MINUTES },
    async () => {
      const gates = firstOfEach(
        clean.flatMap((observed) =>
          ofKind(observed, 'gate.opened').map(({ gate, review }) => ({ observed, id: baseOf(gate), review })),
        ),
        ({ id }) => id,
      );
      const problems = await problemsOf(
        spec.name,
        gates.map(({ observed: { name }, id, review }) => ({
          about: `nobody answers ${id}`,
          experiment: {
            rehearsal: answered(spec.rehearsals.find((other) => other.name === name) as Rehearsal<unknown>, {
              [id]: 'nobody',
            }),
            anyEnd: true,
          },
          problems: (observed) => {
            const opened = ofKind(observed, 'gate.opened').find(({ gate }) => gate === id);
            const escalated = ofKind(observed, 'gate.escalated').find(({ gate }) => gate === id);
            const closed = ofKind(observed, 'gate.closed').find(({ gate }) => gate === id);
            const undo = observed.visits.findLast((visit) => !isUndo(visit))?.undo ?? [];
            const common = [
              !ofKind(observed, 'gate.reminded').some(({ gate }) => gate === id) && 'nobody was reminded',
              (escalated === undefined || escalated.virtual < (opened?.deadline ?? '')) &&
                'it did not escalate at its deadline',
              closed?.outcome !== 'expired' && `the gate was ${closed?.outcome ?? 'left open'}`,
              (closed?.virtual ?? '') < (escalated?.deadline ?? '') &&
                'it expired before the second deadline',
            ];
            if (review)
              return [
                ...common,
                observed.outcome !== 'completed' && `a review ended the run as ${observed.outcome}`,
              ];
            return [
              ...common,
              observed.outcome !== 'rejected' && `it ended ${observed.outcome}`,
              ...undoProblems(observed, undo),
              isRestorable(observed.visits, undo) && restored(observed),
            ];
          },
        })),
      );
      expect(problems).toEqual([]);
    },
  );

  const manualSteps = (): { rehearsal: Rehearsal<unknown>; id: string }[] =>
    firstOfEach(
      clean.flatMap((observed) =>
        ofKind(observed, 'question.asked')
          .filter(({ question }) => question === 'manual step')
          .map(({ target }) => ({
            rehearsal: spec.rehearsals.find(({ name }) => name === observed.name) as Rehearsal<unknown>,
            id: baseOf(target),
          })),
      ),
      ({ id }) => id,
    );

  test(
    '7. a question that nobody answers for days reminds, escalates and waits',
    { timeout: 5 * MINUTES },
    async () => {
      const waited = (observed: Observed, id: string): (string | false)[] => [
        !ofKind(observed, 'question.reminded').some(({ target }) => target === id) && 'nobody was reminded',
        ofKind(observed, 'question.escalated').filter(({ target }) => target === id).length !== 1 &&
          'it did not escalate once',
        observed.virtualMs < 3 * 24 * 60 * MINUTES && 'it did not wait for three days',
      ];
      const late = (answer: ScriptedAnswer): ScriptedAnswer => ({ ...answer, after: '3 days' });
      const manual = manualSteps().map(({ rehearsal, id }): Trial => {
        const script = rehearsal.answers[id] as ScriptedAnswer | readonly ScriptedAnswer[];
        return {
          about: `${id} is done after three days`,
          experiment: {
            rehearsal: answered(rehearsal, {
              [id]: Array.isArray(script) ? script.map(late) : late(script as ScriptedAnswer),
            }),
          },
          problems: (observed) => waited(observed, id),
        };
      });
      const [failed] = failurePoints().filter(({ visit }) => isChange(visit) && visit.requests.length > 0);
      if (failed === undefined) throw new Error('no step changes anything');
      const { rehearsal, visit } = failed;
      const problems = await problemsOf(spec.name, [
        ...manual,
        {
          about: `${visit.step} is tried again after three days`,
          experiment: {
            rehearsal: answered(rehearsal, {
              [visit.step]: { by: OPERATOR, choice: 'retry', after: '3 days' },
            }),
            strike: (step) =>
              step === visit.step
                ? { point: 'before', status: REFUSED, operations: operationsOf(visit).slice(-1) }
                : undefined,
          },
          problems: (observed) => [
            !observed.struck.has(visit.step) && `${visit.step} was not struck`,
            ...waited(observed, visit.step),
          ],
        },
      ]);
      expect(problems).toEqual([]);
    },
  );

  test('8. the record of every one of these runs is whole, and names who decided', () => {
    expect(all.length).toBeGreaterThan(spec.rehearsals.length);
    expect(all.flatMap(auditOf)).toEqual([]);
  });

  test(
    '9. the history of every one of these runs replays on the code that it ran on',
    { timeout: 5 * MINUTES },
    async () => {
      const { code } = await workflowBundle();
      const histories = await inParallel(all, AT_ONCE, async ({ run: workflowId }) => ({
        workflowId,
        history: await installation.rehearsal.workflow.getHandle(workflowId).fetchHistory(),
      }));
      expect(await failedReplays(code, histories)).toEqual([]);
      const [first] = histories;
      const json = historyToJSON(first?.history ?? {});
      // Equal as text: a comparison of the messages themselves trips over fields that were never set.
      expect(historyToJSON(historyFromJSON(JSON.parse(json))) === json).toBe(true);
    },
  );
});

describe('histories that were recorded earlier', () => {
  const folder = fileURLToPath(new URL('histories/', import.meta.url));
  const names = readdirSync(folder).flatMap((file) =>
    file.endsWith('.history.json') ? [file.replace('.history.json', '')] : [],
  );

  test('there is at least one', () => {
    expect(names.length).toBeGreaterThan(0);
  });

  test.each(names)(
    '9. %s replays on the code that it was recorded with',
    { timeout: MINUTES },
    async (name) => {
      const code = gunzipSync(readFileSync(`${folder}${name}.bundle.js.gz`)).toString('utf8');
      const { workflowId, history } = JSON.parse(readFileSync(`${folder}${name}.history.json`, 'utf8')) as {
        workflowId: string;
        history: unknown;
      };
      expect(await failedReplays(code, [{ workflowId, history: historyFromJSON(history) }])).toEqual([]);
    },
  );
});

type Histories = Parameters<typeof Worker.runReplayHistories>[1];

/** What went wrong in replaying histories on a bundle; empty when all of them replay. */
async function failedReplays(code: string, histories: Histories): Promise<string[]> {
  const sinks: InjectedSinks<ReplayRecorderSinks> = {
    replayRecorder: { commands: { fn: () => undefined, callDuringReplay: true } },
  };
  const failed: string[] = [];
  const results = Worker.runReplayHistories(
    { workflowBundle: { code }, sinks, dataConverter: dataConverter() },
    histories,
  );
  for await (const { workflowId, error } of results) {
    if (error !== undefined) failed.push(`${workflowId}: ${error.message}`);
  }
  return failed;
}
