import { randomBytes } from 'node:crypto';
import { isAbsolute } from 'node:path';
import pc from 'picocolors';
import type { StoredEntry } from '../activities/ledger/contract.js';
import { checkRun } from '../activities/ledger/verify-runs.js';
import { migrate } from '../database/migrate.js';
import { CAST } from '../simulators/cast.js';
import { catalogueOf } from '../triggers/catalogue.js';
import { Context } from '../triggers/cli/context.js';
import { performRehearsal } from '../triggers/cli/rehearse.js';
import { clean, columns } from '../triggers/cli/terminal.js';
import * as workflows from '../workflows/index.js';
import { dataFolder, startStack, type Stack } from './stack.js';

interface Story {
  readonly runbook: string;
  readonly rehearsal: string;
  /** What it comes down to. @throws DemoFailed when the record does not show it */
  readonly summarise: (entries: readonly StoredEntry[], wallMs: number, names: Names) => void;
}
type Names = ReadonlyMap<string, string>;

/** The whole timeline, with every decision made in time. */
const DATA_BREACH_REHEARSAL = 'Users and the authority are notified';

const STORIES: Readonly<Record<string, Story>> = {
  'secret-rotation': {
    runbook: 'secret-rotation',
    rehearsal: 'OpenAI key, scheduled',
    summarise: summariseRotation,
  },
  'data-breach': {
    runbook: 'data-breach-response',
    rehearsal: DATA_BREACH_REHEARSAL,
    summarise: summariseClocks,
  },
};

/** Something that must be true of the demo is not. */
class DemoFailed extends Error {
  override readonly name = 'DemoFailed';
}

const say = (line = '') => process.stdout.write(`${line}\n`);

/**
 * Performs a rehearsal through the real engine and prints its story: `secret-rotation` or `data-breach`.
 * @throws DemoFailed
 */
export async function demo(name = 'secret-rotation', folder = dataFolder('demo')): Promise<void> {
  if (!isAbsolute(folder))
    throw new DemoFailed(`"${folder}" is one word too many: \`npm run demo -- ${name}\`.`);
  const story = STORIES[name];
  if (story === undefined) {
    throw new DemoFailed(
      `There is no demo "${name}". There are: ${Object.keys(STORIES).join(', ')}. Say \`npm run demo -- data-breach\`.`,
    );
  }
  const stack = await startStack({
    dataDir: folder,
    rehearsal: true,
    log: (line) => say(pc.dim(line)),
  });
  try {
    await rehearse(stack, story);
  } finally {
    await stack.stop();
  }
}

async function rehearse(stack: Stack, story: Story): Promise<void> {
  const password = () => randomBytes(24).toString('base64url');
  const database = await migrate(stack.adminUrl, { appPassword: password(), auditPassword: password() });
  const env = {
    ...process.env,
    DATABASE_URL: database.appUrl,
    AUDIT_DATABASE_URL: database.auditUrl,
    TEMPORAL_ADDRESS: stack.temporalAddress,
    RUNBOOK_LOCAL: '1',
  };
  const { stdout, stderr, stdin } = process;
  // Ctrl-C is not the story's business: it ends the process (signals.ts).
  const { signal: interrupt } = new AbortController();
  const context = new Context({ stdout, stderr, stdin, env, interrupt }, catalogueOf(workflows), false);
  try {
    const entry = context.catalogue.get(story.runbook);
    const rehearsal = entry?.spec.rehearsals.find(({ name }) => name === story.rehearsal);
    if (entry === undefined || rehearsal === undefined)
      throw new DemoFailed(`There is no rehearsal "${story.rehearsal}".`);
    say(`\n${pc.bold(entry.spec.title)}`);
    const result = await performRehearsal(context, entry, rehearsal);
    if (result === undefined) throw new DemoFailed('The demo was stopped.');
    const names = new Map<string, string>(CAST.map(({ id, name }) => [id, name]));
    story.summarise(result.entries, result.wallMs, names);
    printLedger(result.entries, names);
    const findings = checkRun(result.entries);
    if (findings.length > 0) {
      throw new DemoFailed(
        `The record of the run is not whole: ${findings.map(({ code }) => code).join(', ')}.`,
      );
    }
    say(pc.dim('\nYour turn: `npm start`, then `npx runbook` in another terminal.'));
  } finally {
    await context.services.close();
  }
}

