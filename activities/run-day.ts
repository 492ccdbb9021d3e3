/** When the day began (UTC) in which a run was started: `acme.offboarding.20260131-7kq2m9xd`. No step of it is older. */
export function runDay(run: string): Date | undefined {
  const [, year, month, day] = /\.(\d{4})(\d{2})(\d{2})-[0-9a-z]{8}(?:\.|$)/.exec(run) ?? [];
  if (year === undefined) return undefined;
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
