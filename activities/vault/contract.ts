/** One stored version of a secret, without its value. */
export interface SecretVersion {
  /** `secret://openai/api-key@v7`: what workflows, histories and people see instead of the value. */
  readonly ref: string;
  readonly name: string;
  readonly version: number;
  /** HMAC-SHA-256 of the value under the vault's fingerprint key, 16 hex digits: comparable, not guessable. */
  readonly fingerprint: string;
  /** The vendor's id of the key, where the vendor gives one. */
  readonly vendorId: string | null;
  readonly state: 'pending' | 'current' | 'previous' | 'revoked';
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

/** Where secret values live. Values enter and leave only inside one activity; everybody else handles references. */
export interface Vault {
  /**
   * Stores a value as a new pending version. The same key again returns the version that is already stored
   * (a value that differs is refused: the key belongs to one value).
   */
  put(name: string, value: string, options: { key: string; vendorId?: string }): Promise<SecretVersion>;
  /** The version stored under an idempotency key. */
  findByKey(name: string, key: string): Promise<SecretVersion | undefined>;
  /** The value. @throws ApplicationFailure `SecretNotFound` (not retryable). */
  reveal(ref: string): Promise<string>;
  /** @throws ApplicationFailure `SecretNotFound` (not retryable). */
  describe(ref: string): Promise<SecretVersion>;
  current(name: string): Promise<SecretVersion | undefined>;
  /** All versions, oldest first. */
  list(name: string): Promise<readonly SecretVersion[]>;
  /** Makes a version current; the former current one becomes previous. Repeating it changes nothing. */
  promote(ref: string): Promise<void>;
  /** Marks a version as revoked at its vendor. The value stays readable for the record's sake until `erase`. */
  markRevoked(ref: string): Promise<void>;
  /** A second, separately encrypted copy that survives a rotation gone wrong. Idempotent by key. */
  backup(ref: string, options: { key: string }): Promise<{ backupRef: string; fingerprint: string }>;
}
