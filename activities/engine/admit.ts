import type { Pool } from 'pg';
import { z } from 'zod';
import type { Configuration } from '../../config/index.js';
import { decideAdmission } from '../../triggers/admission.js';
import { findRunbook, type Catalogue } from '../../triggers/catalogue.js';
import { read, recordOutcome, type InboxRow } from '../../triggers/inbox.js';
import type { Directory } from '../../triggers/people.js';
import { commandOf, parseRunId } from '../../triggers/run-id.js';
import type { Assurance, Origin, RunbookSpec } from '../../workflows/engine/types.js';
import { hashJson } from '../hash.js';
import type { Ledger } from '../ledger/contract.js';
import { eventKey, type EntryOf } from '../ledger/entry.js';
import type { Admission, AdmitRequest, LockAwaited, LockTaken } from './contract.js';
import { takeLock, type LockServices } from './locks.js';

export interface AdmitServices extends LockServices {
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly directory: Directory;
  readonly configuration: Configuration;
  readonly catalogue: Catalogue;
  readonly acceptedAssurances: readonly Assurance[];
  /** Organisation of this installation. */
  readonly org: string;
  /** Identity of the workflow code that this worker runs. */
  readonly buildId: string;
}

/** Anybody with access to Temporal may have started the workflow, with anything. */
const Request = z.object({
  org: z.string(),
  input: z.unknown(),
  inboxId: z.string().max(100).optional(),
  requesters: z.array(z.string().max(100)).max(100).optional(),
});

type Who = Pick<EntryOf<'run.admitted'>, 'person' | 'origin' | 'assurance' | 'inbox'>;

/** Decides whether a run may go on, and writes the decision to the ledger: the same for every way it was started. */
export async function admit(services: AdmitServices, asked: AdmitRequest): Promise<Admission> {
  const decision = await decide(services, asked);
  const { row, parent } = decision;
  const who: Who = {
    person: row?.person ?? parent?.person ?? null,
    origin: row?.channel ?? originOf(asked),
    assurance: row?.assurance ?? parent?.assurance ?? 'claimed',
    inbox: row?.id ?? null,
  };
  const common = {
    v: 1,
    org: services.org,
    mode: asked.mode,
    run: printable(asked.run),
    runbook: asked.runbook,
    at: new Date().toISOString(),
    virtual: asked.virtual,
    ...who,
  } as const;
  const { outcome } = decision;
  const entry: EntryOf<'run.admitted'> | EntryOf<'run.refused'> = outcome.admitted
    ? {
        ...common,
        kind: 'run.admitted',
        requesters: [...outcome.requesters],
        inputHash: hashJson(outcome.input),
        configHash: hashJson(outcome.config),
        planDigest: outcome.planDigest,
        buildId: services.buildId,
      }
    : { ...common, kind: 'run.refused', code: outcome.code };
  await services.ledger.append([{ eventKey: eventKey(entry), entry }]);
  if (row !== undefined) {
    const { refused, sentence } = outcome.admitted
      ? { refused: null, sentence: `Run ${asked.run} is admitted.` }
      : { refused: outcome.code, sentence: outcome.sentence };
    await recordOutcome(services.pool, row.id, { refused, sentence: sentence.slice(0, 2_000) });
  }
  return outcome;
}

