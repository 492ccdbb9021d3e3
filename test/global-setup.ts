import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { processId, stopOrphan } from '../local/processes.js';
import { removeDataFolder } from '../local/postgres.js';
import { dataFolder, startStack } from '../local/stack.js';

declare module 'vitest' {
  interface ProvidedContext {
    stack: {
      adminUrl: string;
      temporalAddress: string;
      liveNamespace: string;
      rehearsalNamespace: string;
      canSkipTime: boolean;
      /** Of this test run's databases: another one may use the same server. */
      databasePrefix: string;
      /** Database users of the tests, and their password. */
      appUser: string;
      auditUser: string;
      userPassword: string;
    };
  }
}

/** Servers and folders of a test run that was killed. */
async function sweep(): Promise<void> {
  const parent = dirname(dataFolder('any'));
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    const pid = Number(/^test-(\d+)(?:-|$)/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || processId(pid) !== undefined) continue;
    await stopOrphan(`${dataFolder(name)}/postgres.pid.json`, 'SIGINT');
    await stopOrphan(`${dataFolder(name)}/temporal.pid.json`);
    removeDataFolder(dataFolder(name));
  }
}

async function dropDatabases(adminUrl: string, prefix: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>(
      'select datname from pg_database where starts_with(datname, $1)',
      [prefix],
    );
    for (const { datname } of rows) {
      await client.query(`alter database ${client.escapeIdentifier(datname)} is_template false`);
      await client.query(`drop database ${client.escapeIdentifier(datname)} with (force)`);
    }
  } finally {
    await client.end();
  }
}

/** One Postgres and one Temporal server for the whole test run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep();
  const testRun = String(process.pid);
  const lines: string[] = [];
  const stack = await startStack({
    dataDir: dataFolder(`test-${testRun}`),
    rehearsal: true,
    durable: false,
    log: (line) => {
      lines.push(line);
      if (/building|waiting|WARNING/.test(line)) process.stderr.write(`${line}\n`);
    },
  }).catch((error: unknown) => {
    process.stderr.write(`${lines.join('\n')}\n`);
    throw error;
  });
  const { adminUrl, temporalAddress, liveNamespace, rehearsalNamespace, canSkipTime } = stack;
  const databasePrefix = `runbook_test_${testRun}_`;
  // On somebody's own server the passwords of the real users stay as they are.
  const own = stack.postgres.pid !== undefined;
  project.provide('stack', {
    ...{ adminUrl, temporalAddress, liveNamespace, rehearsalNamespace, canSkipTime, databasePrefix },
    appUser: own ? 'runbook_app' : 'runbook_test_app',
    auditUser: own ? 'runbook_audit' : 'runbook_test_audit',
    userPassword: randomBytes(18).toString('base64url'),
  });

  // vitest ends at once on a signal, without this function's return value being called.
  const stop = (signal: NodeJS.Signals): void => {
    const end = (): never => process.exit(signal === 'SIGINT' ? 130 : 143);
    stack.destroy().then(end, end);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return async () => {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    if (!own) await dropDatabases(adminUrl, databasePrefix);
    await stack.destroy();
  };
}
