import { createHash, randomBytes } from 'node:crypto';

/** Crockford's base 32 in lower case: no i, l, o, u. https://www.crockford.com/base32.html */
const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';

const RUN_ID =
  /^(?<org>[a-z][a-z0-9-]{0,30})\.(?<command>[a-z][a-z0-9-]{0,79})\.(?<day>\d{8})-(?<last>[0-9a-hjkmnp-tv-z]{8})(?<children>(\.[a-z0-9][a-z0-9-]{0,39}){0,5})$/;

export interface RunIdParts {
  readonly org: string;
  /** `secret-rotation` */
  readonly command: string;
  /** Id without the parts of children. */
  readonly root: string;
  readonly children: readonly string[];
}

/** The command of a runbook: `secretRotation` -> `secret-rotation`. */
export function commandOf(runbook: string): string {
  return runbook
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase();
}

/**
 * A new run id: `<org>.<command>.<yyyymmdd>-<8 base32>`, the day in UTC.
 * With `from` (an alert's dedupe key, a schedule's time) the last part follows from it, so that the same cause has
 * the same id; `at` must then follow from the cause as well.
 */
export function newRunId(options: { org: string; runbook: string; at: Date; from?: string }): string {
  const { org, runbook, at, from } = options;
  const bytes =
    from === undefined ? randomBytes(8) : createHash('sha256').update(from).digest().subarray(0, 8);
  const last = Array.from(bytes, (byte) => BASE32.charAt(byte % 32)).join('');
  const day = at.toISOString().slice(0, 10).replaceAll('-', '');
  return `${org}.${commandOf(runbook)}.${day}-${last}`;
}

/** The parts of a run id; undefined when it isn't one of ours. */
export function parseRunId(run: string): RunIdParts | undefined {
  const groups = RUN_ID.exec(run)?.groups;
  if (groups === undefined) return undefined;
  const { org = '', command = '', children = '' } = groups;
  return {
    org,
    command,
    root: run.slice(0, run.length - children.length),
    children: children.split('.').filter((part) => part !== ''),
  };
}

/** The root run: children append `.<id>`. An id that isn't ours is its own root. */
export function rootOf(run: string): string {
  return parseRunId(run)?.root ?? run;
}
