import { z } from 'zod';

type RawIssue = z.core.$ZodRawIssue;

const NOUNS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a set of named fields',
  record: 'a set of named fields',
  map: 'a set of named fields',
  date: 'a date',
  null: 'nothing',
  nan: 'no number',
};

const FORMATS: Readonly<Record<string, string>> = {
  email: 'must be an e-mail address',
  url: 'must be a web address, such as https://example.com',
  datetime: 'must be a time in UTC, such as 2026-11-20T20:05:00Z',
  date: 'must be a day, such as 2026-11-20',
  time: 'must be a time of day, such as 20:05:00',
  duration: 'must be a duration in ISO 8601, such as PT30M',
  uuid: 'must be a UUID',
  ipv4: 'must be an IPv4 address',
  ipv6: 'must be an IPv6 address',
  json_string: 'must be JSON',
};

function nounOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return NOUNS[typeof value] ?? typeof value;
}

function tooSmall({
  origin,
  minimum,
  inclusive,
  exact,
}: z.core.$ZodRawIssue<z.core.$ZodIssueTooSmall>): string {
  const least = exact === true ? 'exactly' : 'at least';
  if (origin === 'string')
    return Number(minimum) === 1 ? 'must not be empty' : `give ${least} ${minimum} characters`;
  if (origin === 'array' || origin === 'set')
    return Number(minimum) === 1 ? 'give at least one' : `give ${least} ${minimum} of them`;
  return inclusive === false ? `must be more than ${minimum}` : `must be ${minimum} or more`;
}

function tooBig({ origin, maximum, inclusive, exact }: z.core.$ZodRawIssue<z.core.$ZodIssueTooBig>): string {
  const most = exact === true ? 'exactly' : 'at most';
  if (origin === 'string')
    return `give ${most} ${maximum} ${Number(maximum) === 1 ? 'character' : 'characters'}`;
  if (origin === 'array' || origin === 'set') return `give ${most} ${maximum} of them`;
  return inclusive === false ? `must be less than ${maximum}` : `must be ${maximum} or less`;
}

/**
 * What is wrong with a value, for whoever gave it; it follows the name of the field: `reason: give at least 10
 * characters`. Never the value itself, which may be a secret.
 */
export function plainly(issue: RawIssue): string {
  if (issue.input === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value'))
    return 'is missing';
  switch (issue.code) {
    case 'invalid_type': {
      const wanted = NOUNS[issue.expected] ?? issue.expected;
      const given = nounOf(issue.input);
      return wanted.endsWith(given.replace(/^an? /, ''))
        ? `must be ${wanted}`
        : `must be ${wanted}, not ${given}`;
    }
    case 'invalid_value': {
      const values = issue.values.map((value) => (typeof value === 'string' ? value : String(value)));
      return values.length === 1 ? `must be ${values.join('')}` : `must be one of ${values.join(', ')}`;
    }
    case 'too_small':
      return tooSmall(issue);
    case 'too_big':
      return tooBig(issue);
    case 'invalid_format':
      return (
        FORMATS[issue.format] ??
        (issue.pattern === undefined ? 'does not have the right form' : `must have the form ${issue.pattern}`)
      );
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return `has ${issue.keys.join(', ')}, which is not known here`;
    case 'invalid_union':
      return 'has none of the forms that it may have';
    case 'invalid_key':
      return 'has a name in it that is not valid';
    case 'invalid_element':
      return 'has something in it that is not valid';
    case 'custom':
      return 'is not valid';
    default:
      return issue satisfies never;
  }
}

// For the whole process: wherever an input is refused, the same words. What a schema says itself comes first.
z.config({ localeError: plainly });
