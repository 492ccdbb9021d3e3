import { ApplicationFailure } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import type { Steps } from '../../activities/index.js';
import type { AnyVerb, StepContext } from '../../activities/step.js';
import type { Vault } from '../../activities/vault/contract.js';
import type { SecretInventory } from '../../config/secrets.js';
import type { FaultHandle, FaultPoint, World } from '../../simulators/world.js';
import type { CatalogueEntry } from '../../triggers/catalogue.js';
import { rootOf } from '../../triggers/run-id.js';
import type { RehearsalHost, RehearsalResult } from '../../worker/rehearsal/index.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import type { Rehearsal, ScriptedAnswer } from '../../workflows/engine/types.js';
import { pictureOf, type Picture } from './picture.js';

export { auditOf, messagesOf, netEffects, ofKind } from './record.js';

/** One execution of a step, as it was seen from inside. */
export interface Visit {
  /** `openai.createKey#1`, `undo/openai.discardKey#1`; of a child `<id of the child>/openai.createKey#1`. */
  readonly step: string;
  readonly activity: string;
  /** The run that it is a step of: the rehearsed one or a child. */
  readonly run: string;
  /** The run went on meanwhile. */
  readonly background: boolean;
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
  /**
   * Whether every step is looked at for what it changes and what could be undone. Default true; false saves two thirds
   * of the time.
   */
  readonly closely?: boolean;
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
  const { rehearsal, closely = true } = experiment;
  const watch: { world?: World; vault?: Vault; before: Picture } = { before: '' };
  const visits: Visit[] = [];
  const blows = new Map<string, Blow>();
  const seen = new Map<Picture, Picture>();
  const look = async (): Promise<Picture> => {
    if (watch.world === undefined || watch.vault === undefined) return '';
    const picture = await pictureOf(watch.world, watch.vault, inventory);
    if (!seen.has(picture)) seen.set(picture, picture);
    return seen.get(picture) ?? picture;
  };

  const wrap = (activity: string, verb: AnyVerb): AnyVerb => {
    const [system = ''] = activity.split('.');
    const run = async (input: unknown, step: StepContext): Promise<unknown> => {
      const { world } = watch;
      if (world === undefined) throw new Error('The rehearsal has no world yet.');
      const id = nameOf(step);
      if (isUndo({ step: id }))
        for (const [other, blow] of blows) if (!isUndo({ step: other })) blow.disarm();
      const blow = blows.get(id) ?? new Blow(world, step.key, experiment.strike?.(id, activity));
      blows.set(id, blow);
      const known = visits
        .filter((visit) => visit.activity === activity && visit.run === step.run)
        .at(LOOKED_AT - 1);
      const looks = closely && known === undefined;
      const { undo, background } = known ?? (looks ? await standingOf(client, step) : NOTHING_KNOWN);
      const before = looks ? await look() : (known?.after ?? '');
      const first = world.requests.length;
      const effects = world.effects.length;
      const result = await blow.around(() => verb.run(input, step) as Promise<unknown>);
      const requests = world.requests
        .slice(first)
        .filter(({ operation }) => operation.startsWith(`${system}.`))
        .map(({ operation, method }) => ({ operation, method }));
      const after = looks ? await look() : (known?.after ?? '');
      const acted =
        before !== after || world.effects.slice(effects).some((effect) => effect.system === system);
      visits.push({ step: id, activity, run: step.run, background, undo, requests, acted, before, after });
      return result;
    };
    return { ...verb, run } as AnyVerb;
  };

  const result = await host.rehearse(entry, rehearsal, {
    ...(experiment.anyEnd === true ? { anyEnd: true } : {}),
    prepare: async (world, vault) => {
      watch.world = world;
      watch.vault = vault;
      watch.before = await look();
    },
    steps: (steps) => wrapAll(steps, wrap),
  });
  const struck = [...blows].flatMap(([step, blow]): [string, readonly string[]][] => {
    const where = blow.struck();
    return where.length === 0 ? [] : [[step, where]];
  });
  return {
    ...result,
    name: rehearsal.name,
    visits,
    struck: new Map(struck),
    before: watch.before,
    after: await look(),
  };
}

/** Whether a step takes something back. */
export const isUndo = ({ step }: Pick<Visit, 'step'>): boolean => /(^|\/)undo\//.test(step);

/** As a rehearsal's script names it: a child's step with the ids on the way to it. */
function nameOf({ run, stepId }: StepContext): string {
  const path = run.slice(rootOf(run).length + 1);
  const id = stepId.replace(/~r\d+$/, '');
  return path === '' ? id : `${path.replaceAll('.', '/')}/${id}`;
}

const NOTHING_KNOWN: Pick<Visit, 'undo' | 'background'> = { undo: [], background: false };

async function standingOf(
  client: Client,
  { run, stepId }: StepContext,
): Promise<Pick<Visit, 'undo' | 'background'>> {
  const { undo, steps } = await client.workflow.getHandle(run).query(statusQuery);
  const id = stepId.replace(/~r\d+$/, '');
  return { undo, background: steps.some((step) => step.id === id && step.background === true) };
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
      const containing =
        operation === 'slack.chat.postMessage' || operation === 'slack.postMessage'
          ? { containing: stepKey }
          : {};
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

  /** Does the step, struck; once it is over, or given up, nothing else is. */
  async around(work: () => Promise<unknown>): Promise<unknown> {
    try {
      await this.withoutRequest('before');
      const result = await work();
      await this.withoutRequest('after');
      this.disarm();
      return result;
    } catch (error) {
      if (error instanceof ApplicationFailure && error.nonRetryable === true) this.disarm();
      throw error;
    }
  }

  private async withoutRequest(point: FaultPoint): Promise<void> {
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

/** `rehearsal` with other answers for some of its questions. */
export function answered(
  rehearsal: Rehearsal<unknown>,
  answers: Readonly<Record<string, ScriptedAnswer | readonly ScriptedAnswer[] | 'nobody'>>,
): Rehearsal<unknown> {
  return { ...rehearsal, answers: { ...rehearsal.answers, ...answers } };
}
