import { createHash } from 'node:crypto';
import type { Call, Operation, Reply, Simulator } from './simulator.js';
import {
  bucketOf,
  contentOf,
  initialState,
  objectOfParts,
  partOf,
  stateOf,
  SYSTEM,
  wholeObject,
  type S3State,
  type StoredObject,
  type StoredUpload,
} from './s3/state.js';
import { elements, escapeXml, refusal, xmlReply } from './s3/xml.js';
import type { World } from './world.js';

/** The access key that every world accepts. Signatures are not checked. */
export const S3_SIMULATED_KEY = { accessKeyId: 'SIMULATEDS3KEY', secretAccessKey: 'simulated-s3-secret-key' };

type S3Call = Call<S3State>;

/** Stores text objects, as if somebody had uploaded them. */
export function seedS3(world: World, bucket: string, objects: Readonly<Record<string, string>>): void {
  const stored = bucketOf(stateOf(world), bucket);
  if (stored === undefined) throw new Error(`Bucket ${bucket} does not exist in a simulated world.`);
  for (const [key, text] of Object.entries(objects)) {
    stored[key] = wholeObject(Buffer.from(text), { metadata: {}, contentType: 'text/plain' });
  }
}

/** Content of every object of a bucket, by key. */
export function s3Objects(world: World, bucket: string): Record<string, Buffer> {
  const stored = bucketOf(stateOf(world), bucket) ?? {};
  return Object.fromEntries(Object.entries(stored).map(([key, object]) => [key, contentOf(object)]));
}

/** Replaces the content of an object behind everybody's back; its ETag and metadata stay. */
export function damageS3Object(
  world: World,
  bucket: string,
  key: string,
  change: (content: Buffer) => Buffer,
): void {
  const stored = bucketOf(stateOf(world), bucket) ?? {};
  const object = stored[key];
  if (object === undefined) throw new Error(`Bucket ${bucket} has no object ${key}.`);
  const content = change(contentOf(object));
  stored[key] = { ...object, parts: [partOf(content)], bytes: content.length };
}

/** Uploads that were begun and neither completed nor aborted. */
export const openS3Uploads = (world: World): number => Object.keys(stateOf(world).uploads).length;

const METADATA = 'x-amz-meta-';
/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
const PAGE = 1_000;

const bytesOf = (call: S3Call): Buffer => (Buffer.isBuffer(call.body) ? call.body : Buffer.alloc(0));
const quoted = (etag: string): string => `"${etag}"`;
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const propertiesOf = ({ headers }: S3Call) => ({
  metadata: Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith(METADATA) && value !== undefined ? [[name.slice(METADATA.length), value]] : [],
    ),
  ),
  contentType: headers['content-type'] ?? 'application/octet-stream',
});

const headersOf = (object: StoredObject): Record<string, string> => ({
  etag: quoted(object.etag),
  'content-type': object.contentType,
  'last-modified': new Date(object.storedAt).toUTCString(),
  ...Object.fromEntries(
    Object.entries(object.metadata).map(([name, value]) => [`${METADATA}${name}`, value]),
  ),
});

interface Place {
  readonly bucket: string;
  readonly objects: Record<string, StoredObject>;
  readonly key: string;
}

/** Runs a handler with the bucket and the key that a call names in its path. */
const at =
  (handle: (call: S3Call, place: Place) => Reply) =>
  (call: S3Call): Reply => {
    const bucket = call.params['bucket'] ?? '';
    const objects = bucketOf(call.state, bucket);
    if (objects === undefined) return refusal(404, 'NoSuchBucket');
    const hash = call.headers['x-amz-content-sha256'] ?? '';
    if (/^[0-9a-f]{64}$/.test(hash) && createHash('sha256').update(bytesOf(call)).digest('hex') !== hash) {
      return refusal(400, 'XAmzContentSHA256Mismatch');
    }
    if (call.headers['content-encoding']?.includes('aws-chunked') === true)
      return refusal(501, 'NotImplemented');
    const key = decodeURIComponent(call.path.slice(bucket.length + 2));
    return handle(call, { bucket, objects, key });
  };

