import { createHash } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb, type StepContext } from '../step.js';
import { MOST_DELETED, type Location, type S3, type StoredObject } from './contract.js';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const bucket = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    'is not a bucket name: 3 to 63 lower-case letters, digits, dots and dashes',
  );
const prefix = z
  .string()
  .max(500)
  .refine(
    (value) => value === '' || (value.endsWith('/') && !value.startsWith('/')),
    'is not a prefix: it ends with a slash and does not start with one, or is empty for the whole bucket',
  );
const location = z.object({ bucket, prefix });
const count = z.int().nonnegative();

/** Objects that are copied at the same time. */
const COPIES_AT_ONCE = 8;

export const s3Steps = ({ s3 }: Pick<Systems, 's3'>) => ({
  inventory: verb({
    input: location,
    output: z.object({ objects: count, bytes: count, digest: z.string() }),
    repeatable: true,
    run: async (input, step) => summary(await listed(s3, input, step)),
  }),

  copyAll: verb({
    input: z.object({ from: location, to: location }),
    output: z.object({ copied: count, skipped: count, bytes: count }),
    repeatable: true,
    async run({ from, to }, step) {
      if (overlap(from, to)) {
        throw ApplicationFailure.nonRetryable(
          `${shown(from)} and ${shown(to)} overlap, so that copies would be copied again. Name a prefix outside of the source.`,
          'InvalidInput',
        );
      }
      const source = await listed(s3, from, step);
      const there = new Map((await listed(s3, to, step)).map((object) => [object.key, object]));
      const missing = source.filter((object) => !isSame(object, there.get(object.key)));
      let copied = 0;
      let bytes = 0;
      await eachOf(missing, COPIES_AT_ONCE, async (object) => {
        step.signal.throwIfAborted();
        await s3.copy(
          { bucket: from.bucket, key: from.prefix + object.key },
          { bucket: to.bucket, key: to.prefix + object.key },
          step,
        );
        copied += 1;
        bytes += object.bytes;
        step.heartbeat({ copied, of: missing.length });
      });
      return { copied, skipped: source.length - missing.length, bytes };
    },
  }),

  removeAll: verb({
    input: z.object({
      bucket,
      prefix: prefix.refine(
        (value) => value !== '',
        'is empty: that would delete the whole bucket. Name the scratch prefix',
      ),
    }),
    output: z.object({ removed: count }),
    repeatable: true,
    async run(input, step) {
      const objects = await listed(s3, input, step);
      for (let at = 0; at < objects.length; at += MOST_DELETED) {
        const keys = objects.slice(at, at + MOST_DELETED).map(({ key }) => input.prefix + key);
        await s3.remove(input.bucket, keys, step);
        step.heartbeat({ removed: at + keys.length });
      }
      return { removed: objects.length };
    },
  }),
});

/** The objects of a location, with the prefix taken off their keys. */
async function listed(s3: S3, from: Location, step: StepContext): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of s3.list(from, step)) {
    objects.push({ ...object, key: object.key.slice(from.prefix.length) });
    if (objects.length % 1_000 === 0) step.heartbeat({ listed: objects.length });
  }
  return objects;
}

function summary(objects: readonly StoredObject[]): { objects: number; bytes: number; digest: string } {
  const lines = objects.map(({ key, bytes, etag }) => `${key} ${bytes} ${etag}\n`).sort();
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line);
  const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
  return { objects: objects.length, bytes, digest: hash.digest('hex') };
}

function isSame(object: StoredObject, other: StoredObject | undefined): boolean {
  return other?.bytes === object.bytes && other.etag === object.etag;
}

function overlap(one: Location, other: Location): boolean {
  if (one.bucket !== other.bucket) return false;
  return one.prefix.startsWith(other.prefix) || other.prefix.startsWith(one.prefix);
}

const shown = (place: Location): string => `${place.bucket}/${place.prefix}`;

/** Runs `handle` for every item, at most `atOnce` at a time; the first failure stops the rest. */
async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  handle: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (failed) return;
      try {
        await handle(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  for (const result of settled) if (result.status === 'rejected') throw result.reason;
}
