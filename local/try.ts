import { startStack, dataFolder } from '/work/main/local/stack.js';
import { migrate } from '/work/main/database/migrate.js';
import { createPool } from '/work/main/database/pool.js';
import { NativeConnection, Runtime, DefaultLogger } from '@temporalio/worker';
import { Client, Connection } from '@temporalio/client';
import { postgresLedger } from '/work/main/activities/ledger/postgres.js';
import { openConfiguration } from '/work/main/config/index.js';
import { catalogueOf, findRunbook } from '/work/main/triggers/catalogue.js';
import * as workflows from '/work/main/workflows/index.js';
import { bundleWorkflows } from '/work/main/worker/bundle.js';
import { startSimulators } from '/work/main/simulators/server.js';
import { simulators } from '/work/main/simulators/index.js';
import { RehearsalHost } from '/work/main/worker/rehearsal/index.js';

Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
const t0 = Date.now();
const lap = (s: string) => console.log(((Date.now() - t0) / 1000).toFixed(1), s);
const stack = await startStack({ dataDir: dataFolder('try'), rehearsal: true, log: (l) => lap(l) });
try {
  lap('stack');
  const db = await migrate(stack.adminUrl, { appPassword: 'a'.repeat(24), auditPassword: 'b'.repeat(24) });
  const pool = createPool(db.appUrl, 'try');
  const ledger = postgresLedger(pool);
  lap('migrated');
  const bundle = await bundleWorkflows();
  lap('bundle ' + bundle.code.length);
  const connection = await NativeConnection.connect({ address: stack.temporalAddress });
  const cc = await Connection.connect({ address: stack.temporalAddress });
  const client = new Client({ connection: cc, namespace: 'rehearsal' });
  const sims = await startSimulators(simulators);
  const catalogue = catalogueOf(workflows as never);
  const host = await RehearsalHost.open({
    client,
    connection,
    pool,
    ledger,
    org: 'default',
    configuration: openConfiguration('/work/main/config'),
    catalogue,
    bundle,
    simulators: sims,
  });
  lap('host');
  const entry = findRunbook(catalogue, 'secretRotation')!;
  const want = process.argv[2];
  for (const r of entry.spec.rehearsals) {
    if (want !== undefined && !r.name.includes(want)) continue;
    try {
      const result = await host.rehearse(entry, r, { onStart: (run) => lap(r.name + ' ' + run) });
      lap(
        `ok ${r.name} ${result.outcome} wall ${result.wallMs} virtual ${result.virtualMs / 3600000} h entries ${result.entries.length}`,
      );
      if (want !== undefined)
        for (const e of result.entries)
          console.log(
            JSON.stringify({
              ...e.entry,
              v: undefined,
              org: undefined,
              run: undefined,
              runbook: undefined,
              mode: undefined,
              inputHash: undefined,
              outputHash: undefined,
              key: undefined,
              planDigest: undefined,
            }),
          );
    } catch (e) {
      lap('FAILED ' + r.name + ': ' + (e as Error).message);
      if (want !== undefined) console.log(e);
    }
  }
  await host.close();
  await sims.close();
  await connection.close();
  await cc.close();
  await pool.end();
} catch (e) {
  console.log(e);
} finally {
  await stack.stop();
  lap('stopped');
}