/** The object that a copy takes its bytes from, or why it may not. */
function sourceOf(call: S3Call): StoredObject | Reply {
  const [bucket = '', ...rest] = decodeURIComponent(call.headers['x-amz-copy-source'] ?? '')
    .replace(/^\//, '')
    .split('/');
  const object = bucketOf(call.state, bucket)?.[rest.join('/')];
  if (object === undefined) return refusal(404, 'NoSuchKey');
  const match = call.headers['x-amz-copy-source-if-match'];
  return match === undefined || match === quoted(object.etag) ? object : refusal(412, 'PreconditionFailed');
}

const isObject = (found: StoredObject | Reply): found is StoredObject => 'etag' in found;

const copyResult = (name: string, etag: string): Reply =>
  xmlReply(
    name,
    `<ETag>${escapeXml(quoted(etag))}</ETag><LastModified>${new Date().toISOString()}</LastModified>`,
  );

function uploadOf(call: S3Call, place: Place): { id: string; upload: StoredUpload } | undefined {
  const id = call.query.get('uploadId') ?? '';
  const upload = call.state.uploads[id];
  return upload?.bucket === place.bucket && upload.key === place.key ? { id, upload } : undefined;
}

function list({ query }: S3Call, { bucket, objects }: Place): Reply {
  const prefix = query.get('prefix') ?? '';
  const after = query.get('continuation-token') ?? query.get('start-after') ?? '';
  const most = Math.min(Number(query.get('max-keys') ?? PAGE), PAGE);
  const keys = Object.keys(objects)
    .filter((key) => key.startsWith(prefix) && (after === '' || byBytes(key, after) > 0))
    .sort(byBytes);
  const page = keys.slice(0, most);
  const more = keys.length > page.length;
  const contents = page.map((key) => {
    const object = objects[key];
    return object === undefined
      ? ''
      : `<Contents><Key>${escapeXml(key)}</Key><LastModified>${object.storedAt}</LastModified>` +
          `<ETag>${escapeXml(quoted(object.etag))}</ETag><Size>${object.bytes}</Size></Contents>`;
  });
  const next = more ? `<NextContinuationToken>${escapeXml(page.at(-1) ?? '')}</NextContinuationToken>` : '';
  return xmlReply(
    'ListBucketResult',
    `<Name>${bucket}</Name><Prefix>${escapeXml(prefix)}</Prefix><KeyCount>${page.length}</KeyCount>` +
      `<MaxKeys>${most}</MaxKeys><IsTruncated>${more}</IsTruncated>${next}${contents.join('')}`,
  );
}

function head({ query }: S3Call, { objects, key }: Place): Reply {
  const object = objects[key];
  if (object === undefined) return { status: 404 };
  const number = query.get('partNumber');
  if (number === null) return { headers: { ...headersOf(object), 'content-length': String(object.bytes) } };
  const part = object.parts[Number(number) - 1];
  if (part === undefined) return { status: 416 };
  const headers = {
    'content-length': String(part.bytes),
    'x-amz-mp-parts-count': String(object.parts.length),
  };
  return { status: 206, headers: { ...headersOf(object), ...headers } };
}

function store(call: S3Call, { bucket, objects, key }: Place, object: StoredObject): void {
  objects[key] = object;
  call.effect('object stored', `${bucket}/${key}`);
}

function uploadPart(call: S3Call, place: Place): Reply {
  const found = uploadOf(call, place);
  if (found === undefined) return refusal(404, 'NoSuchUpload');
  const part = partOf(bytesOf(call));
  found.upload.parts[call.query.get('partNumber') ?? ''] = part;
  return { headers: { etag: quoted(part.md5) } };
}

function copyPart(call: S3Call, place: Place): Reply {
  const found = uploadOf(call, place);
  if (found === undefined) return refusal(404, 'NoSuchUpload');
  const source = sourceOf(call);
  if (!isObject(source)) return source;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(call.headers['x-amz-copy-source-range'] ?? '') ?? [];
  const content = contentOf(source);
  const part = partOf(first === undefined ? content : content.subarray(Number(first), Number(last) + 1));
  found.upload.parts[call.query.get('partNumber') ?? ''] = part;
  return copyResult('CopyPartResult', part.md5);
}

function complete(call: S3Call, place: Place): Reply {
  const found = uploadOf(call, place);
  if (found === undefined) return refusal(404, 'NoSuchUpload');
  const xml = bytesOf(call).toString('utf8');
  const etags = elements(xml, 'ETag');
  const parts = elements(xml, 'PartNumber').map((number) => found.upload.parts[number]);
  const known = parts.filter((part, index) => part !== undefined && quoted(part.md5) === etags[index]);
  if (known.length === 0 || known.length < parts.length) return refusal(400, 'InvalidPart');
  const object = objectOfParts(known as Exclude<(typeof known)[number], undefined>[], found.upload);
  store(call, place, object);
  Reflect.deleteProperty(call.state.uploads, found.id);
  return xmlReply('CompleteMultipartUploadResult', `<ETag>${escapeXml(quoted(object.etag))}</ETag>`);
}

const has =
  (...names: readonly string[]) =>
  ({ query }: Pick<S3Call, 'query'>): boolean =>
    names.every((name) => query.has(name));
const isCopy = ({ headers }: Pick<S3Call, 'headers'>): boolean => headers['x-amz-copy-source'] !== undefined;
const page = (name: string): string => `https://docs.aws.amazon.com/AmazonS3/latest/API/API_${name}.html`;
const OBJECT = '/:bucket/*key';

const operations: Record<string, Operation<S3State>> = {
  listObjects: {
    method: 'get',
    path: '/:bucket',
    source: page('ListObjectsV2'),
    takes: has('list-type'),
    handle: at(list),
  },
  deleteObjects: {
    method: 'post',
    path: '/:bucket',
    source: page('DeleteObjects'),
    takes: has('delete'),
    handle: at((call, { bucket, objects }) => {
      for (const key of elements(bytesOf(call).toString('utf8'), 'Key')) {
        if (objects[key] === undefined) continue;
        Reflect.deleteProperty(objects, key);
        call.effect('object deleted', `${bucket}/${key}`);
      }
      return xmlReply('DeleteResult', '');
    }),
  },
  headObject: { method: 'head', path: OBJECT, source: page('HeadObject'), handle: at(head) },
  getObject: {
    method: 'get',
    path: OBJECT,
    source: page('GetObject'),
    handle: at((_call, { objects, key }) => {
      const object = objects[key];
      if (object === undefined) return refusal(404, 'NoSuchKey');
      return {
        body: contentOf(object),
        headers: { ...headersOf(object), 'content-length': String(object.bytes) },
      };
    }),
  },
  copyPart: {
    method: 'put',
    path: OBJECT,
    source: page('UploadPartCopy'),
    takes: (request) => isCopy(request) && has('uploadId', 'partNumber')(request),
    handle: at(copyPart),
  },
  uploadPart: {
    method: 'put',
    path: OBJECT,
    source: page('UploadPart'),
    takes: has('uploadId', 'partNumber'),
    handle: at(uploadPart),
  },
  copyObject: {
    method: 'put',
    path: OBJECT,
    source: page('CopyObject'),
    takes: isCopy,
    handle: at((call, place) => {
      const source = sourceOf(call);
      if (!isObject(source)) return source;
      const object = wholeObject(contentOf(source), source);
      store(call, place, object);
      return copyResult('CopyObjectResult', object.etag);
    }),
  },
  putObject: {
    method: 'put',
    path: OBJECT,
    source: page('PutObject'),
    handle: at((call, place) => {
      const object = wholeObject(bytesOf(call), propertiesOf(call));
      store(call, place, object);
      return { headers: { etag: quoted(object.etag) } };
    }),
  },
  createUpload: {
    method: 'post',
    path: OBJECT,
    source: page('CreateMultipartUpload'),
    takes: has('uploads'),
    handle: at((call, { bucket, key }) => {
      const id = `upload-${(call.state.lastUpload += 1)}`;
      call.state.uploads[id] = { bucket, key, parts: {}, ...propertiesOf(call) };
      return xmlReply('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`);
    }),
  },
  completeUpload: {
    method: 'post',
    path: OBJECT,
    source: page('CompleteMultipartUpload'),
    takes: has('uploadId'),
    handle: at(complete),
  },
  abortUpload: {
    method: 'delete',
    path: OBJECT,
    source: page('AbortMultipartUpload'),
    takes: has('uploadId'),
    handle: at((call, place) => {
      const found = uploadOf(call, place);
      if (found === undefined) return refusal(404, 'NoSuchUpload');
      Reflect.deleteProperty(call.state.uploads, found.id);
      return { status: 204 };
    }),
  },
};

/** An object store that speaks S3: objects, uploads in parts, copies. Every bucket is there. */
export const s3Simulator: Simulator<S3State> = {
  system: SYSTEM,
  binary: true,
  initialState,
  fault: (status) => refusal(status, 'InjectedFault'),
  authenticate: ({ headers }) =>
    headers['authorization']?.includes(`Credential=${S3_SIMULATED_KEY.accessKeyId}/`) === true
      ? undefined
      : refusal(403, 'InvalidAccessKeyId'),
  operations,
};
