/** Objects below a prefix. The prefix is empty (the whole bucket) or ends with a slash. */
export interface Location {
  readonly bucket: string;
  readonly prefix: string;
}

export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** Without quotes. `<hash>-<parts>` for an object that was uploaded in parts. */
  readonly etag: string;
}

export interface ObjectHead extends StoredObject {
  /** Names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a long transfer needs to know of its step. */
export interface Transfer {
  readonly signal?: AbortSignal | undefined;
  heartbeat?(detail?: unknown): void;
}

/**
 * An object store that speaks S3. Every method throws ApplicationFailure `VendorUnavailable` (retryable) or
 * `VendorRefused` (not retryable).
 */
export interface S3 {
  /** Every object of a location, in the order of the store, page after page. */
  list(location: Location, transfer?: Transfer): AsyncIterable<StoredObject>;
  /** The object, if it is there. */
  head(object: ObjectName, transfer?: Transfer): Promise<ObjectHead | undefined>;
  /**
   * Copies inside the store, part by part as the source was uploaded, so that the copy has the ETag of its source.
   * @throws ApplicationFailure `NotComparable` (not retryable) when the store gives the copy another ETag.
   */
  copy(from: ObjectName, to: ObjectName, transfer?: Transfer): Promise<void>;
  /** Deletes up to 1,000 objects. One that is not there is fine. */
  remove(bucket: string, keys: readonly string[], transfer?: Transfer): Promise<void>;
  /** Uploads a file, in parts when it is large. Metadata names are in lower case. */
  putFile(
    object: ObjectName,
    path: string,
    metadata: Readonly<Record<string, string>>,
    transfer?: Transfer,
  ): Promise<void>;
  /** Downloads into a file, which is replaced. @returns false when there is no such object. */
  getFile(object: ObjectName, path: string, transfer?: Transfer): Promise<boolean>;
  /** A small text object. */
  putText(object: ObjectName, text: string, transfer?: Transfer): Promise<void>;
  /** undefined when there is no such object. */
  getText(object: ObjectName, transfer?: Transfer): Promise<string | undefined>;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html: keys in one request. */
export const MOST_DELETED = 1_000;
