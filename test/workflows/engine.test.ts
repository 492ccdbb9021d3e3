import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EntryOf, LedgerEntry, LedgerKind } from '../../activities/ledger/entry.js';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import { catalogueOf } from '../../triggers/catalogue.js';
import { put, read, type InboxMessage, type InboxOutcome } from '../../triggers/inbox.js';
import { deliver } from '../../triggers/relay.js';
import { start } from '../../triggers/start.js';
import { bundleWorkflows } from '../../worker/bundle.js';
import type { Host } from '../../worker/host.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { Assurance, RunStatus } from '../../workflows/engine/types.js';
import { liveWorker, testInstallation, type TestInstallation } from '../helpers/engine.js';
import * as fixtures from './fixtures/index.js';

const PROJECT = 'abcdefghijklmnopqrst';
const PATIENCE_MS = 30_000;

let base: TestInstallation;
/** The installation with the trial runbook, and an application nobody has configured. */
let lab: TestInstallation;
let worker: Host;

beforeAll(async () => {
  base = await testInstallation();
  const application = {
    ...base.installation.application,
    get: () => ({ ...base.installation.application.get(), verbs: {} }),
  };
  const { directory } = base.installation;
  // A third operator: whoever changes an input needs somebody to confirm it who did not start the run either.
  const groupsOf = async (person: string) => [
    ...(await directory.groupsOf(person)),
    ...(person === (await directory.personByName('Linus')) ? ['operators'] : []),
  ];
  lab = {
    ...base,
    installation: {
      ...base.installation,
      catalogue: catalogueOf(fixtures),
      application,
      directory: { ...directory, groupsOf },
    },
  };
  const bundle = await bundleWorkflows(fileURLToPath(new URL('fixtures/index.ts', import.meta.url)));
  worker = await liveWorker(lab, bundle);
}, 120_000);

afterAll(async () => {
  await worker?.stop();
  await base?.close();
}, 60_000);

type Message = InboxMessage extends infer M
  ? M extends InboxMessage
    ? Omit<M, 'org' | 'mode' | 'run' | 'runbook' | 'assurance' | 'channel' | 'person'>
    : never
  : never;

/** A run of the trial runbook, started by Ada. */
async function begin(trial: string) {
  const { pool, ledger, configuration, directory, catalogue } = lab.installation;
  const { acceptedAssurances, org } = lab.environment;
  const tag = `T${randomBytes(4).toString('hex').toUpperCase()}`;
  const person = async (name: string) => (await directory.personByName(name)) ?? 'p_nobody';
  const result = await start(
    {
      ...{ pool, ledger, configuration, directory, catalogue, acceptedAssurances, org },
      ...{ client: lab.live, mode: 'live', taskQueue: lab.taskQueue },
    },
    {
      runbook: 'engineTrial',
      input: { trial, tag },
      person: await person('Ada'),
      assurance: 'claimed',
      channel: 'cli',
    },
  );
  if (!result.started) throw new Error(result.sentence);
  const { run } = result;
  const handle = lab.live.workflow.getHandle(run);
  const status = (): Promise<RunStatus> => handle.query(statusQuery);

  const store = async (by: string, message: Message, assurance: Assurance = 'claimed'): Promise<string> => {
    const common = { org, mode: 'live', run, runbook: 'engineTrial', channel: 'cli', assurance } as const;
    const { id } = await put(pool, ledger, { ...message, ...common, person: await person(by) });
    return id;
  };
  const answerTo = async (id: string): Promise<InboxOutcome> => {
    const row = await eventually(
      () => read(pool, id),
      (found) => found?.outcome != null,
      `an answer to ${id}`,
    );
    return row?.outcome ?? { refused: 'none', sentence: '' };
  };
  /** Sends a message and waits for what the person is told: the refusal's code, or null. */
  const say = async (
    by: string,
    message: Message,
    assurance: Assurance = 'claimed',
  ): Promise<string | null> => {
    const id = await store(by, message, assurance);
    await deliver({ pool, ledger, clients: { live: lab.live } }, id);
    return (await answerTo(id)).refused;
  };
  const decide = async (
    by: string,
    gate: string,
    more: Partial<Extract<Message, { kind: 'decide' }>> = {},
    assurance?: Assurance,
  ) => {
    const { planDigest } = await status();
    const seen = planDigest === null ? {} : { planDigest };
    return await say(by, { kind: 'decide', target: gate, verdict: 'approve', ...seen, ...more }, assurance);
  };
  const operate = (
    by: string,
    target: string,
    more: Omit<Extract<Message, { kind: 'operate' }>, 'kind' | 'target'>,
  ) => say(by, { kind: 'operate', target, ...more });
  const entries = async (): Promise<LedgerEntry[]> =>
    (await ledger.read({ org, run })).map(({ entry }) => entry);
  return {
    ...{ run, tag, handle, status, store, answerTo, say, decide, operate, person },
    ofKind: async <K extends LedgerKind>(kind: K): Promise<EntryOf<K>[]> =>
      (await entries()).filter((entry): entry is EntryOf<K> => entry.kind === kind),
    until: (what: string, holds: (now: RunStatus) => boolean) => eventually(status, holds, what),
    gateOpen: (gate = 'go') =>
      eventually(
        status,
        ({ gates }) => gates.some(({ id, state }) => id === gate && state === 'open'),
        `gate ${gate}`,
      ),
    asked: (target: string) =>
      eventually(status, ({ questions }) => questions.some(({ id }) => id === target), `question ${target}`),
    /** How it ended, and that its record is whole. */
    end: async (): Promise<{ outcome: string; type: string | undefined; result: unknown }> => {
      const ended = await handle.result().then(
        (result: unknown) => ({ type: undefined, result }),
        (error: unknown) => {
          if (!(error instanceof WorkflowFailedError)) throw error;
          const cause = error.cause as Partial<ApplicationFailure> | undefined;
          return { type: cause?.type ?? cause?.name, result: undefined };
        },
      );
      expect(checkRun(await ledger.read({ org, run }))).toEqual([]);
      const closed = (await entries()).find((entry) => entry.kind === 'run.closed');
      return { outcome: closed?.kind === 'run.closed' ? closed.outcome : 'open', ...ended };
    },
    /** Refuses requests of this run only: a variable's name has the run's tag in it. */
    refuse: (operation: string, letter: string, times = 1) =>
      lab.world.fail({ operation, point: 'before', status: 400, times, containing: `${tag}_${letter}` }),
    deployed: (letter: string): boolean => {
      const state = lab.world.dump()['supabase'] as {
        projects: Record<string, { secrets: Record<string, string> }>;
      };
      return `${tag}_${letter}` in (state.projects[PROJECT]?.secrets ?? {});
    },
  };
}

