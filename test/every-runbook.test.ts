import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRunbook } from '../triggers/catalogue.js';
import type { RehearsalHost } from '../worker/rehearsal/index.js';
import * as workflows from '../workflows/index.js';
import { rehearsalHost, testInstallation, type TestInstallation } from './helpers/engine.js';
import { limited } from './helpers/limit.js';
import { isNamedDescribedAndSourced, takesAFlatForm } from './properties/form.js';
import { historiesReplay, recordIsWhole } from './properties/history.js';
import { rehearsalsUseThePlan } from './properties/rehearsed.js';
import { faultsAreOvercome } from './properties/retries.js';
import { questionsWait, silenceIsNoApproval } from './properties/silence.js';
import {
  failuresStopTheRun,
  lostAnswersStopTheRun,
  undoableByHandStopsTheRun,
  undosMayBeRepeated,
} from './properties/stops.js';
import { Subject } from './properties/subject.js';

/** Rehearsals at once, of all runbooks together: most of the time each waits for something. */
const AT_ONCE = 16;
const MINUTES = 60_000;

/** What holds for every runbook, and is shown by its rehearsals. Each gives a line for everything that is wrong. */
const EXPERIMENTS: Readonly<Record<string, (subject: Subject) => Promise<string[]>>> = {
  '3. each rehearsal ends as scripted, and together they use every id of every plan': rehearsalsUseThePlan,
  '4. a fault before the effect of each step is overcome by a retry, and the effect is there once': (
    subject,
  ) => faultsAreOvercome(subject, 'before'),
  '4. a fault after the effect of each step is overcome by a retry, and the effect is there once': (
    subject,
  ) => faultsAreOvercome(subject, 'after'),
  '5. a step that fails for good stops at exactly that step, and everything is undone in reverse':
    failuresStopTheRun,
  '5. so does a step whose answer is lost for good, unless it finds what it did': lostAnswersStopTheRun,
  '5. a manual step that can not be done stops the run, and everything is undone in reverse':
    undoableByHandStopsTheRun,
  '6. each undo step that is executed twice leaves the same world': undosMayBeRepeated,
  '7. a gate that nobody answers escalates, expires, and is never taken for a yes': silenceIsNoApproval,
  '7. a question that nobody answers for days reminds, escalates and waits': questionsWait,
};

let installation: TestInstallation;
let host: RehearsalHost;
const subjects = new Map<string, Subject>();

/**
 * All runbooks share one worker. What the chosen tests need is begun at once for all of them, and each test waits for
 * its own: one runbook's waiting is the time of the others.
 */
beforeAll(async ({}, file) => {
  installation = await testInstallation();
  host = await rehearsalHost(installation);
  const limit = limited(AT_ONCE);
  for (const exportName of Object.keys(workflows)) {
    const entry = findRunbook(installation.installation.catalogue, exportName);
    if (entry === undefined) throw new Error(`${exportName} is not in the catalogue`);
    const subject = new Subject(exportName, entry, installation, host, limit);
    subjects.set(exportName, subject);
    const suite = file.tasks.find(({ name }) => name === exportName);
    const tests = suite?.type === 'suite' ? suite.tasks.filter(({ mode }) => mode === 'run') : [];
    // Each test says itself what went wrong.
    for (const { name } of tests) begun(subject, name).catch(() => undefined);
  }
}, 2 * MINUTES);

afterAll(async () => {
  await host?.close();
  await installation?.close();
}, 2 * MINUTES);

function begun(subject: Subject, name: string): Promise<string[]> {
  const experiment = EXPERIMENTS[name];
  return experiment === undefined ? Promise.resolve([]) : subject.once(name, () => experiment(subject));
}

describe.each(Object.keys(workflows))('%s', (exportName) => {
  const subject = (): Subject => {
    const found = subjects.get(exportName);
    if (found === undefined) throw new Error(`no runbook ${exportName}`);
    return found;
  };

  test('1. is named, described and sourced', () => isNamedDescribedAndSourced(subject()));

  test('2. its input is a flat form that every surface can show', () => takesAFlatForm(subject()));

  test.each(Object.keys(EXPERIMENTS))('%s', { timeout: 10 * MINUTES }, async (name) => {
    expect(await begun(subject(), name)).toEqual([]);
  });

  test('8. the record of every one of these runs is whole, and names who decided', () => {
    expect(subject().traces.length).toBeGreaterThan(0);
    expect(recordIsWhole(subject())).toEqual([]);
  });

  test(
    '9. the histories of these runs replay on the code that they ran on',
    { timeout: 5 * MINUTES },
    async () => {
      expect(await historiesReplay(subject())).toEqual([]);
    },
  );
});
