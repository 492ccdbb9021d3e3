import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { expect } from 'vitest';
import type { EntryOf, LedgerEntry, LedgerKind } from '../../../activities/ledger/entry.js';
import { checkRun } from '../../../activities/ledger/verify-runs.js';
import { catalogueOf } from '../../../triggers/catalogue.js';
import { put, read, type InboxMessage, type InboxOutcome } from '../../../triggers/inbox.js';
import { deliver } from '../../../triggers/relay.js';
import { start } from '../../../triggers/start.js';
import { bundleWorkflows } from '../../../worker/bundle.js';
import { status as statusQuery } from '../../../workflows/engine/messages.js';
import type { Assurance, RunStatus } from '../../../workflows/engine/types.js';
import { liveWorker, testInstallation, type TestInstallation } from '../../helpers/engine.js';
import { eventually } from '../../helpers/eventually.js';
import * as fixtures from '../fixtures/index.js';

export const PROJECT = 'abcdefghijklmnopqrst';

export type TrialRun = Awaited<ReturnType<typeof beginRun>>;

export interface EngineLab {
  /** The installation with the trial runbook, and an application nobody has configured. */
  readonly lab: TestInstallation;
  begin(trial: string): Promise<TrialRun>;
  close(): Promise<void>;
}

/** An installation with a worker for the trial runbook of the fixtures. */
export async function engineLab(): Promise<EngineLab> {
  const base = await testInstallation();
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
  const lab: TestInstallation = {
    ...base,
    installation: {
      ...base.installation,
      catalogue: catalogueOf(fixtures),
      application,
      directory: { ...directory, groupsOf },
    },
  };
  const bundle = await bundleWorkflows(fileURLToPath(new URL('../fixtures/index.ts', import.meta.url)));
  const worker = await liveWorker(lab, bundle);
  return {
    lab,
    begin: (trial) => beginRun(lab, trial),
    close: async () => {
      await worker.stop();
      await base.close();
    },
  };
}

type Message = InboxMessage extends infer M
  ? M extends InboxMessage
    ? Omit<M, 'org' | 'mode' | 'run' | 'runbook' | 'assurance' | 'channel' | 'person'>
    : never
  : never;

/** A run of the trial runbook, started by Ada. */
export async function beginRun(lab: TestInstallation, trial: string) {
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
