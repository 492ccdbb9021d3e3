import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Where the sample application keeps everything. */
export const DEFAULT_DATA_FOLDER = '.data/sample-application';

/** The data folder that the environment names. */
export const dataFolder = (): string => process.env['APPLICATION_DATA'] ?? DEFAULT_DATA_FOLDER;

const Field = z.object({ id: z.string(), secret: z.string(), nonce: z.string(), sealed: z.string() });
export type Field = z.output<typeof Field>;

const files = {
  /** Encrypted fields of users' data, by the secret that they are encrypted with. */
  fields: { name: 'fields.json', schema: z.array(Field), initial: [] },
  /** What the application is told when it is deployed; read again by a redeploy only. */
  config: {
    name: 'config.json',
    schema: z.object({ brokenChecks: z.array(z.string()) }),
    initial: { brokenChecks: [] },
  },
  /** Secrets that a webhook may be signed with. */
  webhooks: { name: 'webhooks.json', schema: z.array(z.string()), initial: [] },
  deployments: {
    name: 'deployments.json',
    schema: z.array(z.object({ key: z.string(), id: z.string(), component: z.string() })),
    initial: [],
  },
  reports: {
    name: 'reports.json',
    schema: z.array(z.object({ key: z.string(), id: z.string(), title: z.string(), summary: z.string() })),
    initial: [],
  },
  /** The application's log: what it did, and with which key, by fingerprint. */
  log: {
    name: 'log.json',
    schema: z.array(z.object({ at: z.string(), message: z.string(), fingerprint: z.string().optional() })),
    initial: [],
  },
} as const satisfies Record<string, { name: string; schema: z.ZodType; initial: unknown }>;

export type FileName = keyof typeof files;
export type Content<F extends FileName> = z.output<(typeof files)[F]['schema']>;

/** @throws Error that names the file when its content is not what the application wrote. */
export function load<F extends FileName>(folder: string, file: F): Content<F> {
  const { name, schema, initial } = files[file];
  let text: string;
  try {
    text = readFileSync(join(folder, name), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return structuredClone(initial) as unknown as Content<F>;
    }
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text)) as Content<F>;
  } catch {
    throw new Error(
      `${join(folder, name)} is damaged. Remove the folder ${folder} to start the sample anew.`,
    );
  }
}

/** Replaces a file as a whole: a reader never sees half of it, also when this process dies. */
export function save<F extends FileName>(folder: string, file: F, content: Content<F>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, files[file].name);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(content), { mode: 0o600 });
  renameSync(draft, path);
}
