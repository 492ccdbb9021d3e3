/** Where in the handling of a request a fault strikes. */
export type FaultPoint = 'before' | 'after';

export interface Fault {
  /** Operation of a simulator: `openai.createServiceAccount`; see each simulator's `operations`. */
  readonly operation: string;
  /**
   * `before`: nothing happens at the vendor and the caller gets `status`.
   * `after`: the vendor does it and the connection is cut before the answer.
   */
  readonly point: FaultPoint;
  /** How many requests it strikes. Default 1; Infinity for good. */
  readonly times?: number;
  /** Answer of a `before` fault. Default 503; a 4xx makes the step fail without retries. */
  readonly status?: number;
  /** Retry-After header of a `before` fault, in seconds. */
  readonly retryAfter?: number;
  /** Strikes only requests whose body contains this text. */
  readonly containing?: string;
}

/** A fault that is armed, and how often it has struck. */
export interface FaultHandle {
  readonly injected: number;
  /** It strikes no more. */
  disarm(): void;
}

/** Something that changed at a vendor: what fault tests count. `subject` is the same in every run of a scenario. */
export interface Effect {
  readonly system: string;
  readonly what: string;
  readonly subject: string;
}

export interface RecordedRequest {
  readonly operation: string;
  readonly method: string;
  readonly path: string;
  readonly idempotencyKey: string | undefined;
  readonly body: string;
}

/** A request that is held at a point until the test lets it go on. */
export interface Barrier {
  /** Settles when a request has arrived there. */
  readonly reached: Promise<void>;
  release(): void;
}

interface ArmedFault extends Required<Pick<Fault, 'operation' | 'point' | 'times' | 'status'>>, FaultHandle {
  readonly retryAfter: number | undefined;
  readonly containing: string | undefined;
  left: number;
  injected: number;
}

interface ArmedBarrier {
  readonly operation: string;
  readonly point: FaultPoint;
  readonly arrived: () => void;
  readonly released: Promise<void>;
}

/** One isolated set of simulated systems: its own state, memory of idempotency keys, faults and traffic. */
export class World {
  readonly effects: Effect[] = [];
  readonly requests: RecordedRequest[] = [];
  /** Added to every answer, in milliseconds. */
  latencyMs = 0;
  private readonly states = new Map<string, unknown>();
  private readonly faults: ArmedFault[] = [];
  private readonly barriers: ArmedBarrier[] = [];

  constructor(readonly name: string) {}

  /** State of one simulator: plain JSON, so that the local stack can keep it over a restart. */
  state<S>(system: string, initial: () => S): S {
    if (!this.states.has(system)) this.states.set(system, initial());
    return this.states.get(system) as S;
  }

  fail(fault: Fault): FaultHandle {
    const { operation, point, times = 1, status = 503, retryAfter, containing } = fault;
    const disarm = (): void => void (armed.left = 0);
    const armed: ArmedFault = {
      operation,
      point,
      times,
      status,
      retryAfter,
      containing,
      left: times,
      injected: 0,
      disarm,
    };
    this.faults.push(armed);
    return armed;
  }

  /** How often faults really struck. A fault test that does not look at this proves nothing. */
  injected(operation?: string): number {
    return this.faults
      .filter((fault) => operation === undefined || fault.operation === operation)
      .reduce((sum, fault) => sum + fault.injected, 0);
  }

  clearFaults(): void {
    for (const fault of this.faults) fault.left = 0;
  }

  /** Holds the next request of an operation before or after its effect, so that a test can kill somebody meanwhile. */
  barrier(operation: string, point: FaultPoint): Barrier {
    let arrived: () => void = () => undefined;
    let release: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (arrived = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    this.barriers.push({ operation, point, arrived, released });
    return { reached, release };
  }

  /** The fault that strikes this request now, if any; counts it as injected. */
  takeFault(operation: string, point: FaultPoint, body = ''): ArmedFault | undefined {
    const fault = this.faults.find(
      (f) =>
        f.operation === operation && f.point === point && f.left > 0 && body.includes(f.containing ?? ''),
    );
    if (fault === undefined) return undefined;
    fault.left -= 1;
    fault.injected += 1;
    return fault;
  }

  async passBarrier(operation: string, point: FaultPoint): Promise<void> {
    const index = this.barriers.findIndex((b) => b.operation === operation && b.point === point);
    const [barrier] = index < 0 ? [] : this.barriers.splice(index, 1);
    if (barrier === undefined) return;
    barrier.arrived();
    await barrier.released;
  }

  /** Everything the simulators remember, as JSON. */
  dump(): Record<string, unknown> {
    return Object.fromEntries(this.states);
  }

  restore(dump: Record<string, unknown>): void {
    for (const [system, state] of Object.entries(dump)) this.states.set(system, state);
  }
}
