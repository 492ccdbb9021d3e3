import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { S3 } from '../../activities/s3/contract.js';
import { s3 } from '../../activities/s3/http.js';
import { s3Steps } from '../../activities/s3/steps.js';
import { openS3Uploads, s3Objects, S3_SIMULATED_KEY, s3Simulator, seedS3 } from '../../simulators/s3.js';
import {
  assertRetries,
  failureOf,
  runVerb,
  runWithRetries,
  stepContext,
  useSimulators,
} from '../helpers/vendor.js';

const vendor = useSimulators(s3Simulator);
const MIB = 1024 * 1024;
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'runbook-s3-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function store(options: { attempts?: number; timeoutMs?: number; accessKeyId?: string } = {}) {
  const { attempts = 1, timeoutMs = 5_000, accessKeyId = S3_SIMULATED_KEY.accessKeyId } = options;
  return s3({
    endpoint: vendor.url('s3'),
    region: 'us-east-1',
    credentials: { ...S3_SIMULATED_KEY, accessKeyId },
    attempts,
    timeoutMs,
  });
}
const steps = () => s3Steps({ s3: store() });
const effects = (what: string) => vendor.world.effects.filter((effect) => effect.what === what);
const source = { bucket: 'uploads', prefix: 'site/' };
const target = { bucket: 'uploads-dr', prefix: 'copy/' };

async function keysOf(client: S3, bucket: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of client.list({ bucket, prefix: '' })) keys.push(key);
  return keys;
}

