import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { s3 } from '../../activities/s3/http.js';
import { s3Steps } from '../../activities/s3/steps.js';
import { freePorts } from '../../local/ports.js';
import { failureOf, runVerb } from '../helpers/vendor.js';

const MIB = 1024 * 1024;
const credentials = { accessKeyId: 'runbook-test', secretAccessKey: 'runbook-test-secret' };

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const candidates = [
  process.env['MINIO_BIN'] ?? '',
  ...(process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'minio')),
];
const minio = candidates.find((path) => path !== '' && isProgram(path));
if (minio === undefined) {
  process.stderr.write(
    'SKIPPED: s3 is not tried against MinIO. Put `minio` on the PATH, or set MINIO_BIN, to try it.\n',
  );
}

describe.skipIf(minio === undefined)(
  's3 against a real MinIO (skipped without `minio` on the PATH or MINIO_BIN)',
  () => {
    let folder = '';
    let server: ChildProcess | undefined;
    let endpoint = new URL('http://127.0.0.1');
    const store = (secretAccessKey = credentials.secretAccessKey) =>
      s3({ endpoint, region: 'us-east-1', credentials: { ...credentials, secretAccessKey }, attempts: 1 });

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'runbook-minio-'));
      const [port] = await freePorts(1);
      endpoint = new URL(`http://127.0.0.1:${port}`);
      server = spawn(minio ?? '', ['server', '--quiet', '--address', endpoint.host, join(folder, 'data')], {
        env: {
          HOME: folder,
          MINIO_ROOT_USER: credentials.accessKeyId,
          MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
        },
        stdio: 'ignore',
      });
      const client = new S3Client({
        endpoint: endpoint.href,
        region: 'us-east-1',
        credentials,
        forcePathStyle: true,
      });
      const create = (Bucket: string) => client.send(new CreateBucketCommand({ Bucket }));
      await vi.waitFor(() => create('uploads'), { timeout: 60_000, interval: 100 });
      await create('uploads-dr');
    }, 90_000);

    afterAll(async () => {
      if (server !== undefined && server.exitCode === null) {
        server.kill('SIGKILL');
        await once(server, 'close');
      }
      rmSync(folder, { recursive: true, force: true });
    });

    test('files come back as they were, copies are equal to their sources, and scratch prefixes are emptied', async () => {
      const steps = s3Steps({ s3: store() });
      const from = { bucket: 'uploads', prefix: 'site/' };
      const to = { bucket: 'uploads-dr', prefix: 'copy/' };
      for (const [key, size] of [
        ['a ü+&/b', 3],
        ['empty', 0],
        ['large', 20 * MIB + 7],
      ] as const) {
        const path = join(folder, 'file');
        const back = join(folder, 'back');
        writeFileSync(path, randomBytes(size));
        const object = { bucket: 'uploads', key: `site/${key}` };
        await store().putFile(object, path, { sha256: 'kept' });
        expect(await store().getFile(object, back)).toBe(true);
        expect(readFileSync(back).equals(readFileSync(path)), key).toBe(true);
        expect((await store().head(object))?.metadata, key).toEqual({ sha256: 'kept' });
      }
      expect(await runVerb(steps.copyAll, { from, to })).toMatchObject({ copied: 3, skipped: 0 });
      expect(await runVerb(steps.copyAll, { from, to })).toMatchObject({ copied: 0, skipped: 3 });
      const inventory = await runVerb(steps.inventory, from);
      expect(inventory).toMatchObject({ objects: 3, bytes: 20 * MIB + 10 });
      expect(await runVerb(steps.inventory, to)).toEqual(inventory);
      expect((await store().head({ bucket: 'uploads-dr', key: 'copy/large' }))?.metadata).toEqual({
        sha256: 'kept',
      });
      expect(await runVerb(steps.removeAll, to)).toEqual({ removed: 3 });
      expect(await runVerb(steps.inventory, to)).toMatchObject({ objects: 0 });
      expect(await runVerb(steps.inventory, from)).toEqual(inventory);
    });

    test('what is not there, and who may not', async () => {
      expect(await store().head({ bucket: 'uploads', key: 'none' })).toBeUndefined();
      expect(await store().getText({ bucket: 'uploads', key: 'none' })).toBeUndefined();
      const missing = await failureOf(store().putText({ bucket: 'no-such-bucket', key: 'a' }, '{}'));
      expect(missing).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
      const refused = await failureOf(store('wrong-secret-key').getText({ bucket: 'uploads', key: 'a' }));
      expect(refused).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    });
  },
);
