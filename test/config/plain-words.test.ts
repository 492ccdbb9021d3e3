import { expect, test } from 'vitest';
import { z } from 'zod';
import '../../config/plain-words.js';

const said = (schema: z.ZodType, value: unknown): string =>
  (schema.safeParse(value).error?.issues ?? []).map(({ message }) => message).join('; ');

test.each<[string, z.ZodType, unknown, string]>([
  ['a text that is too short', z.string().min(10), 'short', 'give at least 10 characters'],
  ['an empty text', z.string().min(1), '', 'must not be empty'],
  ['a text that is too long', z.string().max(3), 'long', 'give at most 3 characters'],
  ['a number that is too small', z.number().min(3), 2, 'must be 3 or more'],
  ['a number that is too large', z.number().lt(3), 3, 'must be less than 3'],
  ['half of a whole number', z.int(), 1.5, 'must be a whole number'],
  ['a text for a number', z.number(), 'seven', 'must be a number, not a text'],
  ['nothing', z.string(), undefined, 'is missing'],
  ['an unknown choice', z.enum(['fast', 'slow']), 'medium', 'must be one of fast, slow'],
  ['no e-mail address', z.email(), 'ada', 'must be an e-mail address'],
  ['an empty list', z.array(z.string()).min(1), [], 'give at least one'],
  ['a field too many', z.strictObject({}), { colour: 'red' }, 'has colour, which is not known here'],
  ['what a schema says itself', z.string().min(3, 'is no name'), 'x', 'is no name'],
])('%s is refused in words that a person understands', (_, schema, value, words) => {
  expect(said(schema, value)).toBe(words);
});

test('a value never comes back in the words: it may be a secret', () => {
  const all = [
    z.int(),
    z.enum(['a', 'b']),
    z.string().min(99),
    z.email(),
    z.literal('x'),
    z.union([z.int(), z.null()]),
  ];
  for (const schema of all) expect(said(schema, 'sk-canary')).not.toMatch(/^$|canary/);
});
