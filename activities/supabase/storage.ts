import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { StorageObject, Supabase } from './contract.js';
import { unexpectedAnswer, type ProjectClient } from './project-client.js';

/** Rows of one page: https://supabase.com/docs/reference/javascript/storage-from-list, `limit` (default 100). */
const PAGE = 1_000;

const NEXT =
  'Check that the key in the vault is a secret key of this project and still accepted, and the bucket in the step, then retry.';

/** A row without an id is a folder. Same page as PAGE. */
const Rows = z.array(
  z.object({
    name: z.string().min(1),
    id: z.string().nullable(),
    metadata: z.object({ size: z.number().optional(), eTag: z.string().optional() }).nullish(),
  }),
);

/**
 * Every object of a bucket. Storage lists one folder at a time and answers an unknown bucket with an empty list, so
 * the bucket is looked up first: a misspelt name must not be taken for an empty bucket.
 */
export const storageObjects = (useProject: ProjectClient): Supabase['objects'] =>
  async function* (project, key, bucket, { signal } = {}) {
    const what = `list the objects of bucket ${bucket} of Supabase project ${project}`;
    const call = { what, next: NEXT, signal };
    // https://supabase.com/docs/reference/javascript/storage-getbucket: 400 or 404, depending on the version of Storage
    const { status } = await useProject(project, key, { ...call, accept: [400, 404] }, (client) =>
      client.storage.getBucket(bucket),
    );
    if (status !== 200) {
      throw ApplicationFailure.nonRetryable(
        `${what}: Storage answered that there is no such bucket. ${NEXT}`,
        'VendorRefused',
        { status },
      );
    }

    async function* folder(prefix: string): AsyncGenerator<StorageObject> {
      const sortBy = { column: 'name', order: 'asc' };
      // A page that is not full may be due to a lower limit of the server: only an empty one is the end.
      for (let offset = 0; ;) {
        const { data } = await useProject(project, key, call, (client) =>
          client.storage.from(bucket).list(prefix, { limit: PAGE, offset, sortBy }),
        );
        const rows = Rows.safeParse(data);
        if (!rows.success) throw unexpectedAnswer(what);
        if (rows.data.length === 0) return;
        for (const { name, id, metadata } of rows.data) {
          const path = prefix === '' ? name : `${prefix}/${name}`;
          if (id === null) yield* folder(path);
          else yield { path, bytes: metadata?.size ?? 0, etag: (metadata?.eTag ?? '').replaceAll('"', '') };
        }
        offset += rows.data.length;
      }
    }

    yield* folder('');
  };