async function eventually<T>(look: () => Promise<T>, holds: (now: T) => boolean, what: string): Promise<T> {
  const giveUpAt = Date.now() + PATIENCE_MS;
  for (;;) {
    const now = await look().catch((error: unknown) => {
      if (Date.now() > giveUpAt) throw error;
      return undefined;
    });
    if (now !== undefined && holds(now)) return now;
    if (Date.now() > giveUpAt)
      throw new Error(`waited in vain for ${what}: ${JSON.stringify(now)?.slice(0, 500)}`);
    await pause(50);
  }
}

describe('the plan', () => {
  test('a step that is not in it is never executed', async () => {
    const run = await begin('unplanned');
    expect(await run.end()).toMatchObject({ outcome: 'failed', type: 'NotInPlan' });
    expect(await run.ofKind('step.intent')).toEqual([]);
  });

  test('a plain error in the code does not end the run: it waits for the mended code', async () => {
    const run = await begin('mistake');
    await eventually(
      async () => (await run.handle.fetchHistory()).events ?? [],
      (events) => events.some(({ workflowTaskFailedEventAttributes: failed }) => failed != null),
      'a failed workflow task',
    );
    expect((await run.handle.describe()).status.name).toBe('RUNNING');
    await run.handle.terminate('the test is over');
  });
});

