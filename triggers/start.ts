import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { ulid } from 'ulid';
import type { Ledger } from '../activities/ledger/contract.js';
import { eventKey, type EntryOf } from '../activities/ledger/entry.js';
import type { Configuration } from '../config/index.js';
import {
  ModeAttribute,
  OrgAttribute,
  OriginAttribute,
  RunbookName,
  RunbookState,
} from '../workflows/engine/attributes.js';
import type { Assurance, Mode, Origin, RunRequest } from '../workflows/engine/types.js';
import { TASK_QUEUE } from '../worker/connection.js';
import { decideAdmission, type AdmissionCode, type AdmissionDecision } from './admission.js';
import { findRunbook, type Catalogue, type CatalogueEntry } from './catalogue.js';
import { InboxError, put, read, recordOutcome, type InboxRow, type PutResult } from './inbox.js';
import type { Directory } from './people.js';
import { newRunId } from './run-id.js';

/** Limit of the call to Temporal. */
const START_TIMEOUT_MS = 10_000;

export interface StartOptions {
  readonly pool: Pool;
  readonly ledger: Ledger;
  /** Client of the mode's namespace. */
  readonly client: Client;
  readonly mode: Mode;
  readonly org: string;
  readonly catalogue: Catalogue;
  readonly directory: Directory;
  readonly configuration: Pick<Configuration, 'resolve'>;
  readonly acceptedAssurances: readonly Assurance[];
  /** Default: `runbooks`. */
  readonly taskQueue?: string;
}

export interface StartRequest {
  /** Name or command of the runbook. */
  readonly runbook: string;
  readonly input: unknown;
  readonly person: string | null;
  readonly assurance: Assurance;
  readonly channel: Origin;
  /** The same request id again is the same run: a double click, a repeated HTTP request. */
  readonly requestId?: string;
  readonly reason?: string;
  /** The run's id, where it follows from something else: an alert, a rehearsal. Default: a new one. */
  readonly run?: string;
}

export type StartResult =
  | {
      readonly started: true;
      readonly run: string;
      readonly runbook: string;
      readonly inboxId: string;
      /** This request had started the run before. */
      readonly duplicate: boolean;
    }
  | { readonly started: false; readonly code: StartRefusal; readonly sentence: string };

export type StartRefusal = AdmissionCode | InboxError['code'] | 'NoSuchRunbook' | 'RunIdTaken';

/** Temporal did not answer: whether the run started is not known. Asking again with the same request id is safe. */
export class StartUnknown extends Error {
  override readonly name = 'StartUnknown';
}

/**
 * Starts a run: the only caller of Temporal's start on our side. The policy is asked here for a quick answer; the run
 * asks it again, decisively.
 * @throws StartUnknown; ApplicationFailure `LedgerUnavailable` when nothing was stored
 */
export async function start(options: StartOptions, request: StartRequest): Promise<StartResult> {
  const entry = findRunbook(options.catalogue, request.runbook);
  if (entry === undefined) {
    return {
      started: false,
      code: 'NoSuchRunbook',
      sentence: `There is no runbook "${request.runbook}". There are: ${[...options.catalogue.keys()].join(', ') || 'none'}.`,
    };
  }
  const run = request.run ?? newRunId({ org: options.org, runbook: entry.spec.name, at: new Date() });
  const decision = await preview(options, entry, request);
  if (!decision.admitted) {
    await recordRefusal(options, entry, request, run, decision.code);
    return { started: false, code: decision.code, sentence: decision.sentence };
  }
  let message: PutResult;
  try {
    message = await put(options.pool, options.ledger, {
      kind: 'start',
      org: options.org,
      mode: options.mode,
      run,
      runbook: entry.spec.name,
      person: request.person,
      assurance: request.assurance,
      channel: request.channel,
      input: request.input as never,
      ...(request.reason === undefined ? {} : { reason: request.reason }),
      ...(request.requestId === undefined ? {} : { dedupeKey: `start/${request.requestId}` }),
    });
  } catch (error) {
    if (!(error instanceof InboxError)) throw error;
    return { started: false, code: error.code, sentence: error.message };
  }
  const row = message.duplicate ? await read(options.pool, message.id) : undefined;
  if (row?.relayedAt == null) {
    const outcome = await startWorkflow(options, entry, request, message);
    if (outcome !== 'started') return outcome;
    await markStarted(options.pool, message.id);
  }
  return {
    started: true,
    run: message.run,
    runbook: entry.spec.name,
    inboxId: message.id,
    duplicate: message.duplicate,
  };
}

/**
 * Starts the run of a stored request whose caller did not come so far: it died, or Temporal was away. Safe to repeat,
 * also while the caller still tries.
 * @throws StartUnknown; Error when this version has no such runbook
 */
