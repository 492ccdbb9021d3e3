import type { Service } from '../../config/services.js';
import type { Run } from '../engine/runbook.js';

/** How often public resolvers are asked before people decide; no document names a number. */
const MOST_LOOKS = 10;
/** Time to decide; no document names one. */
const DECIDE_WITHIN = '30 minutes';
/** A name server that does not answer must not hold back a recovery: people are asked after this time. */
const PATIENCE = '5 minutes';
const SECOND_MS = 1_000;

interface Records {
  readonly values: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

type TrafficRun = Run<{ readonly service: Service }>;

/** Ids for the plan. */
export const LOWERING = ['dns.lookup', 'dns.setRecords', 'old-ttl'] as const;
export const SEEN = ['dns.resolve', 'resolvers', 'go-on-despite-resolvers'] as const;

/** The public name of a service, while it is moved from one place to another. */
export class Traffic {
  private constructor(
    private readonly run: TrafficRun,
    /** What the name answered before. */
    readonly before: Records,
    /** Settles when nobody can have an answer any more that may be kept for longer than the short time to live. */
    private readonly expired: Promise<void>,
  ) {}

  /**
   * Gives the name a short time to live, and waits in the background until caches have forgotten the long one.
   * Undone, the name has the values and the time to live that it had.
   */
  static async prepare(run: TrafficRun): Promise<Traffic> {
    const { dns } = run.stepsWithin({ giveUpAfter: PATIENCE });
    const { switchTtl, name } = run.config.service.disasterRecovery.dns;
    const before = await dns.lookup(placeOf(run));
    run.undo('old-ttl', `give ${name} its time to live back`, () => set(run, before));
    const ttl = Math.min(before.ttl, switchTtl);
    await dns.setRecords({ ...placeOf(run), values: [...before.values], ttl });
    const expired = new Promise<void>((resolve, reject) => {
      run.meanwhile(() => {
        const why = `caches forget the old answer for ${name}`;
        const waiting = run.wait('old-ttl', before.ttl * SECOND_MS, why);
        waiting.then(resolve, reject);
        return waiting;
      });
    });
    expired.catch(() => undefined);
    return new Traffic(run, before, expired);
  }

  async cachesExpired(): Promise<void> {
    await this.expired;
  }

  /** Points the name somewhere. How to go back is registered by whoever calls. */
  async pointTo(values: readonly string[], ttl: number): Promise<void> {
    await set(this.run, { values, ttl });
  }

  /** The values and the time to live that were there before anything was changed. */
  async pointBack(): Promise<void> {
    await set(this.run, this.before);
  }

  /** Asks several public resolvers until all of them give the new answer; when some never do, people decide. */
  async seenEverywhere(values: readonly string[]): Promise<void> {
    const { run } = this;
    const { name, type, switchTtl } = run.config.service.disasterRecovery.dns;
    for (let look = 1; ; look += 1) {
      const { agree, answers } = await run.steps.dns.resolve({ name, type, expect: [...values] });
      if (agree) return;
      if (look === MOST_LOOKS) {
        const said = answers.map(
          ({ resolver, values: given }) => `${resolver}: ${given.join(', ') || 'nothing'}`,
        );
        await run.approve('go-on-despite-resolvers', {
          question: `${name} is not ${values.join(', ')} everywhere (${said.join('; ')}). Go on all the same? Declining points it back.`,
          group: 'approvers',
          within: DECIDE_WITHIN,
        });
        return;
      }
      await run.wait('resolvers', switchTtl * SECOND_MS, `some resolvers give an old answer for ${name}`);
    }
  }
}

function placeOf(run: TrafficRun) {
  const { provider, zone, name, type } = run.config.service.disasterRecovery.dns;
  return { provider, zone, name, type };
}

async function set(run: TrafficRun, { values, ttl }: Records): Promise<void> {
  await run.steps.dns.setRecords({ ...placeOf(run), values: [...values], ttl });
}
