import { expect, test } from 'vitest';
import { coveredProcedures } from '../../docs/covered.js';
import { readProcedures } from '../../docs/procedures.js';
import { catalogueOf } from '../../triggers/catalogue.js';
import * as workflows from '../../workflows/index.js';

const catalogue = catalogueOf(workflows);
const procedures = readProcedures();

test('every one of the 113 procedures of the documents is listed once', () => {
  expect(procedures).toHaveLength(113);
  expect(new Set(procedures.map(({ id }) => id)).size).toBe(113);
});

test('no runbook covers a procedure that the documents do not have', () => {
  const known = new Set(procedures.map(({ id }) => id));
  const unknown = [...catalogue.values()].flatMap(({ spec }) => spec.covers.filter((id) => !known.has(id)));
  expect(unknown).toEqual([]);
});

test('no two runbooks claim the same procedure', () => {
  const twice = coveredProcedures(catalogue).filter(({ runbooks }) => runbooks.length > 1);
  expect(twice).toEqual([]);
});

test('what the documents ask for in an incident, a breach, a disaster or a maintenance window has a runbook', () => {
  const rows = [...range(31, 39), 58, ...range(62, 66), ...range(81, 89), ...[99, 100]].map(
    (number) => `A-${String(number).padStart(3, '0')}`,
  );
  const covered = coveredProcedures(catalogue).filter(({ runbooks }) => runbooks.length > 0);
  expect(covered.map(({ id }) => id)).toEqual(expect.arrayContaining(rows));
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
