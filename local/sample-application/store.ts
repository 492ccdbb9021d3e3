import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { initialState, State } from './state.js';

/** Where the sample application keeps everything. */
export const DEFAULT_DATA_FOLDER = '.data/sample-application';

/** The data folder that the environment names. */
export const dataFolder = (): string => process.env['APPLICATION_DATA'] ?? DEFAULT_DATA_FOLDER;

const Field = z.object({ id: z.string(), secret: z.string(), nonce: z.string(), sealed: z.string() });
export type Field = z.output<typeof Field>;

/** Earlier versions kept one list, for the one secret that there was. */
const Webhooks = z
  .record(z.string(), z.array(z.string()))
  .or(z.array(z.string()).transform((values) => ({ 'stripe/webhook-secret': values })));

const files = {
  /** Encrypted fields of users' data, by the secret that they are encrypted with. */
  fields: { name: 'fields.json', schema: z.array(Field), initial: [] },
  /** What the application is told when it is deployed; read again by a redeploy only. */
  config: {
    name: 'config.json',
    schema: z.object({ brokenChecks: z.array(z.string()) }),
    initial: { brokenChecks: [] },
  },
  /** Values that a webhook may be signed with, by the name of the secret. */
  webhooks: { name: 'webhooks.json', schema: Webhooks, initial: {} },
  /** Everything that the service itself changes: written as a whole, together with what was answered. */
  state: { name: 'state.json', schema: State, initial: initialState },
  reports: {
    name: 'reports.json',
    schema: z.array(z.object({ key: z.string(), id: z.string(), title: z.string(), summary: z.string() })),
    initial: [],
  },
  /** Messages to users. */
  outbox: {
    name: 'outbox.json',
    schema: z.array(
      z.object({
        key: z.string(),
        at: z.string(),
        audience: z.string(),
        subject: z.string(),
        message: z.string(),
        recipients: z.number(),
      }),
    ),
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
