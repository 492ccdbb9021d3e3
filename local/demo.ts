import { randomBytes } from 'node:crypto';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { Client, Connection } from '@temporalio/client';
import pc from 'picocolors';
import type { StoredEntry } from '../activities/ledger/contract.js';
import { checkRun } from '../activities/ledger/verify-runs.js';
import { readEnvironment } from '../config/environment.js';
import { migrate } from '../database/migrate.js';
import { CAST } from '../simulators/cast.js';
import { simulators as allSimulators } from '../simulators/index.js';
import { startSimulators } from '../simulators/server.js';
import { printStory } from '../triggers/cli/story.js';
import { columns, clean } from '../triggers/cli/terminal.js';
import { bundleWorkflows } from '../worker/bundle.js';
import { dataConverter } from '../worker/connection.js';
import { openInstallation } from '../worker/installation.js';
import { RehearsalHost } from '../worker/rehearsal/index.js';
import { stopSignal } from './signals.js';
import { dataFolder, startStack, type Stack } from './stack.js';

const RUNBOOK = 'secret-rotation';
const REHEARSAL = 'OpenAI key, scheduled';

/** Something that must be true of the demo is not. */
class DemoFailed extends Error {
  override readonly name = 'DemoFailed';
}

const say = (line = '') => process.stdout.write(`${line}\n`);

/** `npm run demo`: rotates the OpenAI key as a rehearsal, through the real engine, and prints its story. */
async function main(): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined), shutdownSignals: [] });
  let hurry = () => undefined as void;
  const signalled = stopSignal(() => hurry());
  const stack = await startStack({ dataDir: dataFolder('demo'), rehearsal: true, log: (line) => say(pc.dim(line)) });
  hurry = () => stack.hurry();
  try {
    const outcome = await Promise.race([rehearse(stack), signalled]);
    if (outcome !== undefined) throw new DemoFailed(`The demo was stopped (${outcome}). Nothing real was touched.`);
  } finally {
    await stack.stop();
  }
}

async function rehearse(stack: Stack): Promise<void> {
  const password = () => randomBytes(24).toString('base64url');
  const database = await migrate(stack.adminUrl, { appPassword: password(), auditPassword: password() });
  const environment = readEnvironment({
    DATABASE_URL: database.appUrl,
    AUDIT_DATABASE_URL: database.auditUrl,
    TEMPORAL_ADDRESS: stack.temporalAddress,
    RUNBOOK_LOCAL: '1',
  });
  const installation = await openInstallation(environment, 'demo');
  const simulators = await startSimulators(allSimulators);
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const native = await NativeConnection.connect({ address: stack.temporalAddress });
  const client = new Client({ connection, namespace: stack.rehearsalNamespace, dataConverter: dataConverter() });
  const { pool, ledger, configuration, catalogue } = installation;
  const services = { client, connection: native, pool, ledger, org: environment.org, configuration, catalogue, simulators };
  const host = await RehearsalHost.open({ ...services, bundle: await bundleWorkflows() });
  try {
    const entry = catalogue.get(RUNBOOK);
    const rehearsal = entry?.spec.rehearsals.find(({ name }) => name === REHEARSAL);
    if (entry === undefined || rehearsal === undefined) throw new DemoFailed(`There is no rehearsal "${REHEARSAL}".`);
    say(`\n${pc.bold(`${entry.spec.title}: ${rehearsal.name}`)}  ${pc.inverse(' REHEARSAL ')}`);
    say(pc.dim('Real engine, simulated systems; the server skips the waiting. Times are the run’s own.\n'));
    const names = new Map<string, string>(CAST.map(({ id, name }) => [id, name]));
    const stories: Promise<void>[] = [];
    const result = await host.rehearse(entry, rehearsal, {
      onStart: (run) => {
        stories.push(
          printStory({ client, ledger, org: environment.org, run, names: (person) => names.get(person) ?? person, say }),
        );
      },
    });
    await Promise.all(stories);
    summarise(result.entries, result.wallMs, names);
    printLedger(result.entries, names);
    const findings = checkRun(result.entries);
    if (findings.length > 0) {
      throw new DemoFailed(`The record of the run is not whole: ${findings.map(({ code }) => code).join(', ')}.`);
    }
    say(pc.dim('\nYour turn: `npm start`, then `npx runbook` in another terminal.'));
  } finally {
    await host.close();
    await native.close();
    await connection.close();
    await simulators.close();
    await installation.close();
  }
}

/** What the story comes down to, read from the record. */
function summarise(entries: readonly StoredEntry[], wallMs: number, names: ReadonlyMap<string, string>): void {
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
  if (hours < 24) throw new DemoFailed(`The old key was revoked ${hours.toFixed(1)} hours after the approval, not 24.`);
  const people = approved.kind === 'gate.closed' ? approved.people.map((id) => names.get(id) ?? id) : [];
  say(
    `\n${pc.green('✓')} ${pc.bold('old key revoked')} ${hours.toFixed(1)} hours after ${people.join(' and ')} approved it` +
      `, in ${(wallMs / 1000).toFixed(1)} seconds of ours`,
  );
}

/** The run's entries as they are in the ledger; the monitor's looks in between are counted. */
function printLedger(entries: readonly StoredEntry[], names: ReadonlyMap<string, string>): void {
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
  say(pc.dim(`… and ${entries.length - shown.length} entries of further looks at the error rate`));
}

function describe(entry: StoredEntry['entry'], names: ReadonlyMap<string, string>): string {
  const who = 'person' in entry && entry.person !== null ? (names.get(entry.person) ?? entry.person) : '';
  const subject = ['step', 'gate', 'wait', 'target'].flatMap((field) => {
    const value = (entry as Readonly<Record<string, unknown>>)[field];
    return typeof value === 'string' ? [value] : [];
  });
  const result = 'outcome' in entry ? [entry.outcome] : [];
  return [...subject, ...result, who].filter((part) => part !== '').join('  ');
}

main().catch((error: unknown) => {
  process.stderr.write(pc.red(`${error instanceof Error ? error.message : String(error)}\n`));
  process.exitCode = 1;
});
