/** Resamples of the bootstrap. */
const RESAMPLES = 10_000;
/** Any constant: the same samples give the same interval. */
const SEED = 0x5eed_1e55;
export interface Estimate {
  readonly median: number;
  /** Bootstrap 95 % confidence interval of the median. */
  readonly low: number;
  readonly high: number;
}

/** The median of samples with its bootstrap 95 % confidence interval. @throws Error without samples */
export function estimate(samples: readonly number[]): Estimate {
  const random = mulberry32(SEED);
  const pick = () => samples[Math.floor(random() * samples.length)] ?? Number.NaN;
  const medians = Array.from({ length: RESAMPLES }, () => median(samples.map(pick))).sort((a, b) => a - b);
  const at = (part: number) => medians[Math.min(RESAMPLES - 1, Math.floor(part * RESAMPLES))] ?? Number.NaN;
  return { median: median(samples), low: at(0.025), high: at(0.975) };
}

/** The middle value. @throws Error without samples */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined)
    throw new Error('There are no samples to take the median of.');
  return (lower + upper) / 2;
}

/**
 * Measures ours and the peer in turn, ABAB. `pairs` counts those that are kept.
 * @param dropped pairs before them, that warm caches: 0 where each measurement has a process of its own
 */
export async function inTurn<A, B>(
  pairs: number,
  ours: () => Promise<A>,
  peer: () => Promise<B>,
  progress: (pair: number, a: A, b: B) => void,
  dropped = 1,
): Promise<{ readonly ours: A; readonly peer: B }[]> {
  const measured: { ours: A; peer: B }[] = [];
  for (let pair = 1 - dropped; pair <= pairs; pair += 1) {
    const both = { ours: await ours(), peer: await peer() };
    progress(pair, both.ours, both.peer);
    if (pair > 0) measured.push(both);
  }
  return measured;
}

/** A small generator with a seed: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
