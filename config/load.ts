import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { isMap, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { pino } from 'pino';
import type { z } from 'zod';
import './plain-words.js';

/** A configuration file that can't be used. The message names the file, each line, and what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(
    readonly path: string,
    /** One sentence per problem, each starting with `file:line:column`. */
    readonly problems: readonly string[],
  ) {
    super(`${problems.join('\n')}\nCorrect ${path}; an edit counts at the next look-up, without a restart.`);
  }
}

/** A configuration file that is read again whenever it has changed. */
export interface ConfigFile<T> {
  readonly path: string;
  /**
   * The content. A broken edit is logged once and the last good content stays in force.
   * @throws ConfigError when there is no good content yet.
   */
  get(): T;
  /** The problem of the current edit, if it is broken: what `doctor` shows. */
  problem(): ConfigError | undefined;
  /** Changes with each good content. */
  version(): number;
}

export interface ConfigFileOptions {
  /** Files whose content the schema looks at: when one of them changes, this one is checked again. */
  readonly dependsOn?: readonly ConfigFile<unknown>[];
  readonly log?: { error(fields: object, message: string): void };
}

const defaultLog = pino({ name: 'config' });

/** Opens a YAML file; nothing is read before the first look-up. */
export function configFile<S extends z.ZodType>(
  path: string,
  schema: S,
  { dependsOn = [], log = defaultLog }: ConfigFileOptions = {},
): ConfigFile<z.output<S>> {
  let seen: string | undefined;
  let good: { readonly value: z.output<S> } | undefined;
  let broken: ConfigError | undefined;
  let version = 0;

  const look = (): void => {
    for (const file of dependsOn) file.get();
    const stamp = [stampOf(path), ...dependsOn.map((file) => file.version())].join(' ');
    if (stamp === seen) return;
    seen = stamp;
    try {
      good = { value: parseConfig(path, readConfig(path), schema) };
      broken = undefined;
      version += 1;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      broken = error;
      if (good !== undefined) {
        log.error(
          { path, problems: error.problems },
          `${basename(path)} is broken; its last good content stays in force`,
        );
      }
    }
  };

  return {
    path,
    get: () => {
      look();
      if (good !== undefined) return good.value;
      throw broken ?? new ConfigError(path, [`${path} could not be read.`]);
    },
    problem: () => {
      look();
      return broken;
    },
    version: () => version,
  };
}

/** Parses the text of a YAML file. @throws ConfigError with the line of every problem. */
export function parseConfig<S extends z.ZodType>(path: string, text: string, schema: S): z.output<S> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      path,
      document.errors.map((error) => `${place(path, lines, error.pos[0])}: not valid YAML: ${error.message}`),
    );
  }
  const parsed = schema.safeParse(document.toJS({ maxAliasCount: 100 }));
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    path,
    parsed.error.issues.flatMap((issue) => sentences(path, document, lines, issue)),
  );
}

/** A YAML path as people write it: `secrets.openai/api-key.deployedTo[0].site`. */
export function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

function sentences(path: string, document: Document, lines: LineCounter, issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(
      (key) =>
        `${place(path, lines, offsetOf(document, [...issue.path, key]))}: ` +
        `${dotted([...issue.path, key])} is not known here. Remove it, or correct its spelling.`,
    );
  }
  const where = place(path, lines, offsetOf(document, issue.path));
  return [`${where}: ${dotted(issue.path) || 'the file'}: ${issue.message}`];
}

function place(path: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${path}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
}

/** Where the value at a path starts; for a missing one the innermost part of the path that exists. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const key = path[length - 1];
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    if (isMap(parent)) {
      const pair = parent.items.find((item) => keyText(item.key) === String(key));
      const start = rangeStart(pair?.key);
      if (start !== undefined) return start;
    }
    const start = rangeStart(document.getIn(path.slice(0, length), true));
    if (start !== undefined) return start;
  }
  return rangeStart(document.contents) ?? 0;
}

function keyText(key: unknown): string {
  return typeof key === 'object' && key !== null && 'value' in key ? String(key.value) : String(key);
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node)) return undefined;
  return (node as Node).range?.[0];
}

function stampOf(path: string): string {
  try {
    const { mtimeNs, size, ino } = statSync(path, { bigint: true });
    return `${mtimeNs}/${size}/${ino}`;
  } catch (error) {
    return `unreadable ${errorCode(error)}`;
  }
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = errorCode(error);
    throw new ConfigError(path, [
      code === 'ENOENT'
        ? `${path} does not exist. Create it (the repository's config/ folder has an example), or set RUNBOOK_CONFIG_DIR to the folder that holds it.`
        : `${path} could not be read (${code}).`,
    ]);
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
