import type { Pool } from 'pg';
import type { z } from 'zod';
import { read, recordOutcome, type InboxRow } from '../../triggers/inbox.js';
import type { Directory } from '../../triggers/people.js';
import type { Assurance, MessageRead } from '../../workflows/engine/types.js';
import type { Steps } from '../index.js';
import type { Ledger } from '../ledger/contract.js';
import { eventKey, type EntryOf } from '../ledger/entry.js';
import type { AnyVerb } from '../step.js';
import type { Answer, RunIdentity } from './contract.js';

export interface MessageServices {
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly directory: Directory;
  readonly acceptedAssurances: readonly Assurance[];
  readonly stepsFor: (run: string) => Steps;
}

/** An inbox row as the run needs it: who, in which groups at this moment, what; texts stay in the row. */
export async function readMessage(
  services: MessageServices,
  { inboxId, run }: { inboxId: string; run: string },
): Promise<MessageRead> {
  const row = await read(services.pool, inboxId);
  if (row === undefined || row.kind === 'start') return { inboxId, found: false };
  const { body, person } = row;
  const values = row.kind === 'operate' ? parseValues(services.stepsFor(run), row) : {};
  return {
    inboxId,
    found: true,
    kind: row.kind,
    org: row.org,
    run: row.run,
    target: row.target,
    person: person !== null && (await services.directory.knows(person)) ? person : null,
    groups: person === null ? [] : await services.directory.groupsOf(person),
    assurance: row.assurance,
    assuranceAccepted: services.acceptedAssurances.includes(row.assurance),
    channel: row.channel,
    ...(body.verdict === undefined ? {} : { verdict: body.verdict }),
    ...(body.choice === undefined ? {} : { choice: body.choice }),
    ...(body.option === undefined ? {} : { option: body.option }),
    ...(body.severity === undefined ? {} : { severity: body.severity }),
    ...(body.to === undefined ? {} : { to: (await services.directory.knows(body.to)) ? body.to : null }),
    ...(row.evidenceCommitment === null ? {} : { evidenceCommitment: row.evidenceCommitment }),
    ...(body.planDigest === undefined ? {} : { planDigest: body.planDigest }),
    hasReason: body.reason !== undefined,
    hasEvidence: body.evidence !== undefined,
    ...values,
  };
}

/** `undo/netlify.setVariable#2` -> the verb; undefined for manual steps, gates and waits. */
function verbOf(steps: Steps, target: string | null): AnyVerb | undefined {
  const match = /^(?:undo\/)?([a-z]+)\.([A-Za-z]+)#\d+$/.exec(target ?? '');
  const [, system = '', name = ''] = match ?? [];
  const ofSystem = (steps as Record<string, Record<string, AnyVerb> | undefined>)[system];
  return ofSystem?.[name];
}

/** A changed input and a result are parsed here, where the verb's schemas are. */
function parseValues(
  steps: Steps,
  { target, body }: InboxRow,
): { input?: unknown; result?: unknown; problem?: string } {
  const verb = verbOf(steps, target);
  const values: { input?: unknown; result?: unknown; problem?: string } = {};
  const parse = (what: 'input' | 'result', schema: z.ZodType | undefined, value: unknown) => {
    if (value === undefined) return;
    if (schema === undefined) {
      values.problem = `this step takes no ${what}`;
      return;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) values[what] = parsed.data;
    else {
      values.problem = parsed.error.issues
        .map(({ path, message }) => `${what} ${path.join('.')}: ${message}`)
        .join('; ');
    }
  };
  parse('input', verb?.input as z.ZodType | undefined, body.input);
  parse('result', verb?.output as z.ZodType | undefined, body.result);
  return values;
}

/** Records what became of a message, once in the ledger and once in its row. */
export async function answer(
  services: Pick<MessageServices, 'pool' | 'ledger'>,
  identity: RunIdentity,
  { inboxId, target, person, virtual, refused, sentence }: Answer,
): Promise<void> {
  const common = {
    v: 1,
    ...identity,
    at: new Date().toISOString(),
    virtual,
    inbox: printable(inboxId),
    target,
  } as const;
  const entry: EntryOf<'message.accepted'> | EntryOf<'message.refused'> =
    refused === null && person !== null
      ? { ...common, kind: 'message.accepted', person }
      : { ...common, kind: 'message.refused', person, code: refused ?? 'UnknownPerson' };
  await services.ledger.append([{ eventKey: eventKey(entry), entry }]);
  await recordOutcome(services.pool, inboxId, { refused, sentence: sentence.slice(0, 2_000) });
}

/** A signal may carry anything in place of an inbox id. */
function printable(inboxId: string): string {
  const text = inboxId.replace(/[\p{Cc}\p{Cs}]/gu, '?').slice(0, 100);
  return text === '' ? '?' : text;
}
