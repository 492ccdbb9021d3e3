import { z } from 'zod';
import { configFile, type ConfigFile, type ConfigFileOptions } from './load.js';
import { SecretId } from './secrets.js';

const DatabaseEntry = z.strictObject({
  title: z.string().trim().min(1).max(100),
  /** The vault holds it: postgres://user:password@host:port/name of a role that may create and rename databases. */
  url: z.strictObject({ secret: SecretId }),
  backups: z.strictObject({
    /** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
    bucket: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
        'A bucket is named in 3 to 63 lower-case letters, digits, dots and dashes.',
      ),
    prefix: z
      .string()
      .max(200)
      .regex(
        /^([^/]+\/)+$/,
        'A prefix is not empty, ends with a slash and does not start with one: database/.',
      ),
  }),
});

const Databases = z
  .strictObject({
    databases: z.record(
      z
        .string()
        .regex(
          /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
          'A database is named in lower-case letters, digits and dashes: app-dr.',
        )
        .max(40),
      DatabaseEntry,
    ),
  })
  .transform(
    ({ databases }): DatabaseInventory =>
      new Map(Object.entries(databases).map(([id, entry]) => [id, { id, ...entry }])),
  );

/** One database that runs may back up and restore. */
export type Database = { readonly id: string } & Readonly<z.output<typeof DatabaseEntry>>;
export type DatabaseInventory = ReadonlyMap<string, Database>;

/** `databases.yaml` of a configuration folder. */
export function databasesFile(path: string, options: ConfigFileOptions = {}): ConfigFile<DatabaseInventory> {
  return configFile(path, Databases, options);
}
