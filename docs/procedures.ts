import { readFileSync } from 'node:fs';
import { z } from 'zod';

const Lines = z.string().regex(/^\d+(-\d+)?$/, 'must be a line or a range: 34-40');

export const Procedure = z.strictObject({
  id: z.string().regex(/^A-\d{3}$/),
  slug: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
  title: z.string().min(1),
  /** Where the documents describe it; the first one is the main place. */
  sources: z
    .array(z.strictObject({ file: z.string().regex(/^\d{3}_[0-9a-f]{16}\.txt$/), lines: Lines }))
    .min(1),
});
/** One procedure of the operations documents. */
export type Procedure = z.output<typeof Procedure>;

/** Every procedure of the operations documents, in the order of its id. */
export function readProcedures(): Procedure[] {
  const content = readFileSync(new URL('procedures.json', import.meta.url), 'utf8');
  return z.array(Procedure).parse(JSON.parse(content));
}

/** `002_c9cf85ce92b0c6c9.txt 34-40; 004_7a3def0868c62bab.txt 480-496` */
export function citation({ sources }: Procedure): string {
  return sources.map(({ file, lines }) => `${file} ${lines}`).join('; ');
}
