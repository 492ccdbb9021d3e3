import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { ApplicationFailure } from '@temporalio/common';
import type { ObjectHead, ObjectName, S3, Transfer } from './contract.js';
import { copyObject } from './copy.js';
import { isNotFound, s3Failure } from './failures.js';

const MIB = 1024 * 1024;
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: parts of one upload. */
const MOST_PARTS = 10_000;
const PART_BYTES = 8 * MIB;
const CONNECT_MS = 10_000;
/** Silence on a connection. A store that copies a large object may need long for its first byte. */
const SILENCE_MS = 120_000;
/** Requests of one transfer: a large one would never end if each lost request began it anew. */
const ATTEMPTS = 4;

export interface S3Config {
  /** Default: that of Amazon for the region. */
  readonly endpoint?: URL | undefined;
  readonly region: string;
  /** Default: the role of the machine. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`. Default: when an endpoint is given. */
  readonly forcePathStyle?: boolean;
  /** Tries of one request before the step's attempt fails. Default: 4. */
  readonly attempts?: number;
  /** Longest silence on a connection, in milliseconds. Default: 2 minutes. */
  readonly timeoutMs?: number;
}

/** The real client of an object store that speaks S3. */
export function s3(config: S3Config): S3 {
  const { endpoint, region, credentials, attempts = ATTEMPTS, timeoutMs = SILENCE_MS } = config;
  const client = new S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint: endpoint.href.replace(/\/$/, '') }),
    ...(credentials === undefined ? {} : { credentials: { ...credentials } }),
    forcePathStyle: config.forcePathStyle ?? endpoint !== undefined,
    followRegionRedirects: true,
    maxAttempts: attempts,
    // Other stores than Amazon's refuse the checksum trailers that the SDK adds by default.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: timeoutMs,
    },
  });

  const sent = async <T>(what: string, transfer: Transfer, send: () => Promise<T>): Promise<T> => {
    transfer.signal?.throwIfAborted();
    try {
      return await send();
    } catch (error) {
      throw s3Failure(what, error, transfer.signal);
    }
  };
  const options = ({ signal }: Transfer) => (signal === undefined ? {} : { abortSignal: signal });

  const body = async (
    what: string,
    { bucket, key }: ObjectName,
    transfer: Transfer,
  ): Promise<Readable | undefined> =>
    await sent(what, transfer, async () => {
      try {
        const { Body } = await client.send(
          new GetObjectCommand({ Bucket: bucket, Key: key }),
          options(transfer),
        );
        return Body as Readable;
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });

  return {
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    async *list({ bucket, prefix }, transfer = {}) {
      const pages = paginateListObjectsV2(
        { client },
        { Bucket: bucket, ...(prefix === '' ? {} : { Prefix: prefix }) },
        options(transfer),
      );
      for (;;) {
        const page = await sent(`list ${bucket}/${prefix}`, transfer, () => pages.next());
        if (page.done === true) return;
        for (const { Key: key, Size: bytes, ETag: etag } of page.value.Contents ?? []) {
          if (key === undefined || bytes === undefined || etag === undefined)
            throw unexpected(`list ${bucket}/${prefix}`);
          yield { key, bytes, etag: bare(etag) };
        }
      }
    },

    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    head: ({ bucket, key }, transfer = {}) =>
      sent(`look at ${bucket}/${key}`, transfer, async (): Promise<ObjectHead | undefined> => {
        try {
          const head = await client.send(
            new HeadObjectCommand({ Bucket: bucket, Key: key }),
            options(transfer),
          );
          if (head.ETag === undefined) throw unexpected(`look at ${bucket}/${key}`);
          return {
            key,
            bytes: head.ContentLength ?? 0,
            etag: bare(head.ETag),
            metadata: head.Metadata ?? {},
          };
        } catch (error) {
          if (isNotFound(error)) return undefined;
          throw error;
        }
      }),

    copy: (from, to, transfer = {}) =>
      sent(`copy ${from.bucket}/${from.key} to ${to.bucket}/${to.key}`, transfer, () =>
        copyObject(client, from, to, transfer),
      ),

    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    remove: (bucket, keys, transfer = {}) =>
      sent(`delete ${keys.length} objects of ${bucket}`, transfer, async () => {
        if (keys.length === 0) return;
        const { Errors: errors = [] } = await client.send(
          new DeleteObjectsCommand({
            Bucket: bucket,
            Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true },
          }),
          options(transfer),
        );
        if (errors.length > 0) throw refusedToDelete(bucket, errors.length, errors[0]?.Code);
      }),

    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
    putFile: ({ bucket, key }, path, metadata, transfer = {}) =>
      sent(`upload ${bucket}/${key}`, transfer, async () => {
        const { size } = await stat(path);
        const upload = new Upload({
          client,
          params: { Bucket: bucket, Key: key, Body: createReadStream(path), Metadata: { ...metadata } },
          partSize: Math.max(PART_BYTES, Math.ceil(size / MOST_PARTS)),
        });
        upload.on('httpUploadProgress', ({ loaded }) => transfer.heartbeat?.({ uploaded: loaded }));
        const abort = (): void => void upload.abort().catch(() => undefined);
        transfer.signal?.addEventListener('abort', abort);
        try {
          await upload.done();
        } finally {
          transfer.signal?.removeEventListener('abort', abort);
        }
      }),

    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    async getFile(object, path, transfer = {}) {
      const what = `download ${object.bucket}/${object.key}`;
      const stream = await body(what, object, transfer);
      if (stream === undefined) return false;
      let downloaded = 0;
      const counted = async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          downloaded += chunk.length;
          transfer.heartbeat?.({ downloaded });
          yield chunk;
        }
      };
      await sent(what, transfer, () =>
        pipeline(stream, counted, createWriteStream(path, { mode: 0o600 }), { signal: transfer.signal }),
      );
      return true;
    },

    putText: ({ bucket, key }, text, transfer = {}) =>
      sent(`upload ${bucket}/${key}`, transfer, async () => {
        await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: Buffer.from(text),
            ContentType: 'application/json',
          }),
          options(transfer),
        );
      }),

    async getText(object, transfer = {}) {
      const what = `download ${object.bucket}/${object.key}`;
      const stream = await body(what, object, transfer);
      if (stream === undefined) return undefined;
      return await sent(what, transfer, async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk as Buffer);
        return Buffer.concat(chunks).toString('utf8');
      });
    },
  };
}

const bare = (etag: string): string => etag.replace(/^"|"$/g, '');

function unexpected(what: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `${what}: the answer does not have the published shape (no key, size or ETag). Look at the store's side before you retry.`,
    'UnexpectedAnswer',
  );
}

function refusedToDelete(bucket: string, count: number, code: string | undefined): ApplicationFailure {
  const message = `delete objects of ${bucket}: ${count} were not deleted (${code ?? 'no reason given'}).`;
  return code === 'InternalError' || code === 'SlowDown'
    ? ApplicationFailure.retryable(`${message} It is tried again.`, 'VendorUnavailable')
    : ApplicationFailure.nonRetryable(
        `${message} Allow the access key to delete there, then retry.`,
        'VendorRefused',
      );
}
