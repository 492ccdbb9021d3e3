import { ApplicationFailure } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import type { Steps } from '../../activities/index.js';
import { LedgerEntry, type EntryOf, type LedgerKind } from '../../activities/ledger/entry.js';
import { checkRun } from '../../activities/ledger/verify-runs.js';
import type { AnyVerb, StepContext } from '../../activities/step.js';
import type { Vault } from '../../activities/vault/contract.js';
import type { SecretInventory } from '../../config/secrets.js';
import type { Effect, FaultHandle, FaultPoint, World } from '../../simulators/world.js';
import type { CatalogueEntry } from '../../triggers/catalogue.js';
import type { RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { Rehearsal, ScriptedAnswer } from '../../workflows/engine/types.js';

/** What must be restored by an undo: the value in use of each secret, where it is deployed, and which keys work. */
export type Picture = string;

/** One execution of a step, as it was seen from inside. */
export interface Visit {
  /** `openai.createKey#1`, `undo/openai.discardKey#1` */
  readonly step: string;
  readonly activity: string;
  /** What an undo would have taken back at this moment, first to be undone first. */
  readonly undo: readonly string[];
  readonly requests: readonly { readonly operation: string; readonly method: string }[];
  /** Whether something changed at the vendor, or in what an undo must restore. */
  readonly acted: boolean;
  readonly before: Picture;
  readonly after: Picture;
}

/** How a step is struck: each of its operations (or of those that change something) once, or for good. */
export interface Strike {
  readonly point: FaultPoint;
  readonly forGood?: boolean;
  /** Answer of a `before` fault. Default 503. */
  readonly status?: number;
  readonly operations: readonly string[];
}

export interface Experiment {
  readonly rehearsal: Rehearsal<unknown>;
  /** Which steps are struck. Called at the first attempt of each. */
  readonly strike?: (step: string, activity: string) => Strike | undefined;
  readonly anyEnd?: boolean;
}

export interface Observed extends RehearsalResult {
  readonly name: string;
  readonly visits: readonly Visit[];
  /** Steps that a fault really struck, with the operations; `vault` for a step that makes no request. */
  readonly struck: ReadonlyMap<string, readonly string[]>;
  readonly before: Picture;
  readonly after: Picture;
}

export interface Laboratory {
  readonly host: RehearsalHost;
  readonly client: Client;
  readonly entry: CatalogueEntry;
  readonly inventory: SecretInventory;
}

/** A monitor repeats its step for a day; what it changes is seen in its first executions. */
const LOOKED_AT = 6;

/** Runs one rehearsal through the real engine, looks on at every step, and strikes where the experiment says. */
export async function observe(lab: Laboratory, experiment: Experiment): Promise<Observed> {
  const { host, client, entry, inventory } = lab;
  const watch: { world?: World; vault?: Vault; before: Picture } = { before: '' };
  const visits: Visit[] = [];
  const strikes = new Map<string, Blow>();
  const look = async (): Promise<Picture> =>
    watch.world === undefined || watch.vault === undefined
      ? ''
      : await pictureOf(watch.world, watch.vault, inventory);

  const wrap = (activity: string, verb: AnyVerb): AnyVerb => {
    const run = async (input: unknown, step: StepContext): Promise<unknown> => {
      const { world } = watch;
      if (world === undefined) throw new Error('The rehearsal has no world yet.');
      const id = step.stepId.replace(/~r\d+$/, '');
      if (!strikes.has(id)) {
        // A blow is meant for its own step only, also when that step was given up.
        for (const blow of strikes.values()) blow.disarm();
        strikes.set(id, new Blow(world, step.key, experiment.strike?.(id, activity)));
      }
      const earlier = visits.filter((visit) => visit.activity === activity).at(LOOKED_AT - 1);
      const undo = earlier?.undo ?? (await undoOf(client, step.run));
      const before = earlier?.after ?? (await look());
      const first = world.requests.length;
      const effects = world.effects.length;
      const [system = ''] = activity.split('.');
      await strikes.get(id)?.withoutRequest('before');
      const result: unknown = await verb.run(input, step);
      await strikes.get(id)?.withoutRequest('after');
      strikes.get(id)?.disarm();
      const requests = world.requests
        .slice(first)
        .filter(({ operation }) => operation.startsWith(`${system}.`))
        .map(({ operation, method }) => ({ operation, method }));
      const after = earlier?.after ?? (await look());
      const acted =
        before !== after || world.effects.slice(effects).some((effect) => effect.system === system);
      visits.push({ step: id, activity, undo, requests, acted, before, after });
      return result;
    };
    return { ...verb, run } as AnyVerb;
  };

  const result = await host.rehearse(entry, experiment.rehearsal, {
    ...(experiment.anyEnd === true ? { anyEnd: true } : {}),
    prepare: async (world, vault) => {
      watch.world = world;
      watch.vault = vault;
      watch.before = await look();
    },
    steps: (steps) => wrapAll(steps, wrap),
  });
  const struck = [...strikes].flatMap(([step, blow]): [string, readonly string[]][] => {
    const where = blow.struck();
    return where.length === 0 ? [] : [[step, where]];
  });
  return {
    ...result,
    name: experiment.rehearsal.name,
    visits,
    struck: new Map(struck),
    before: watch.before,
    after: await look(),
  };
}

/** The faults of one step: at the simulated vendor, or around the verb itself when it asks nobody. */
class Blow {
  private readonly faults: { readonly operation: string; readonly fault: FaultHandle }[] = [];
  private left: number;
  private withoutRequests = 0;

  constructor(
    world: World,
    stepKey: string,
    private readonly strike: Strike | undefined,
  ) {
    const times = strike?.forGood === true ? Infinity : 1;
    this.left = strike?.operations.length === 0 ? times : 0;
    for (const operation of strike?.operations ?? []) {
      const { point = 'before', status } = strike ?? {};
      // Messages to people go to the same vendor while the step runs; only the step's own is struck.
      const containing = operation.startsWith('slack.') ? { containing: stepKey } : {};
      const fault = world.fail({
        operation,
        point,
        times,
        ...(status === undefined ? {} : { status }),
        ...containing,
      });
      this.faults.push({ operation, fault });
    }
  }

  async withoutRequest(point: FaultPoint): Promise<void> {
    if (this.strike?.point !== point || this.left === 0) return;
    this.left -= 1;
    this.withoutRequests += 1;
    const { status = 503 } = this.strike;
    if (status < 500 && point === 'before')
      throw ApplicationFailure.nonRetryable('It refused for good.', 'Injected');
    throw ApplicationFailure.retryable('The answer did not come.', 'Injected');
  }

  disarm(): void {
    this.left = 0;
    for (const { fault } of this.faults) fault.disarm();
  }

  struck(): readonly string[] {
    const vendors = this.faults.filter(({ fault }) => fault.injected > 0).map(({ operation }) => operation);
    return this.withoutRequests > 0 ? [...vendors, 'without request'] : vendors;
  }
}

function wrapAll(steps: Steps, wrap: (activity: string, verb: AnyVerb) => AnyVerb): Steps {
  const wrapped = Object.entries(steps).map(([system, verbs]) => [
    system,
    Object.fromEntries(
      Object.entries(verbs as Record<string, AnyVerb>).map(([name, verb]) => [
        name,
        wrap(`${system}.${name}`, verb),
      ]),
    ),
  ]);
  return Object.fromEntries(wrapped) as Steps;
}

async function undoOf(client: Client, run: string): Promise<readonly string[]> {
  return (await client.workflow.getHandle(run).query(statusQuery)).undo;
}

type Json = Record<string, unknown>;

/** What an undo must bring back, in a form that can be compared. */
async function pictureOf(world: World, vault: Vault, inventory: SecretInventory): Promise<Picture> {
  const dump = world.dump() as Record<string, Json | undefined>;
  const list = (system: string, field: string): Json[] => (dump[system]?.[field] ?? []) as Json[];
  const current: Json = {};
  const encryptedWith: Json = {};
  for (const secret of inventory.values()) {
    const version = await vault.current(secret.id);
    current[secret.id] = version?.fingerprint;
    if (secret.provider.kind !== 'generated') continue;
    const now = (dump['application']?.['encryptedWith'] as Json | undefined)?.[secret.id];
    // Until the first re-encryption nobody has said it: with the key that is current.
    encryptedWith[secret.id] =
      typeof now === 'string' ? (await vault.describe(now)).fingerprint : version?.fingerprint;
  }
  const entries = (value: unknown): [string, Json][] => Object.entries((value ?? {}) as Record<string, Json>);
  return JSON.stringify(
    {
      current,
      encryptedWith,
      netlify: entries(dump['netlify']?.['sites']).map(([site, { variables }]) => [
        site,
        entries(variables).map(([name, { values }]) => [name, values]),
      ]),
      supabase: entries(dump['supabase']?.['projects']).map(([project, { secrets, keys }]) => [
        project,
        secrets,
        (keys as Json[]).map(({ digest }) => digest).sort(),
      ]),
      openai: list('openai', 'keys')
        .map(({ hash }) => hash)
        .sort(),
      resend: list('resend', 'keys')
        .map(({ hash }) => hash)
        .sort(),
      // A key that a person made by hand is not deleted by an undo, nor used: only what stopped working counts.
      stripe: list('stripe', 'keys').flatMap(({ value, expired }) => (expired === true ? [value] : [])),
      endpoints: list('stripe', 'endpoints').map(({ url, status }) => [url, status]),
    },
    undefined,
    1,
  );
}

/**
 * What happened at the vendors, comparable between runs: a key that was made, found without a stored value and
 * deleted again before another one was made counts as never made.
 */
export function netEffects(effects: readonly Effect[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { system, what, subject } of effects) {
    const [, thing = what, end] = /^(.*) (created|deleted)$/.exec(what) ?? [];
    const key = `${system}: ${thing}${end === undefined ? '' : ' (created less deleted)'}: ${subject}`;
    counts.set(key, (counts.get(key) ?? 0) + (end === 'deleted' ? -1 : 1));
  }
  return Object.fromEntries([...counts].filter(([, count]) => count !== 0).sort());
}

/** Entries of one kind. */
export function ofKind<K extends LedgerKind>(
  { entries }: Pick<RehearsalResult, 'entries'>,
  kind: K,
): EntryOf<K>[] {
  return entries.map(({ entry }) => entry).filter((entry): entry is EntryOf<K> => entry.kind === kind);
}

/** A scripted answer counts at its moment on the run's clock, give or take what the run does meanwhile. */
const PUNCTUAL_MS = 60_000;

/** What is wrong with the record of a run. */
export function auditOf({ name, run, entries }: Observed): string[] {
  const where = `${name} (${run})`;
  const findings = checkRun(entries).map(({ code, message }) => `${where}: ${code} ${message}`);
  for (const { entry } of entries) {
    const parsed = LedgerEntry.safeParse(entry);
    if (!parsed.success) findings.push(`${where}: ${entry.kind} does not fit its schema`);
    const isDecision =
      entry.kind === 'message.received' && (entry.message === 'decide' || entry.message === 'operate');
    if (isDecision && entry.person === null) findings.push(`${where}: ${entry.inbox} has no person`);
    const isDecided =
      entry.kind === 'gate.closed' && (entry.outcome === 'approved' || entry.outcome === 'declined');
    if (isDecided && entry.people.length === 0)
      findings.push(`${where}: gate ${entry.gate} was decided by nobody`);
    if (entry.kind === 'step.resolved' && entry.person === null)
      findings.push(`${where}: ${entry.step} resolved by nobody`);
    if (entry.kind === 'message.accepted') {
      const sent = entries.find(
        (other) => other.entry.kind === 'message.received' && other.entry.inbox === entry.inbox,
      );
      const lateMs = Date.parse(entry.virtual) - Date.parse(sent?.entry.virtual ?? '');
      if (!(lateMs < PUNCTUAL_MS)) findings.push(`${where}: ${entry.target} was answered ${lateMs} ms late`);
    }
  }
  return findings;
}

/** Messages that people got in the simulated Slack. */
export function messagesOf({ world }: Pick<RehearsalResult, 'world'>): string[] {
  const messages =
    (world.dump()['slack'] as { messages?: readonly { text: string }[] } | undefined)?.messages ?? [];
  return messages.map(({ text }) => text);
}

/** `rehearsal` with other answers for some of its questions. */
export function answered(
  rehearsal: Rehearsal<unknown>,
  answers: Readonly<Record<string, ScriptedAnswer | readonly ScriptedAnswer[] | 'nobody'>>,
): Rehearsal<unknown> {
  return { ...rehearsal, answers: { ...rehearsal.answers, ...answers } };
}

/** Works on all items, at most `limit` at a time; results in the order of the items. */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = [...items.entries()];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}
