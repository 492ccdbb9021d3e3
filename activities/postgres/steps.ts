import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { Systems } from '../index.js';
import { verb } from '../step.js';
import {
  BACKUP_ID,
  BackupSchema,
  FingerprintSchema,
  IntegritySchema,
  ListedBackupSchema,
  PositionSchema,
  RestoredSchema,
} from './contract.js';

const database = z.string().min(1, 'names no database of config/databases.yaml');
const label = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'is not a label: lower-case letters, digits and dashes, at most 40')
  .refine((value) => !value.includes('--'), 'may not hold two dashes in a row');
const scratch = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,29}$/,
    'is not a scratch name: a lower-case letter, then letters, digits and underscores, at most 30',
  );
const backup = z.string().regex(BACKUP_ID, 'is not a backup: take its name from postgres.listBackups');

export const postgresSteps = ({ postgres }: Pick<Systems, 'postgres'>) => ({
  backup: verb({
    input: z.object({ database, label }),
    output: BackupSchema,
    async check(input, step) {
      const done = await postgres.findBackup(input, step);
      return done === undefined ? 'not done' : { done };
    },
    run: (input, step) => postgres.backup(input, step),
  }),

  listBackups: verb({
    input: z.object({ database, before: z.iso.datetime().optional() }),
    output: z.object({ backups: z.array(ListedBackupSchema) }),
    repeatable: true,
    run: async (input, step) => ({ backups: [...(await postgres.listBackups(input, step))] }),
  }),

  restoreInto: verb({
    input: z.object({ database, backup, scratch }),
    output: RestoredSchema,
    repeatable: true,
    run: (input, step) => postgres.restoreInto(input, step),
  }),

  /** Like restoreInto, but a damaged backup is an answer: the run can offer an older one. */
  tryRestore: verb({
    input: z.object({ database, backup, scratch }),
    output: z.object({ restored: RestoredSchema.nullable(), problem: z.string().nullable() }),
    repeatable: true,
    async run(input, step) {
      try {
        return { restored: await postgres.restoreInto(input, step), problem: null };
      } catch (error) {
        if (!(error instanceof ApplicationFailure) || error.type !== 'BackupDamaged') throw error;
        return { restored: null, problem: error.message };
      }
    },
  }),

  fingerprint: verb({
    input: z.object({ database, scratch: scratch.optional() }),
    output: FingerprintSchema,
    repeatable: true,
    run: (input, step) => postgres.fingerprint(input, step),
  }),

  checkIntegrity: verb({
    input: z.object({ database, scratch: scratch.optional() }),
    output: IntegritySchema,
    repeatable: true,
    async run(input, step) {
      const found = await postgres.checkIntegrity(input, step);
      return { ...found, problems: [...found.problems] };
    },
  }),

  promote: verb({
    input: z.object({ database, scratch }),
    output: z.object({ previous: z.string() }),
    async check(input, step) {
      const done = await postgres.promoted(input, step);
      return done === undefined ? 'not done' : { done };
    },
    run: (input, step) => postgres.promote(input, step),
  }),

  putBack: verb({
    input: z.object({ database, previous: scratch, scratch }),
    repeatable: true,
    run: (input, step) => postgres.putBack(input, step),
  }),

  dropScratch: verb({
    input: z.object({ database, scratch }),
    repeatable: true,
    run: (input, step) => postgres.dropScratch(input, step),
  }),

  position: verb({
    input: z.object({ database }),
    output: PositionSchema,
    repeatable: true,
    run: (input, step) => postgres.position(input, step),
  }),
});