async function decide(
  services: AdmitServices,
  asked: AdmitRequest,
): Promise<{ outcome: Admission; row?: InboxRow; parent?: EntryOf<'run.admitted'> }> {
  const refuse = (code: string, sentence: string) => ({
    outcome: { admitted: false, code, sentence } as const,
  });
  const { org, catalogue, configuration, directory } = services;
  const entry = findRunbook(catalogue, asked.runbook);
  if (entry === undefined)
    return refuse('NoSuchRunbook', `There is no runbook ${asked.runbook} in this version.`);
  const { spec } = entry;
  const id = parseRunId(asked.run);
  const isChild = asked.parent !== null && asked.run.startsWith(`${asked.parent}.`);
  if (id === undefined || id.org !== org || (!isChild && id.command !== commandOf(spec.name))) {
    return refuse(
      'BadRunId',
      `A run of ${spec.title} is called ${org}.${commandOf(spec.name)}.<yyyymmdd>-<8 characters>. Start it with \`runbook start\`.`,
    );
  }
  const request = Request.safeParse(asked.request);
  if (!request.success || request.data.org !== org) {
    return refuse(
      'BadRequest',
      `${spec.title}: this was not started in our form. Start it with \`runbook start\`.`,
    );
  }
  const { input, inboxId } = request.data;
  const row = inboxId === undefined ? undefined : await provenStart(services, asked, inboxId, input);
  const parent = isChild ? await admittedParent(services, asked) : undefined;
  const parsed = spec.input.safeParse(input);
  const references: Readonly<Record<string, string>> = parsed.success
    ? (spec.config?.(parsed.data) ?? {})
    : {};
  const config = Object.fromEntries(
    Object.entries(references).map(([name, reference]) => [name, configuration.resolve(reference)]),
  );
  const person = row?.person ?? parent?.person ?? null;
  const assurance = row?.assurance ?? parent?.assurance ?? 'claimed';
  const decision = decideAdmission({
    spec,
    parsed,
    missingConfig: Object.entries(references).flatMap(([name, ref]) =>
      config[name] === undefined ? [ref] : [],
    ),
    person,
    known: person !== null && (await directory.knows(person)),
    groups: person === null ? [] : await directory.groupsOf(person),
    assurance,
    assuranceAccepted: services.acceptedAssurances.includes(assurance),
    origin: row?.channel ?? originOf(asked),
    ofAdmittedParent: parent !== undefined,
  });
  const withRow = <T extends object>(result: T) => ({
    ...result,
    ...(row === undefined ? {} : { row }),
    ...(parent === undefined ? {} : { parent }),
  });
  if (!decision.admitted) return withRow({ outcome: decision });
  if (!parsed.success || person === null) throw new Error('Admission passed without an input or a person.');
  const lock = await lockOf(services, spec, asked.run, parsed.data);
  if (lock !== null && 'heldBy' in lock && spec.whenLocked !== 'queue') {
    return withRow(
      refuse(
        'Locked',
        `${spec.title}: run ${lock.heldBy} works on ${lock.resource} at the moment. ` +
          `Look at it with \`runbook status ${lock.heldBy}\`, and start again when it is over.`,
      ),
    );
  }
  const plan = spec.plan(parsed.data, config);
  const planDigest = hashJson({
    runbook: spec.name,
    org,
    mode: asked.mode,
    input: parsed.data,
    config,
    plan,
    buildId: services.buildId,
  });
  const outcome: Admission = {
    admitted: true,
    mode: asked.mode,
    org,
    input: parsed.data,
    config,
    plan,
    planDigest,
    origin: row?.channel ?? originOf(asked),
    requesters: [
      ...new Set([person, ...(parent?.requesters ?? []), ...trusted(parent, request.data.requesters)]),
    ],
    lock,
  };
  return withRow({ outcome });
}

/** The row that proves who asked for exactly this run; undefined when it proves nothing. */
async function provenStart(
  { pool, org }: AdmitServices,
  { run, mode }: AdmitRequest,
  inboxId: string,
  input: unknown,
): Promise<InboxRow | undefined> {
  const row = await read(pool, inboxId);
  const isProof =
    row?.kind === 'start' &&
    row.run === run &&
    row.org === org &&
    row.mode === mode &&
    hashJson(row.body.input) === hashJson(input);
  return isProof ? row : undefined;
}

function originOf({ parent }: AdmitRequest): Origin {
  return parent === null ? 'temporal' : 'parent';
}

/** A stranger may have chosen the workflow id. */
function printable(run: string): string {
  return run.replace(/[\p{Cc}\p{Cs}]/gu, '?').slice(0, 300);
}

/** The parent's own admission: it proves that somebody who may has started the whole. */
async function admittedParent(
  { ledger, org }: AdmitServices,
  { parent, mode }: AdmitRequest,
): Promise<EntryOf<'run.admitted'> | undefined> {
  if (parent === null) return undefined;
  // The admission is among the first entries of a run.
  const entries = await ledger.read({ org, run: parent, limit: 10 });
  return entries
    .map(({ entry }) => entry)
    .find((entry) => entry.kind === 'run.admitted' && entry.mode === mode) as
    EntryOf<'run.admitted'> | undefined;
}

/** Whoever changed the parent's input meanwhile is a requester too; only an admitted parent can say so. */
function trusted(parent: object | undefined, requesters: readonly string[] | undefined): readonly string[] {
  return parent === undefined ? [] : (requesters ?? []);
}

async function lockOf(
  services: AdmitServices,
  spec: Pick<RunbookSpec, 'lock'>,
  run: string,
  input: Readonly<Record<string, unknown>>,
): Promise<LockTaken | LockAwaited | null> {
  const resource = spec.lock?.(input);
  return resource === undefined ? null : await takeLock(services, run, resource);
}