export async function startStored(
  options: Pick<StartOptions, 'pool' | 'client' | 'catalogue' | 'taskQueue'>,
  row: Pick<InboxRow, 'id' | 'org' | 'mode' | 'run' | 'runbook' | 'channel' | 'body'>,
): Promise<void> {
  const { id, org, mode, run, runbook, channel, body } = row;
  const entry = findRunbook(options.catalogue, runbook);
  if (entry === undefined) throw new Error(`Inbox row ${id}: this version has no runbook ${runbook}.`);
  const outcome = await startWorkflow(
    { ...options, org, mode },
    entry,
    { input: body.input, channel },
    { id, run },
  );
  if (outcome === 'started') await markStarted(options.pool, id);
}

async function markStarted(pool: Pool, id: string): Promise<void> {
  await pool.query(
    'UPDATE engine.inbox SET relayed_at = clock_timestamp() WHERE id = $1 AND relayed_at IS NULL',
    [id],
  );
}

/** What the policy would say of a request at this moment. */
export async function preview(
  options: Pick<StartOptions, 'directory' | 'configuration' | 'acceptedAssurances'>,
  { spec }: CatalogueEntry,
  request: Pick<StartRequest, 'input' | 'person' | 'assurance' | 'channel'>,
): Promise<AdmissionDecision> {
  const { directory, configuration, acceptedAssurances } = options;
  const { person, assurance, channel } = request;
  const parsed = spec.input.safeParse(request.input);
  const references = parsed.success ? Object.values<string>(spec.config?.(parsed.data) ?? {}) : [];
  return decideAdmission({
    spec,
    parsed,
    missingConfig: references.filter((reference) => configuration.resolve(reference) === undefined),
    person,
    known: person !== null && (await directory.knows(person)),
    groups: person === null ? [] : await directory.groupsOf(person),
    assurance,
    assuranceAccepted: acceptedAssurances.includes(assurance),
    origin: channel,
  });
}

type StartTarget = Pick<StartOptions, 'pool' | 'client' | 'org' | 'mode' | 'taskQueue'>;
type StoredStart = Pick<PutResult, 'id' | 'run'>;

async function startWorkflow(
  options: StartTarget,
  { spec }: CatalogueEntry,
  request: Pick<StartRequest, 'input' | 'channel'>,
  message: StoredStart,
): Promise<'started' | Extract<StartResult, { started: false }>> {
  const { client, org, mode } = options;
  const argument: RunRequest = { org, input: request.input, inboxId: message.id };
  try {
    await client.withDeadline(Date.now() + START_TIMEOUT_MS, () =>
      client.workflow.start(spec.name, {
        taskQueue: options.taskQueue ?? TASK_QUEUE,
        workflowId: message.run,
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'FAIL',
        args: [argument],
        typedSearchAttributes: [
          { key: RunbookName, value: spec.name },
          { key: RunbookState, value: 'admitting' },
          { key: OriginAttribute, value: request.channel },
          { key: ModeAttribute, value: mode },
          { key: OrgAttribute, value: org },
        ],
        memo: { title: spec.title, origin: request.channel, mode, inboxId: message.id },
        staticSummary: mode === 'rehearsal' ? `REHEARSAL: ${spec.title}` : spec.title,
      }),
    );
    return 'started';
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return await whoseRun(options, message);
    throw new StartUnknown(
      `${spec.title}: Temporal did not answer, and it is not known whether run ${message.run} started. ` +
        'If not, it is started as soon as Temporal answers, within the hour. Look with `runbook runs`, or ask again ' +
        'with the same request id: it never starts twice.',
      { cause: error },
    );
  }
}

/** An earlier attempt of the same request started it, or somebody else took the id. */
async function whoseRun(
  { client, pool }: StartTarget,
  message: StoredStart,
): Promise<'started' | Extract<StartResult, { started: false }>> {
  const { memo } = await client.withDeadline(Date.now() + START_TIMEOUT_MS, () =>
    client.workflow.getHandle(message.run).describe(),
  );
  if (memo?.['inboxId'] === message.id) return 'started';
  const sentence = `The run id ${message.run} is taken by another run. Ask again with a new request id.`;
  await recordOutcome(pool, message.id, { refused: 'RunIdTaken', sentence });
  return { started: false, code: 'RunIdTaken', sentence };
}

async function recordRefusal(
  { ledger, org, mode }: StartOptions,
  { spec }: CatalogueEntry,
  { person, channel, assurance }: StartRequest,
  run: string,
  code: AdmissionCode,
): Promise<void> {
  const now = new Date().toISOString();
  const refused: EntryOf<'run.refused'> = {
    v: 1,
    kind: 'run.refused',
    org,
    mode,
    run,
    runbook: spec.name,
    at: now,
    virtual: now,
    person,
    origin: channel,
    assurance,
    code,
    inbox: null,
  };
  // Each attempt is an entry: a run id that follows from an alert may be refused today and again tomorrow.
  await ledger.append([{ eventKey: `${eventKey(refused)}/${ulid()}`, entry: refused }]);
}
