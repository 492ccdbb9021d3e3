import { gunzipSync, gzipSync } from 'node:zlib';
import type { Pool } from 'pg';
import { identify, type WorkflowBundle } from './bundle.js';

/** Keeps the workflow code that runs are pinned to, for as long as anybody may need it. */
export interface BundleStore {
  /** Stores a bundle; one that is there already stays as it is. */
  put(bundle: WorkflowBundle): Promise<void>;
  /** @throws Error when what is stored is not what was put: its hash differs */
  get(buildId: string): Promise<WorkflowBundle | undefined>;
  /** Build ids, oldest first. */
  list(): Promise<readonly string[]>;
}

export function postgresBundleStore(pool: Pool, sdkVersion: string): BundleStore {
  return {
    put: async ({ buildId, code, codeHash, fileHash }) => {
      await pool.query(
        `INSERT INTO engine.bundle (build_id, code, file_hash, code_hash, sdk_version)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (build_id) DO NOTHING`,
        [buildId, gzipSync(code), fileHash, codeHash, sdkVersion],
      );
    },
    get: async (buildId) => {
      const { rows } = await pool.query<{ code: Buffer; file_hash: string }>(
        'SELECT code, file_hash FROM engine.bundle WHERE build_id = $1',
        [buildId],
      );
      const [row] = rows;
      if (row === undefined) return undefined;
      const bundle = identify(gunzipSync(row.code).toString('utf8'));
      if (bundle.fileHash !== row.file_hash || bundle.buildId !== buildId) {
        throw new Error(
          `The stored workflow bundle ${buildId} was changed. Restore it from a backup of the database.`,
        );
      }
      return bundle;
    },
    list: async () => {
      const { rows } = await pool.query<{ build_id: string }>(
        'SELECT build_id FROM engine.bundle ORDER BY created_at',
      );
      return rows.map((row) => row.build_id);
    },
  };
}
