const AGO = /^(\d{1,4}) (minute|hour|day)s? ago$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;
const UNITS_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** What is wrong with a moment of awareness that `isMoment` refuses. */
export const NO_MOMENT = 'is "now", a time like "20 minutes ago", or a time like "2026-03-01T14:05:00Z"';

/** Whether a text says when somebody became aware of something. People in a hurry do not compute time zones. */
export function isMoment(text: string): boolean {
  return text === 'now' || AGO.test(text) || (INSTANT.test(text) && !Number.isNaN(Date.parse(text)));
}

/** The moment that `text` means at `now`. One in the future counts as now: no clock starts later than that. */
export function momentOf(text: string, now: Date): Date {
  const [, count, unit] = AGO.exec(text) ?? [];
  if (count !== undefined && unit !== undefined)
    return new Date(now.getTime() - Number(count) * (UNITS_MS[unit] ?? 0));
  const at = text === 'now' ? now.getTime() : Date.parse(text);
  return new Date(Math.min(at, now.getTime()));
}
