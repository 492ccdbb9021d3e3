import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  UploadPartCopyCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ApplicationFailure } from '@temporalio/common';
import type { ObjectName, Transfer } from './contract.js';

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: larger objects are copied in parts. */
const MOST_AT_ONCE = 5 * 1024 ** 3;

/**
 * Copies one object inside the store. The ETag of an object that was uploaded in parts depends on where the parts
 * begin, so that the copy is made of the same parts; otherwise nobody could compare it with its source.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
 * Tags and access lists are not copied with an object in parts.
 * @throws ApplicationFailure `NotComparable` (not retryable); the errors of the SDK
 */
export async function copyObject(
  client: S3Client,
  from: ObjectName,
  to: ObjectName,
  transfer: Transfer,
): Promise<void> {
  const options = transfer.signal === undefined ? {} : { abortSignal: transfer.signal };
  const head = await client.send(new HeadObjectCommand({ Bucket: from.bucket, Key: from.key }), options);
  const target = { Bucket: to.bucket, Key: to.key };
  const source = {
    CopySource: `${from.bucket}/${from.key.split('/').map(encodeURIComponent).join('/')}`,
    CopySourceIfMatch: head.ETag,
  };
  const ranges = await partsOf(client, from, head, options);

  if (ranges === undefined) {
    const { CopyObjectResult: result } = await client.send(
      new CopyObjectCommand({ ...target, ...source }),
      options,
    );
    transfer.heartbeat?.({ copied: to.key });
    return assertSame(from, head.ETag, result?.ETag);
  }

  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ ...target, ...properties(head) }),
    options,
  );
  const upload = { ...target, UploadId };
  try {
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (const [index, range] of ranges.entries()) {
      const part = { ...upload, ...source, PartNumber: index + 1 };
      const { CopyPartResult: copied } = await client.send(
        new UploadPartCopyCommand(ranges.length === 1 ? part : { ...part, CopySourceRange: range }),
        options,
      );
      parts.push({ PartNumber: index + 1, ETag: copied?.ETag });
      transfer.heartbeat?.({ copying: to.key, part: index + 1, of: ranges.length });
    }
    const { ETag } = await client.send(
      new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }),
      options,
    );
    assertSame(from, head.ETag, ETag);
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw error;
  }
}

type SendOptions = { readonly abortSignal?: AbortSignal };

/** Byte ranges of the parts that an object was uploaded in; undefined when it was uploaded as a whole. */
async function partsOf(
  client: S3Client,
  from: ObjectName,
  head: HeadObjectCommandOutput,
  options: SendOptions,
): Promise<readonly string[] | undefined> {
  const bytes = head.ContentLength ?? 0;
  const count = Number(/-(\d+)"?$/.exec(head.ETag ?? '')?.[1] ?? 0);
  if (count === 0) {
    if (bytes > MOST_AT_ONCE) throw notComparable(from, 'it is over 5 GiB and was not uploaded in parts');
    return undefined;
  }
  const sizeOf = async (part: number): Promise<number> => {
    const input = { Bucket: from.bucket, Key: from.key, PartNumber: part, IfMatch: head.ETag };
    const { ContentLength, PartsCount } = await client.send(new HeadObjectCommand(input), options);
    if (ContentLength === undefined || (PartsCount ?? (count === 1 ? 1 : 0)) !== count) {
      throw notComparable(from, 'the store does not tell where its parts begin');
    }
    return ContentLength;
  };
  const first = await sizeOf(1);
  const even = first > 0 && Math.ceil(bytes / first) === count;
  const ranges: string[] = [];
  for (let start = 0, part = 1; part <= count; part += 1) {
    const size = even ? Math.min(first, bytes - start) : await sizeOf(part);
    ranges.push(`bytes=${start}-${start + size - 1}`);
    start += size;
  }
  return ranges;
}

function properties(head: HeadObjectCommandOutput) {
  const { Metadata, ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage } = head;
  return { Metadata, ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage };
}

function assertSame(from: ObjectName, source: string | undefined, copy: string | undefined): void {
  if (source === undefined || source !== copy)
    throw notComparable(from, 'the store gave the copy another ETag');
}

function notComparable({ bucket, key }: ObjectName, why: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `The copy of ${bucket}/${key} could not be compared with it: ${why} (as with SSE-KMS, for instance). ` +
      "Copy with the store's own replication and compare its checksums, then do this step by hand.",
    'NotComparable',
  );
}
