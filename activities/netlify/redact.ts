const LONGEST_LINE = 200;
/** The patterns below are quadratic; no more than this is looked at. */
const LONGEST_LOOK = 1_000;

/**
 * Anything that could be a credential in a line of a build log: the part of a URL before the host, what follows a
 * name such as TOKEN, and any unbroken run of 16 or more characters that mixes letters and digits.
 */
const CREDENTIALS: readonly (readonly [RegExp, string])[] = [
  [/\/\/[^/\s@]+@/g, '//[redacted]@'],
  [
    /((?:key|token|secret|password|passwd|pwd|credential|authorization|bearer)\w*["']?\s*[:= ]\s*["']?)[^\s"',;]+/gi,
    '$1[redacted]',
  ],
  [/(?=[\w+/=.-]*\d)(?=[\w+/=.-]*[A-Za-z])[\w+/=.-]{16,}/g, '[redacted]'],
];

/** The first line of a vendor's message, fit for an error: build output may quote values of the environment. */
export function redactedFirstLine(message: string | null | undefined): string {
  const line = (message ?? '').trim().split(/\r?\n/, 1)[0]?.slice(0, LONGEST_LOOK) ?? '';
  if (line === '') return 'no reason given';
  const redacted = CREDENTIALS.reduce((text, [pattern, instead]) => text.replace(pattern, instead), line);
  return redacted.length > LONGEST_LINE ? `${redacted.slice(0, LONGEST_LINE)}...` : redacted;
}
