import { defineSearchAttributeKey } from '@temporalio/common';
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { RunState } from './state.js';
import type { Severity } from './types.js';

export const RunbookName = defineSearchAttributeKey('RunbookName', 'KEYWORD');
export const RunbookState = defineSearchAttributeKey('RunbookState', 'KEYWORD');
export const OriginAttribute = defineSearchAttributeKey('Origin', 'KEYWORD');
export const ModeAttribute = defineSearchAttributeKey('Mode', 'KEYWORD');
export const OrgAttribute = defineSearchAttributeKey('Org', 'KEYWORD');
export const SeverityAttribute = defineSearchAttributeKey('Severity', 'KEYWORD');
export const AwaitingApproval = defineSearchAttributeKey('AwaitingApproval', 'BOOL');

/** Attributes that never change. Set by the run itself, so that they are there whoever started it. */
export function tagRun(state: RunState): void {
  upsertSearchAttributes([
    { key: RunbookName, value: state.runbook },
    { key: ModeAttribute, value: state.mode },
    { key: OrgAttribute, value: state.org },
    { key: OriginAttribute, value: state.origin },
    { key: RunbookState, value: state.visibleState() },
    { key: AwaitingApproval, value: false },
  ]);
}

/** Brings `RunbookState` and `AwaitingApproval` up to date; writes nothing when they are. */
export function tagState(state: RunState): void {
  const now = workflowInfo().typedSearchAttributes;
  const value = state.visibleState();
  const awaiting = state.awaitsApproval();
  if (now.get(RunbookState) === value && now.get(AwaitingApproval) === awaiting) return;
  upsertSearchAttributes([
    { key: RunbookState, value },
    { key: AwaitingApproval, value: awaiting },
  ]);
}

export function tagSeverity(severity: Severity): void {
  upsertSearchAttributes([{ key: SeverityAttribute, value: severity }]);
}
