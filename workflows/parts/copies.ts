import type { Service } from '../../config/services.js';
import type { Run } from '../engine/runbook.js';

/** Below it, in the bucket of the backups, is what a restore has replaced. */
export const KEPT = 'before-restore/';
/**
 * Passes over a source that changes meanwhile. No document names a number; the second one proves the first when nobody
 * uploads anything, the others catch up with people who do.
 */
const PASSES = 5;

export type Place = Service['storage']['live'];

export interface Copy {
  /** Of the target, once it was compared. */
  readonly objects: number;
  readonly bytes: number;
  readonly digest: string;
  /** Objects that were copied, by all passes. */
  readonly copied: number;
  /** Objects of the target that the source does not have. */
  readonly extra: number;
  /** Why the target can't be said to hold everything; null: it does. */
  readonly problem: string | null;
}

/** The part of a place that is below a prefix. */
export const within = ({ bucket, prefix }: Place, below: string): Place => ({
  bucket,
  prefix: `${prefix}${below}`,
});

export const shown = ({ bucket, prefix }: Place): string => `${bucket}/${prefix}`;

/**
 * Copies every object of a place to another, and compares. They are equal when each object of the source is in the
 * target with the same size and the same ETag: a whole pass found nothing left to copy. The target may hold more,
 * since nothing is ever deleted there; when it does not, the digests of both inventories must be the same as well.
 */
export async function copyAndCompare(run: Run, from: Place, to: Place): Promise<Copy> {
  const { s3 } = run.steps;
  let copied = 0;
  let same: number | undefined;
  for (let pass = 1; pass <= PASSES && same === undefined; pass += 1) {
    const done = await s3.copyAll({ from, to });
    copied += done.copied;
    if (done.copied === 0) same = done.skipped;
  }
  const source = await s3.inventory(from);
  const target = await s3.inventory(to);
  const found = { ...target, copied, extra: Math.max(0, target.objects - source.objects) };
  if (same === undefined) {
    return {
      ...found,
      problem: `Objects of ${shown(from)} changed during each of ${PASSES} passes. Start again when less is uploaded.`,
    };
  }
  if (target.objects < same) {
    return {
      ...found,
      problem: `${shown(to)} has ${target.objects} objects, and ${same} were the same a moment before.`,
    };
  }
  if (source.objects === target.objects && source.bytes === target.bytes && source.digest !== target.digest) {
    return { ...found, problem: `${shown(from)} and ${shown(to)} hold as many objects, but not the same.` };
  }
  return { ...found, problem: null };
}