function file(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('s3', () => {
  test('which answers are retried, and none of the errors holds the secret key', async () => {
    seedS3(vendor.world, 'uploads', { a: '1' });
    const client = store();
    const ask = (operation: string, call: () => Promise<unknown>, handles: number[] = []) =>
      assertRetries({
        world: vendor.world,
        operation: `s3.${operation}`,
        call,
        secrets: [S3_SIMULATED_KEY.secretAccessKey],
        handles,
      });
    const object = { bucket: 'uploads', key: 'a' };
    await ask('listObjects', () => keysOf(client, 'uploads'));
    await ask('headObject', () => client.head(object), [404]);
    await ask('getObject', () => client.getText(object), [404]);
    await ask('putObject', () => client.putText(object, '{}'));
    await ask('deleteObjects', () => client.remove('uploads', ['b']));
    await ask('copyObject', () => client.copy(object, { bucket: 'uploads', key: 'c' }));
  });

  test('one lost request does not end a transfer', async () => {
    vendor.world.fail({ operation: 's3.uploadPart', point: 'before', status: 503 });
    const path = file('lost-part', randomBytes(9 * MIB));
    await store({ attempts: 3 }).putFile({ bucket: 'backups', key: 'a' }, path, {});
    expect(vendor.world.injected('s3.uploadPart')).toBe(1);
    expect(s3Objects(vendor.world, 'backups')['a']?.equals(readFileSync(path))).toBe(true);
  });

  test('a wrong access key is refused for good', async () => {
    const failure = await failureOf(store({ accessKeyId: 'OTHER' }).head({ bucket: 'uploads', key: 'a' }));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('AWS_ACCESS_KEY_ID');
  });

  test('a bucket that does not exist is refused for good, by its name', async () => {
    const failure = await failureOf(keysOf(store(), 'no-such-bucket'));
    expect(failure).toMatchObject({ type: 'VendorRefused', nonRetryable: true });
    expect(failure.message).toContain('NoSuchBucket');
  });

  test('a slow store is given up and tried again', async () => {
    vendor.world.latencyMs = 500;
    const failure = await failureOf(store({ timeoutMs: 50 }).getText({ bucket: 'uploads', key: 'a' }));
    expect(failure).toMatchObject({ type: 'VendorUnavailable', nonRetryable: false });
  });

  test.each([0, 1, 3 * MIB, 20 * MIB + 1])('a file of %i bytes comes back as it was', async (size) => {
    const path = file(`size-${size}`, randomBytes(size));
    const back = join(folder, `back-${size}`);
    const object = { bucket: 'backups', key: `database/app/${size}.dump` };
    const { heartbeats, ...step } = stepContext();
    await store().putFile(object, path, { sha256: 'abc' }, step);
    expect(await store().getFile(object, back, step)).toBe(true);
    expect(readFileSync(back).equals(readFileSync(path))).toBe(true);
    expect((await store().head(object))?.metadata).toEqual({ sha256: 'abc' });
    expect((await store().head(object))?.bytes).toBe(size);
    if (size > 0) expect(heartbeats.length).toBeGreaterThan(0);
  });

  test('a cancelled upload leaves nothing behind', async () => {
    const path = file('cancelled', randomBytes(20 * MIB));
    const step = stepContext();
    const held = vendor.world.barrier('s3.uploadPart', 'before');
    const uploading = store().putFile({ bucket: 'backups', key: 'a' }, path, {}, step);
    const outcome = uploading.catch((error: unknown) => error);
    await held.reached;
    step.abort();
    held.release();
    expect(await outcome).toBe(step.signal.reason);
    await expect.poll(() => openS3Uploads(vendor.world)).toBe(0);
    expect(s3Objects(vendor.world, 'backups')).toEqual({});
  });

  test('what is not there is said, and not thrown', async () => {
    const object = { bucket: 'uploads', key: 'none' };
    expect(await store().head(object)).toBeUndefined();
    expect(await store().getText(object)).toBeUndefined();
    expect(await store().getFile(object, join(folder, 'none'))).toBe(false);
  });
});

describe('s3.inventory', () => {
  test('equal content gives equal digests below any prefix, and one changed byte another', async () => {
    seedS3(vendor.world, 'uploads', { 'site/a': 'one', 'site/b/ü & "c"': 'two', 'other/d': 'three' });
    seedS3(vendor.world, 'uploads-dr', { 'copy/b/ü & "c"': 'two', 'copy/a': 'one' });
    const one = await runVerb(steps().inventory, source);
    expect(one).toMatchObject({ objects: 2, bytes: 6 });
    expect(await runVerb(steps().inventory, target)).toEqual(one);
    seedS3(vendor.world, 'uploads-dr', { 'copy/a': 'onE' });
    expect((await runVerb(steps().inventory, target)).digest).not.toBe(one.digest);
  });

  test('every page of a long list counts', async () => {
    const objects = Array.from({ length: 2_345 }, (_, index) => [`site/${index}`, 'x']);
    seedS3(vendor.world, 'uploads', Object.fromEntries(objects) as Record<string, string>);
    expect(await runVerb(steps().inventory, source)).toMatchObject({ objects: 2_345, bytes: 2_345 });
    expect(vendor.world.requests.filter(({ operation }) => operation === 's3.listObjects')).toHaveLength(3);
  });

  test.each(['site', '/site/'])(
    'the prefix %s is refused: it would not say where a folder ends',
    async (prefix) => {
      expect((await failureOf(runVerb(steps().inventory, { bucket: 'uploads', prefix }))).type).toBe(
        'InvalidInput',
      );
    },
  );
});

describe('s3.copyAll', () => {
  test('copies what is missing or different, skips what is equal, deletes nothing', async () => {
    seedS3(vendor.world, 'uploads', { 'site/a': 'one', 'site/b': 'two', 'site/ü +&"?#%/c': 'three' });
    seedS3(vendor.world, 'uploads-dr', { 'copy/a': 'one', 'copy/b': 'old', 'copy/z': 'stays' });
    const result = await runVerb(steps().copyAll, { from: source, to: target });
    expect(result).toEqual({ copied: 2, skipped: 1, bytes: 8 });
    const copies = s3Objects(vendor.world, 'uploads-dr');
    expect(Object.fromEntries(Object.entries(copies).map(([key, bytes]) => [key, bytes.toString()]))).toEqual(
      {
        'copy/a': 'one',
        'copy/b': 'two',
        'copy/ü +&"?#%/c': 'three',
        'copy/z': 'stays',
      },
    );
    expect(await runVerb(steps().copyAll, { from: source, to: target })).toEqual({
      copied: 0,
      skipped: 3,
      bytes: 0,
    });
  });

  test('an object that was uploaded in parts is equal to its copy', async () => {
    const path = file('parts', randomBytes(20 * MIB + 5));
    await store().putFile({ bucket: 'uploads', key: 'site/large' }, path, { sha256: 'kept' });
    expect(await runVerb(steps().copyAll, { from: source, to: target })).toMatchObject({ copied: 1 });
    expect(await runVerb(steps().inventory, target)).toEqual(await runVerb(steps().inventory, source));
    expect((await store().head({ bucket: 'uploads-dr', key: 'copy/large' }))?.metadata).toEqual({
      sha256: 'kept',
    });
    expect(vendor.world.requests.some(({ operation }) => operation === 's3.copyPart')).toBe(true);
    expect(await runVerb(steps().copyAll, { from: source, to: target })).toMatchObject({
      copied: 0,
      skipped: 1,
    });
  });

  test('an attempt whose last answer was lost copies nothing twice', async () => {
    seedS3(vendor.world, 'uploads', { 'site/a': 'one' });
    vendor.world.fail({ operation: 's3.copyObject', point: 'after' });
    const result = await runWithRetries(steps().copyAll, { from: source, to: target });
    expect(vendor.world.injected('s3.copyObject')).toBe(1);
    expect(result).toEqual({ copied: 0, skipped: 1, bytes: 0 });
    expect(effects('object stored')).toHaveLength(1);
  });

  test('source and target that overlap are refused before anything is copied', async () => {
    const to = { bucket: 'uploads', prefix: 'site/copy/' };
    const failure = await failureOf(runVerb(steps().copyAll, { from: source, to }));
    expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
    expect(vendor.world.requests).toEqual([]);
  });
});

describe('s3.removeAll', () => {
  test('removes everything below the prefix and nothing else', async () => {
    const scratch = Array.from({ length: 1_200 }, (_, index) => [`scratch/${index}`, 'x']);
    seedS3(vendor.world, 'uploads', { ...Object.fromEntries(scratch), 'site/a': 'stays' } as Record<
      string,
      string
    >);
    expect(await runVerb(steps().removeAll, { bucket: 'uploads', prefix: 'scratch/' })).toEqual({
      removed: 1_200,
    });
    expect(Object.keys(s3Objects(vendor.world, 'uploads'))).toEqual(['site/a']);
    expect(await runVerb(steps().removeAll, { bucket: 'uploads', prefix: 'scratch/' })).toEqual({
      removed: 0,
    });
  });

  test('a whole bucket is never emptied', async () => {
    const failure = await failureOf(runVerb(steps().removeAll, { bucket: 'uploads', prefix: '' }));
    expect(failure).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
    expect(failure.message).toContain('the whole bucket');
    expect(vendor.world.requests).toEqual([]);
  });
});

test('the simulated store checks what it is sent', async () => {
  const digest = createHash('sha256').update('other').digest('hex');
  const response = await fetch(new URL(`${vendor.url('s3').href}/backups/a`), {
    method: 'PUT',
    body: 'content',
    headers: {
      'x-amz-content-sha256': digest,
      authorization: `AWS4-HMAC-SHA256 Credential=${S3_SIMULATED_KEY.accessKeyId}/20260101/us-east-1/s3/aws4_request`,
    },
  });
  expect(response.status).toBe(400);
  expect(s3Objects(vendor.world, 'backups')).toEqual({});
});
