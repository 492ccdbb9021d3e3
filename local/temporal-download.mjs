// Downloads the Temporal CLI with the SDK's own downloader: node temporal-download.mjs FOLDER VERSION
// The SDK can only download and start in one; the server that it starts is stopped at once.
import process from 'node:process';

const [, , downloadDir, version] = process.argv;
try {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir, version, ttl: '3650 days' } },
  });
  await environment.teardown();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${String(error?.message ?? error).replaceAll('\n', ' ')}\n`);
  process.exit(1);
}
