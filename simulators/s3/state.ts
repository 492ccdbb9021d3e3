import { createHash } from 'node:crypto';
import type { World } from '../world.js';

export const SYSTEM = 's3';

export interface StoredPart {
  readonly base64: string;
  readonly bytes: number;
  /** MD5 in hex. */
  readonly md5: string;
}

export interface StoredObject {
  readonly parts: readonly StoredPart[];
  readonly bytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly storedAt: string;
}

export interface StoredUpload {
  readonly bucket: string;
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly parts: Record<string, StoredPart>;
}

export interface S3State {
  /** By bucket and key. Every bucket is there, but those whose name starts with `no-such-`. */
  readonly buckets: Record<string, Record<string, StoredObject>>;
  readonly uploads: Record<string, StoredUpload>;
  lastUpload: number;
}

export const initialState = (): S3State => ({ buckets: {}, uploads: {}, lastUpload: 0 });

export const stateOf = (world: World): S3State => world.state(SYSTEM, initialState);

/** The objects of a bucket; undefined when there is no such bucket. */
export function bucketOf(state: S3State, bucket: string): Record<string, StoredObject> | undefined {
  if (bucket.startsWith('no-such-')) return undefined;
  return (state.buckets[bucket] ??= {});
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

export function partOf(bytes: Buffer): StoredPart {
  return { base64: bytes.toString('base64'), bytes: bytes.length, md5: md5(bytes) };
}

export function contentOf({ parts }: Pick<StoredObject, 'parts'>): Buffer {
  return Buffer.concat(parts.map(({ base64 }) => Buffer.from(base64, 'base64')));
}

type Properties = Pick<StoredObject, 'metadata' | 'contentType'>;

/** An object that was uploaded as a whole: its ETag is the MD5 of its content. */
export function wholeObject(bytes: Buffer, properties: Properties): StoredObject {
  const part = partOf(bytes);
  return { ...common([part], properties), etag: part.md5 };
}

/**
 * An object that was uploaded in parts: its ETag is the MD5 of the parts' MD5s, and their number.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
 */
export function objectOfParts(parts: readonly StoredPart[], properties: Properties): StoredObject {
  const digests = Buffer.concat(parts.map((part) => Buffer.from(part.md5, 'hex')));
  return { ...common(parts, properties), etag: `${md5(digests)}-${parts.length}` };
}

function common(parts: readonly StoredPart[], { metadata, contentType }: Properties) {
  return {
    parts,
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    metadata,
    contentType,
    storedAt: new Date().toISOString(),
  };
}
