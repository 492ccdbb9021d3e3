/** What replaces a secret in anything that is kept or shown. */
export const REDACTED = '[redacted]';

/**
 * Shapes of credentials that no output may show, whoever printed them: vendors' key prefixes, JSON Web Tokens,
 * private keys in PEM, bearer tokens, passwords in URLs.
 */
const SHAPES: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\b(sk|rk|pk)[-_](live|test|proj|svcacct|admin)?[-_]?[A-Za-z0-9_-]{16,}/g,
  /\b(whsec|re|sbp|sb_secret|nfp|ghp|gho|ghs|github_pat|hvs|hvb|s\.)_?[A-Za-z0-9_-]{16,}/g,
  /\bxox[abeprs]-[A-Za-z0-9-]{10,}/g,
  /\b(AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
  /\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{8,}/g,
  /(?<=:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/g,
];

/** Parts shorter than this would also strike innocent text. */
const SHORTEST_PART = 6;

/** Takes the given values (also encoded, also line by line) and everything of a credential's shape out of a text. */
export function redact(text: string, values: readonly string[]): string {
  return SHAPES.reduce((rest, shape) => rest.replace(shape, REDACTED), redactValues(text, values));
}

/** Takes the given values out of a text, also encoded and line by line. */
export function redactValues(text: string, values: readonly string[]): string {
  const parts = values
    .flatMap((value) => [value, ...value.split(/\r?\n/).filter((line) => line.length >= SHORTEST_PART)])
    .flatMap(encodings)
    .filter((part) => part !== '');
  const longestFirst = [...new Set(parts)].sort((a, b) => b.length - a.length);
  return longestFirst.reduce((rest, part) => rest.split(part).join(REDACTED), text);
}

function encodings(value: string): string[] {
  const bytes = Buffer.from(value);
  if (value.length < SHORTEST_PART) return [value];
  return [
    value,
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
    // The last characters of an encoding depend on what follows in the encoded text.
    bytes.toString('base64').replace(/=+$/, '').slice(0, -1),
    bytes.toString('base64url').slice(0, -1),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
  ];
}
