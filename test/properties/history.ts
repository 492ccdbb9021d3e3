import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker, type InjectedSinks } from '@temporalio/worker';
import { dataConverter } from '../../worker/connection.js';
import type { ReplayRecorderSinks } from '../../workflows/engine/interceptors.js';
import { workflowBundle } from '../helpers/engine.js';
import { covering } from './select.js';
import type { Subject } from './subject.js';

/** The record of every run, and of its children, is whole and names who decided. */
export function recordIsWhole({ traces }: Subject): string[] {
  return traces.flatMap(({ findings }) => findings);
}

/**
 * Histories replay on the code that they ran on: those of every rehearsal as scripted, and of the runs in which
 * something went wrong as many as bring anything that no other one has.
 */
export async function historiesReplay({ traces, installation }: Subject): Promise<string[]> {
  const scripted = traces.filter(({ clean }) => clean);
  const known = new Set(scripted.flatMap(({ happened }) => happened));
  const others = covering(
    traces.filter(({ clean }) => !clean),
    ({ happened }) => happened.filter((what) => !known.has(what)),
  );
  const ids = [...scripted, ...others].flatMap(({ runs }) => runs);
  const histories = await Promise.all(
    ids.map(async (workflowId) => ({
      workflowId,
      history: await installation.rehearsal.workflow.getHandle(workflowId).fetchHistory(),
    })),
  );
  const { code } = await workflowBundle();
  const failed = await failedReplays(code, histories);
  const json = historyToJSON(histories[0]?.history ?? {});
  // Equal as text: a comparison of the messages themselves trips over fields that were never set.
  const survivesJson = historyToJSON(historyFromJSON(JSON.parse(json))) === json;
  return survivesJson ? failed : [...failed, 'a history is not the same after it was JSON'];
}

type Histories = Parameters<typeof Worker.runReplayHistories>[1];

/** What went wrong in replaying histories on a bundle; empty when all of them replay. */
export async function failedReplays(code: string, histories: Histories): Promise<string[]> {
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
