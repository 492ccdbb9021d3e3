import { z } from 'zod';
import type { DeclaredSpec, RunbookSpec, RunRequest } from '../workflows/engine/types.js';
import { commandOf } from './run-id.js';

/** A runbook as every surface sees it. */
export interface CatalogueEntry {
  readonly spec: RunbookSpec;
  /** `secret-rotation` */
  readonly command: string;
  /** JSON Schema of what a person enters. */
  readonly schema: z.core.JSONSchema.BaseSchema;
}

/** By command. */
export type Catalogue = ReadonlyMap<string, CatalogueEntry>;

type Runbook = ((request: RunRequest) => Promise<unknown>) & { readonly spec: DeclaredSpec };

/**
 * The catalogue of a workflows module: every export that carries a `spec`.
 * @param now from which the moments in the scripts of rehearsals follow
 * @throws Error naming an export that is no runbook, is not named after its spec, or shares its command
 */
export function catalogueOf(workflows: Readonly<Record<string, unknown>>, now = new Date()): Catalogue {
  const entries = new Map<string, CatalogueEntry>();
  for (const [name, exported] of Object.entries(workflows)) {
    if (!isRunbook(exported)) {
      throw new Error(
        `workflows/index.ts exports ${name}, which is not a runbook. Export runbook(spec, body) only.`,
      );
    }
    const { rehearsals, ...declared } = exported.spec;
    const spec: RunbookSpec = {
      ...declared,
      rehearsals: typeof rehearsals === 'function' ? rehearsals(now) : rehearsals,
    };
    if (spec.name !== name) {
      throw new Error(
        `workflows/index.ts exports ${name}, whose spec is named ${spec.name}. Give both the same name.`,
      );
    }
    const command = commandOf(name);
    const other = entries.get(command);
    if (other !== undefined) {
      throw new Error(`${name} and ${other.spec.name} would share the command ${command}. Rename one.`);
    }
    entries.set(command, { spec, command, schema: z.toJSONSchema(spec.input, { io: 'input' }) });
  }
  return entries;
}

/** A runbook by its name or its command. */
export function findRunbook(catalogue: Catalogue, name: string): CatalogueEntry | undefined {
  return catalogue.get(name) ?? [...catalogue.values()].find(({ spec }) => spec.name === name);
}

function isRunbook(value: unknown): value is Runbook {
  return (
    typeof value === 'function' && 'spec' in value && typeof value.spec === 'object' && value.spec !== null
  );
}