/** What the story comes down to, read from the record. */
function summariseRotation(entries: readonly StoredEntry[], wallMs: number, names: Names): void {
  const at = (what: string, matches: (entry: StoredEntry['entry']) => boolean): StoredEntry['entry'] => {
    const found = entries.find(({ entry }) => matches(entry));
    if (found === undefined) throw new DemoFailed(`The record does not show that ${what}.`);
    return found.entry;
  };
  const approved = at('the gate was approved', (e) => e.kind === 'gate.closed' && e.outcome === 'approved');
  const revoked = at(
    'the old key was revoked',
    (e) => e.kind === 'step.outcome' && e.step === 'openai.deleteKey#1' && e.outcome === 'ok',
  );
  const hours = (Date.parse(revoked.virtual) - Date.parse(approved.virtual)) / 3_600_000;
  if (hours < 24)
    throw new DemoFailed(`The old key was revoked ${hours.toFixed(1)} hours after the approval, not 24.`);
  const people = approved.kind === 'gate.closed' ? approved.people.map((id) => names.get(id) ?? id) : [];
  say(
    `\n${pc.green('✓')} ${pc.bold('old key revoked')} ${hours.toFixed(1)} hours after ${people.join(' and ')} approved it` +
      `, in ${(wallMs / 1000).toFixed(1)} seconds of ours`,
  );
}

/** The clocks of a breach: what was due when, and when it was done. */
function summariseClocks(entries: readonly StoredEntry[], wallMs: number): void {
  const all = entries.map(({ entry }) => entry);
  const clocks = all.flatMap((entry) => (entry.kind === 'deadline.started' ? [entry] : []));
  if (clocks.length === 0) throw new DemoFailed('The record does not show any clock.');
  say(`\n${pc.bold('The clocks')}  ${pc.dim('from the moment of awareness')}`);
  const rows = clocks.map(({ deadline, from, due }) => {
    const end = all.find((entry) => entry.kind === 'deadline.ended' && entry.deadline === deadline);
    const outcome = end?.kind === 'deadline.ended' ? end.outcome : 'running';
    return [
      deadline,
      `due after ${since(from, due)}`,
      `${outcome} after ${since(from, end?.virtual ?? due)}`,
    ];
  });
  for (const [clock = '', due = '', outcome = ''] of columns(rows)) {
    say(`  ${outcome.startsWith('met') ? pc.green('✓') : pc.red('✗')} ${clock}  ${pc.dim(due)}  ${outcome}`);
  }
  const [first, last] = [all[0]?.virtual ?? '', all.at(-1)?.virtual ?? ''];
  say(`\n${pc.green('✓')} ${since(first, last)} in ${(wallMs / 1000).toFixed(1)} seconds of ours`);
}

function since(from: string, to: string): string {
  const minutes = Math.round((Date.parse(to) - Date.parse(from)) / 60_000);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** The run's entries as they are in the ledger; the monitor's looks in between are counted. */
function printLedger(entries: readonly StoredEntry[], names: Names): void {
  say(`\n${pc.bold('The ledger')}  ${pc.dim(`${entries.length} entries, each hashed (RFC 6962)`)}`);
  const isLook = ({ entry }: StoredEntry) =>
    (entry.kind === 'step.intent' || entry.kind === 'step.outcome') && /errorRate#(?!1$|2$)/.test(entry.step);
  const shown = entries.filter((entry) => !isLook(entry));
  const rows = shown.map(({ entry, leafHash }) => [
    leafHash.slice(0, 12),
    entry.virtual.slice(0, 19),
    entry.kind,
    describe(entry, names),
  ]);
  for (const [hash = '', virtual = '', kind = '', what = ''] of columns(rows)) {
    say(`${pc.dim(hash)}  ${pc.dim(virtual)}  ${kind}  ${clean(what)}`);
  }
  const left = entries.length - shown.length;
  if (left > 0) say(pc.dim(`… and ${left} entries of further looks at the error rate`));
}

function describe(entry: StoredEntry['entry'], names: Names): string {
  const who = 'person' in entry && entry.person !== null ? (names.get(entry.person) ?? entry.person) : '';
  const subject = ['step', 'gate', 'wait', 'target'].flatMap((field) => {
    const value = (entry as Readonly<Record<string, unknown>>)[field];
    return typeof value === 'string' ? [value] : [];
  });
  const result = 'outcome' in entry ? [entry.outcome] : [];
  return [...subject, ...result, who].filter((part) => part !== '').join('  ');
}
