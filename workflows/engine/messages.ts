import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { RunStatus } from './types.js';

/** What a signal carries: everything else is in the inbox row, which the workflow reads itself. */
export interface InboxPointer {
  readonly inboxId: string;
}

/** A verdict on a gate. */
export const decide = defineSignal<[InboxPointer]>('decide');
/** A choice about a failed step, a manual step or a wait. */
export const operate = defineSignal<[InboxPointer]>('operate');
/** A remark for the record. */
export const note = defineSignal<[InboxPointer]>('note');
/** Stop the run and undo what it did. */
export const cancel = defineSignal<[InboxPointer]>('cancel');
/** Something that belongs to the record: a text, a link, the hash of a file. */
export const evidence = defineSignal<[InboxPointer]>('evidence');
/** Another person takes charge of the run. */
export const handOver = defineSignal<[InboxPointer]>('hand-over');
/** It is more, or less, severe than was thought. */
export const severity = defineSignal<[InboxPointer]>('severity');

/** The whole picture of a run. */
export const status = defineQuery<RunStatus>('status');

/** Of a lock's workflow: the run of that name holds it no longer. */
export const releaseLock = defineSignal<[string]>('release-lock');