describe('a gate', () => {
  test('takes the decisions of its group only, and never of who started the run', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    expect(await run.decide('Ada', 'go')).toBe('Requester');
    expect(await run.decide('Edsger', 'go')).toBe('NotInGroup');
    expect(await run.decide('Grace', 'stop')).toBe('NoSuchTarget');
    expect(await run.decide('Grace', 'go')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    const [closed] = await run.ofKind('gate.closed');
    expect(closed).toMatchObject({ outcome: 'approved', people: [await run.person('Grace')] });
    expect((await run.ofKind('message.refused')).map(({ code }) => code)).toEqual([
      'Requester',
      'NotInGroup',
      'NoSuchTarget',
    ]);
  });

  test('with a quorum of two needs two people: one who approves twice counts once', async () => {
    const run = await begin('quorum');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go')).toBeNull();
    expect(await run.decide('Grace', 'go')).toBe('AlreadyVoted');
    expect((await run.status()).gates[0]).toMatchObject({ state: 'open' });
    expect(await run.decide('Margaret', 'go')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('refuses who looked at another plan, or at none', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go', { planDigest: '0'.repeat(64) })).toBe('PlanChanged');
    expect(await run.say('Grace', { kind: 'decide', target: 'go', verdict: 'approve' })).toBe('PlanChanged');
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.end();
  });

  test('of high risk needs a stronger proof than a click, and a reason', async () => {
    const run = await begin('risky');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go', { reason: 'Checked' }, 'slack')).toBe('AssuranceTooLow');
    expect(await run.decide('Grace', 'go', {}, 'step-up')).toBe('ReasonRequired');
    expect(await run.decide('Grace', 'go', { reason: 'Checked' }, 'step-up')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('is declined only with a reason, and what was done is undone', async () => {
    const run = await begin('changedThenGate');
    await run.gateOpen();
    expect(run.deployed('A')).toBe(true);
    expect(await run.decide('Grace', 'go', { verdict: 'decline' })).toBe('ReasonRequired');
    expect(await run.decide('Grace', 'go', { verdict: 'decline', reason: 'Not today' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'rejected', type: 'Rejected' });
    expect(run.deployed('A')).toBe(false);
  });

  test('that is over takes no decision any more: it came too late', async () => {
    const run = await begin('short');
    await run.gateOpen();
    await eventually(
      () => run.ofKind('gate.closed'),
      (closed) => closed.length > 0,
      'the end of the gate',
    );
    expect(['TooLate', 'RunClosed']).toContain(await run.decide('Grace', 'go'));
    expect(await run.end()).toMatchObject({ outcome: 'rejected' });
    expect(await run.ofKind('gate.closed')).toMatchObject([{ outcome: 'expired', people: [] }]);
  });

  test('takes a decision that is signalled twice once', async () => {
    const run = await begin('quorum');
    const { planDigest } = await run.gateOpen();
    const id = await run.store('Grace', {
      ...{ kind: 'decide', target: 'go', verdict: 'approve' },
      ...(planDigest === null ? {} : { planDigest }),
    } as const);
    for (let times = 0; times < 3; times += 1) await run.handle.signal('decide', { inboxId: id });
    expect((await run.answerTo(id)).refused).toBeNull();
    expect((await run.status()).gates[0]?.approvals).toHaveLength(1);
    expect(await run.decide('Margaret', 'go')).toBeNull();
    await run.end();
    expect((await run.ofKind('message.accepted')).filter(({ inbox }) => inbox === id)).toHaveLength(1);
  });

  test('refuses a signal without a row in the inbox, and says so on the record', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    await run.handle.signal('decide', { inboxId: 'made-up' });
    const refused = await eventually(
      () => run.ofKind('message.refused'),
      (all) => all.length > 0,
      'the refusal',
    );
    // Whoever signalled it chose the text: it does not get into an entry that nobody can erase.
    expect(refused).toMatchObject([{ person: null, code: 'NoSuchMessage' }]);
    expect(JSON.stringify(refused)).not.toContain('made-up');
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.end();
  });

  test('that is opened again never takes a decision that was made for the earlier one', async () => {
    const run = await begin('twice');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.gateOpen('go#2');
    expect(await run.decide('Margaret', 'go')).toBe('AlreadyClosed');
    expect((await run.status()).gates[1]).toMatchObject({ id: 'go#2', state: 'open', approvals: [] });
    expect(await run.decide('Margaret', 'go#2')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('after the fact never undoes anything', async () => {
    const run = await begin('review');
    await run.gateOpen('look');
    expect(await run.decide('Grace', 'look', { verdict: 'decline', reason: 'It was wrong' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed', result: { verdict: 'declined' } });
    expect(run.deployed('A')).toBe(true);
    expect(await run.ofKind('undo.started')).toEqual([]);
  });
});

describe('a step that fails', () => {
  test('is tried again when a person says so', async () => {
    const run = await begin('step');
    const fault = run.refuse('supabase.setSecrets', 'A');
    await run.asked('supabase.setSecret#1');
    expect(await run.operate('Edsger', 'supabase.setSecret#1', { choice: 'retry' })).toBe('NotInGroup');
    expect(await run.operate('Ada', 'supabase.setSecret#1', { choice: 'retry' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    expect(fault.injected).toBe(1);
    expect(run.deployed('A')).toBe(true);
  });

  test('is tried with a changed input only when a second person agrees; the change joins plan and requesters', async () => {
    const run = await begin('step');
    const fault = run.refuse('supabase.setSecrets', 'A', Infinity);
    const step = 'supabase.setSecret#1';
    const { planDigest: before } = await run.asked(step);
    const input = { project: PROJECT, variable: `${run.tag}_B`, ref: 'secret://resend/api-key@v1' };
    expect(
      await run.operate('Linus', step, { choice: 'retry', input: { ...input, ref: 'no reference' } }),
    ).toBe('BadValue');
    expect(await run.operate('Linus', step, { choice: 'retry', input })).toBeNull();
    await run.gateOpen(`${step}/change~r2`);
    expect(await run.decide('Linus', `${step}/change~r2`)).toBe('Requester');
    expect(await run.decide('Ada', `${step}/change~r2`)).toBe('Requester');
    expect(run.deployed('B')).toBe(false);
    expect(await run.decide('Margaret', `${step}/change~r2`)).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    expect(fault.injected).toBe(1);
    expect(['A', 'B'].map(run.deployed)).toEqual([false, true]);
    const { planDigest, requesters } = await run.status();
    expect(planDigest).not.toBe(before);
    expect(requesters).toEqual([await run.person('Ada'), await run.person('Linus')]);
    const intents = await run.ofKind('step.intent');
    expect(intents.map((intent) => intent.step)).toEqual([step, step]);
    expect(new Set(intents.map(({ key }) => key)).size).toBe(2);
  });

  test('is skipped with a reason; a critical one only when a second person agrees', async () => {
    const plain = await begin('step');
    plain.refuse('supabase.setSecrets', 'A');
    await plain.asked('supabase.setSecret#1');
    expect(await plain.operate('Ada', 'supabase.setSecret#1', { choice: 'skip' })).toBe('ReasonRequired');
    expect(
      await plain.operate('Ada', 'supabase.setSecret#1', { choice: 'skip', reason: 'Not needed' }),
    ).toBeNull();
    expect(await plain.end()).toMatchObject({ outcome: 'completed' });
    expect(await plain.ofKind('step.resolved')).toMatchObject([
      { choice: 'skipped', person: await plain.person('Ada') },
    ]);

    const fault = lab.world.fail({ operation: 'openai.listApiKeys', point: 'before', status: 400 });
    const critical = await begin('critical');
    await critical.asked('openai.deleteKey#1');
    expect(fault.injected).toBe(1);
    expect(
      await critical.operate('Ada', 'openai.deleteKey#1', { choice: 'skip', reason: 'Gone already' }),
    ).toBeNull();
    await critical.gateOpen('openai.deleteKey#1/skip');
    expect(await critical.decide('Ada', 'openai.deleteKey#1/skip')).toBe('Requester');
    expect(await critical.decide('Margaret', 'openai.deleteKey#1/skip')).toBeNull();
    expect(await critical.end()).toMatchObject({ outcome: 'completed' });
    expect(await critical.ofKind('step.resolved')).toMatchObject([{ choice: 'skipped' }]);
  });

  test('is done by hand with evidence and a result that fits', async () => {
    const fault = lab.world.fail({ operation: 'openai.listModels', point: 'before', status: 400 });
    const run = await begin('result');
    await run.asked('openai.verifyKey#1');
    expect(fault.injected).toBe(1);
    const done = { choice: 'done' } as const;
    expect(await run.operate('Ada', 'openai.verifyKey#1', { choice: 'skip', reason: 'No' })).toBe(
      'ChoiceNotOffered',
    );
    expect(await run.operate('Ada', 'openai.verifyKey#1', done)).toBe('EvidenceRequired');
    expect(await run.operate('Ada', 'openai.verifyKey#1', { ...done, evidence: 'Seen' })).toBe(
      'ResultRequired',
    );
    expect(
      await run.operate('Ada', 'openai.verifyKey#1', { ...done, evidence: 'Seen', result: { ok: 1 } }),
    ).toBe('BadValue');
    expect(
      await run.operate('Ada', 'openai.verifyKey#1', {
        ...done,
        evidence: 'Seen',
        result: { accepted: true },
      }),
    ).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed', result: { accepted: true } });
    const [resolved] = await run.ofKind('step.resolved');
    expect(resolved?.choice).toBe('done by hand');
    expect(resolved?.evidence).toMatch(/^[0-9a-f]{64}$/);
  });

  test('is given up by abort, and what was done is undone in reverse', async () => {
    const run = await begin('undo');
    const fault = run.refuse('supabase.setSecrets', 'C');
    await run.asked('supabase.setSecret#3');
    expect(fault.injected).toBe(1);
    expect(await run.operate('Ada', 'supabase.setSecret#3', { choice: 'abort' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'aborted', type: 'Aborted' });
    const removed = lab.world.requests.filter(
      ({ operation, body }) => operation === 'supabase.removeSecrets' && body.includes(run.tag),
    );
    expect(removed.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
      ['C', 'B', 'A'].map((letter) => [`${run.tag}_${letter}`]),
    );
    expect(['A', 'B', 'C'].map(run.deployed)).toEqual([false, false, false]);
  });
});

describe('an undo', () => {
  test('that fails asks, can not be aborted, and is not reported as undone before it is', async () => {
    const run = await begin('undo');
    await run.gateOpen();
    const fault = run.refuse('supabase.removeSecrets', 'B');
    expect(await run.decide('Grace', 'go', { verdict: 'decline', reason: 'No' })).toBeNull();
    const { questions } = await run.asked('undo/supabase.removeSecret#2');
    expect(fault.injected).toBe(1);
    expect(questions[0]?.choices).not.toContain('abort');
    expect(await run.ofKind('undo.ended')).toEqual([]);
    expect(run.deployed('B')).toBe(true);
    expect(await run.operate('Ada', 'undo/supabase.removeSecret#2', { choice: 'retry' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'rejected' });
    expect(await run.ofKind('undo.ended')).toMatchObject([{ outcome: 'undone' }]);
    expect(['A', 'B', 'C'].map(run.deployed)).toEqual([false, false, false]);
  });

  test('does not happen after the point of no return', async () => {
    const run = await begin('kept');
    await run.gateOpen();
    expect(await run.decide('Grace', 'go', { verdict: 'decline', reason: 'No' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'rejected' });
    expect(run.deployed('A')).toBe(true);
    expect(await run.ofKind('undo.started')).toEqual([]);
  });

  test('follows a cancellation, which needs a reason and somebody who may', async () => {
    const run = await begin('undo');
    await run.gateOpen();
    expect(await run.say('Edsger', { kind: 'cancel', reason: 'Please' })).toBe('NotInGroup');
    expect(await run.say('Ada', { kind: 'cancel' })).toBe('ReasonRequired');
    expect(await run.say('Ada', { kind: 'cancel', reason: 'Started by mistake' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'cancelled' });
    expect(await run.ofKind('gate.closed')).toMatchObject([{ outcome: 'cancelled', people: [] }]);
    expect(['A', 'B', 'C'].map(run.deployed)).toEqual([false, false, false]);
  });
});

describe('people', () => {
  test('cut a wait short only through a gate', async () => {
    const run = await begin('wait');
    await run.until('the wait', ({ waits }) => waits.length === 1);
    expect(await run.operate('Ada', 'pause', { choice: 'skip' })).toBe('ChoiceNotOffered');
    expect(await run.operate('Margaret', 'pause', { choice: 'cut-short' })).toBe('ReasonRequired');
    expect(await run.operate('Margaret', 'pause', { choice: 'cut-short', reason: 'All is well' })).toBeNull();
    await run.gateOpen('pause/cut-short');
    expect((await run.status()).waits[0]).toMatchObject({ state: 'waiting' });
    expect(await run.decide('Margaret', 'pause/cut-short')).toBe('Requester');
    expect(await run.decide('Linus', 'pause/cut-short')).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
    expect(await run.ofKind('wait.ended')).toMatchObject([{ cutShort: true }]);
  });

  test('put a note on the record', async () => {
    const run = await begin('gate');
    await run.gateOpen();
    expect(await run.say('Linus', { kind: 'note', reason: 'I am watching the dashboards' })).toBeNull();
    expect((await run.status()).notes).toBe(1);
    expect(await run.decide('Grace', 'go')).toBeNull();
    await run.end();
    const [received] = (await run.ofKind('message.received')).filter(({ message }) => message === 'note');
    expect(received?.reason).toMatch(/^[0-9a-f]{64}$/);
  });

  test('do a manual step with evidence', async () => {
    const run = await begin('manual');
    const { questions } = await run.asked('by-hand');
    expect(questions[0]).toMatchObject({ kind: 'manual step', what: 'Turn the key to the left.' });
    expect(await run.operate('Ada', 'by-hand', { choice: 'done' })).toBe('EvidenceRequired');
    expect(await run.operate('Ada', 'by-hand', { choice: 'done', evidence: 'A photograph' })).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed' });
  });

  test('do what nobody has automated yet, with the exact instruction', async () => {
    const run = await begin('health');
    const { questions } = await run.asked('application.health#1');
    expect(questions[0]).toMatchObject({ kind: 'manual step', needsResult: true });
    expect(questions[0]?.what).toContain('sign-in');
    const result = { passed: true, failed: [] };
    expect(
      await run.operate('Ada', 'application.health#1', { choice: 'done', evidence: 'Signed in', result }),
    ).toBeNull();
    expect(await run.end()).toMatchObject({ outcome: 'completed', result });
  });
});
