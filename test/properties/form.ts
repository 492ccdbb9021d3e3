import { expect } from 'vitest';
import { readProcedures } from '../../docs/procedures.js';
import type { Subject } from './subject.js';

/** The catalogue's entry says what it is, what each field means, and which document it follows. */
export function isNamedDescribedAndSourced(subject: Subject): void {
  const { exportName, spec } = subject;
  expect(exportName).toBe(spec.name);
  for (const [name, field] of Object.entries(spec.input.shape)) {
    const { title, description, examples } =
      (field as { meta(): Record<string, unknown> | undefined }).meta() ?? {};
    expect({ name, title, description, examples }).toEqual({
      name,
      title: expect.stringMatching(/\S/) as string,
      description: expect.stringMatching(/\S/) as string,
      examples: [expect.anything()],
    });
  }
  const sources = subject
    .plans()
    .flatMap((plan) => plan.flatMap(({ source }) => (source === undefined ? [] : source.split(', '))));
  expect(sources.length).toBeGreaterThan(0);
  for (const source of sources) expect(source).toMatch(/^\d{3}_[0-9a-f]{16}\.txt \d+(-\d+)?$/);
  const rows = readProcedures().map(({ id }) => id);
  expect(spec.covers.length).toBeGreaterThan(0);
  for (const row of spec.covers) expect(rows).toContain(row);
}

/** Slack, the CLI and the console make a form of it: no field holds other fields. */
export function takesAFlatForm({ entry: { schema } }: Subject): void {
  expect(schema).toMatchObject({ type: 'object' });
  const fields = Object.entries(schema.properties ?? {});
  expect(fields.length).toBeGreaterThan(0);
  for (const [name, field] of fields) {
    const { type, title, description } = field as { type?: unknown; title?: unknown; description?: unknown };
    expect({ name, type, title, description }).toEqual({
      name,
      type: expect.stringMatching(/^(string|number|integer|boolean)$/) as string,
      title: expect.any(String) as string,
      description: expect.any(String) as string,
    });
  }
}
