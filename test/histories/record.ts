/**
 * Records rehearsals with the workflow code of this moment: `npx tsx test/histories/record.ts [part of a rehearsal's
 * name]`. Each history is kept with the bundle that it ran on, and replays on it for ever.
 */
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { postgresLedger } from '../../activities/ledger/postgres.js';
import { openConfiguration } from '../../config/index.js';
import { migrate } from '../../database/migrate.js';
import { createPool } from '../../database/pool.js';
import { startStack } from '../../local/stack.js';
import { simulators as allSimulators } from '../../simulators/index.js';
import { startSimulators } from '../../simulators/server.js';
import { bundleWorkflows } from '../../worker/bundle.js';
import { dataConverter } from '../../worker/connection.js';
import { catalogue } from '../../worker/installation.js';
import { RehearsalHost } from '../../worker/rehearsal/index.js';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../config/', import.meta.url));
/** Webpack's source maps are most of a bundle. A replay does not need them, but the worker insists on one. */
const EMPTY_MAP = Buffer.from(JSON.stringify({ version: 3, file: 'workflow-bundle.js', sources: [], names: [], mappings: '' })).toString('base64');
const withoutSourceMap = (code: string): string =>
  code.replace(/(\/\/# sourceMappingURL=data:[^,]*,).*$/m, (_whole, head: string) => `${head}${EMPTY_MAP}`);

const wanted = process.argv[2] ?? 'OpenAI key, scheduled';
const { version } = createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string };
Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
const dataDir = mkdtempSync(join(tmpdir(), 'runbook-histories-'));
const stack = await startStack({ dataDir, rehearsal: true, durable: false, log: (line) => console.error(line) });
try {
  const { appUrl } = await migrate(stack.adminUrl, { appPassword: 'recording-app-0000000000', auditPassword: 'recording-audit-00000000' });
  const pool = createPool(appUrl, 'record');
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const native = await NativeConnection.connect({ address: stack.temporalAddress });
  const client = new Client({ connection, namespace: stack.rehearsalNamespace, dataConverter: dataConverter() });
  const simulators = await startSimulators(allSimulators);
  const bundle = await bundleWorkflows();
  const configuration = openConfiguration(CONFIG);
  const host = await RehearsalHost.open({
    ...{ client, connection: native, pool, ledger: postgresLedger(pool), org: 'default' },
    ...{ configuration, catalogue, bundle, simulators },
  });
  for (const entry of catalogue.values()) {
    for (const rehearsal of entry.spec.rehearsals) {
      if (!rehearsal.name.includes(wanted)) continue;
      const { run } = await host.rehearse(entry, rehearsal);
      const history = JSON.parse(historyToJSON(await client.workflow.getHandle(run).fetchHistory())) as unknown;
      const name = `${entry.command}.${rehearsal.name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.${bundle.buildId}`;
      writeFileSync(`${FOLDER}${name}.history.json`, `${JSON.stringify({ workflowId: run, sdk: version, history })}\n`);
      writeFileSync(`${FOLDER}${name}.bundle.js.gz`, gzipSync(withoutSourceMap(bundle.code), { level: 9 }));
      console.log(name);
    }
  }
  await host.close();
  await simulators.close();
  await native.close();
  await connection.close();
  await pool.end();
} finally {
  await stack.destroy();
  rmSync(dataDir, { recursive: true, force: true });
}
