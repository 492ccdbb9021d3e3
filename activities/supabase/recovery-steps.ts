import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { secretRef as ref } from '../new-key.js';
import { verb } from '../step.js';
import { instant, project } from './inputs.js';
import { checkRestore, restore } from './restore.js';

/** https://supabase.com/docs/guides/storage/buckets/fundamentals: nothing that changes the meaning of a URL path. */
const bucket = z.string().regex(/^[\w!.*'() &$@=;:+,?-]{1,100}$/, 'is not the name of a bucket');

const iso = (date: Date | undefined): string | null => date?.toISOString() ?? null;

/** Objects between two signs of life. */
const HEARTBEAT_EVERY = 500;

/** Verbs that look at what can be restored, and restore it. */
export const recoverySteps = ({ supabase, vault }: Pick<Systems, 'supabase' | 'vault'>) => ({
  listBackups: verb({
    input: z.object({ project }),
    output: z.object({
      pointInTime: z.boolean(),
      earliest: z.string().nullable(),
      latest: z.string().nullable(),
      backups: z.array(z.object({ at: z.string(), status: z.string() })),
    }),
    repeatable: true,
    async run(input, step) {
      const { pointInTime, earliest, latest, backups } = await supabase.backups(input.project, step);
      return {
        pointInTime,
        earliest: iso(earliest),
        latest: iso(latest),
        backups: backups.map(({ at, status }) => ({ at: at.toISOString(), status })),
      };
    },
  }),

  restorePointInTime: verb({
    input: z.object({ project, at: instant }),
    check: (input, step) => checkRestore(supabase, input.project, step),
    run: (input, step) => restore(supabase, input.project, new Date(input.at), step),
  }),

  storageInventory: verb({
    input: z.object({ project, ref, bucket }),
    output: z.object({ objects: z.number().int(), bytes: z.number().int(), digest: z.string() }),
    repeatable: true,
    async run(input, step) {
      const key = await vault.reveal(input.ref);
      const lines: string[] = [];
      let bytes = 0;
      for await (const object of supabase.objects(input.project, key, input.bucket, step)) {
        lines.push(JSON.stringify([object.path, object.bytes, object.etag]));
        bytes += object.bytes;
        if (lines.length % HEARTBEAT_EVERY === 0) step.heartbeat({ objects: lines.length });
      }
      const hash = createHash('sha256');
      for (const line of lines.toSorted()) hash.update(`${line}\n`);
      return { objects: lines.length, bytes, digest: hash.digest('hex') };
    },
  }),
});
