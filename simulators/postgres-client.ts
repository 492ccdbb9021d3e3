import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { answer, request } from '../activities/http.js';
import {
  BackupSchema,
  FingerprintSchema,
  IntegritySchema,
  ListedBackupSchema,
  PositionSchema,
  RestoredSchema,
  type DatabaseCall,
  type Postgres,
} from '../activities/postgres/contract.js';
import { POSTGRES_SIMULATED_TOKEN } from './postgres.js';

const Refusal = z.object({ type: z.string(), message: z.string() });
const Previous = z.object({ previous: z.string() });
const Nothing = z.undefined();

/** The databases of a simulated world, behind the interface of the real ones. */
export function simulatedPostgres({ baseUrl }: { readonly baseUrl: URL }): Postgres {
  const base = baseUrl.href.replace(/\/$/, '');

  const ask = async <S extends z.ZodType>(
    operation: string,
    schema: S,
    input: object,
    { key, signal }: DatabaseCall,
  ): Promise<z.output<S>> => {
    const what = `postgres.${operation}`;
    const response = await request(new URL(`${base}/${operation}`), {
      what,
      method: 'POST',
      headers: { authorization: `Bearer ${POSTGRES_SIMULATED_TOKEN}` },
      body: { ...input, key },
      signal,
      next: 'Look at the simulated databases of this world, then retry.',
      accept: [404, 422],
    });
    if (response.status >= 400) {
      const { type, message } = await answer(Refusal, response, what);
      throw ApplicationFailure.nonRetryable(message, type);
    }
    if (schema instanceof z.ZodUndefined) {
      await response.body?.cancel();
      return undefined as z.output<S>;
    }
    return await answer(schema, response, what);
  };

  return {
    findBackup: async (input, call) =>
      (await ask('findBackup', BackupSchema.nullable(), input, call)) ?? undefined,
    backup: (input, call) => ask('backup', BackupSchema, input, call),
    listBackups: async (input, call) =>
      (await ask('listBackups', z.object({ backups: z.array(ListedBackupSchema) }), input, call)).backups,
    restoreInto: (input, call) => ask('restoreInto', RestoredSchema, input, call),
    fingerprint: (input, call) => ask('fingerprint', FingerprintSchema, input, call),
    checkIntegrity: (input, call) => ask('checkIntegrity', IntegritySchema, input, call),
    promoted: async (input, call) => (await ask('promoted', Previous.nullable(), input, call)) ?? undefined,
    promote: (input, call) => ask('promote', Previous, input, call),
    putBack: (input, call) => ask('putBack', Nothing, input, call),
    dropScratch: (input, call) => ask('dropScratch', Nothing, input, call),
    position: (input, call) => ask('position', PositionSchema, input, call),
  };
}
