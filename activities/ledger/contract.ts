import type { LedgerEntry } from './entry.js';

/**
 * An entry to append. The same key with the same entry is one entry, however often it is appended. A repetition may
 * differ in `at` (the wall time of the attempt): the entry that came first stays as it is.
 */
export interface NewEntry {
  readonly eventKey: string;
  readonly entry: LedgerEntry;
}

export interface StoredEntry {
  /** Grows with time but is no sequence number: an id may become visible after a higher one. */
  readonly id: number;
  readonly eventKey: string;
  readonly entry: LedgerEntry;
  /** The exact stored bytes, of which `entry` is the parsed form. */
  readonly leaf: Uint8Array;
  /** SHA-256(0x00 || leaf), 64 hex digits. */
  readonly leafHash: string;
  /** ISO 8601, UTC: the database's clock. */
  readonly appendedAt: string;
}

export interface OfRun {
  readonly org: string;
  readonly run: string;
}

/** The record. Appending, reading and disclosing is all that can be done with it. */
export interface Ledger {
  /**
   * Appends entries, all or none, in this order. Resolves when they are durable.
   * @throws ApplicationFailure, never retryable: `LedgerUnavailable` (nothing was stored, or it is not known whether;
   * append the same entries under the same keys again), `EventKeyReused` (a key already belongs to another entry),
   * `LedgerEntryInvalid` (an entry does not fit its schema).
   */
  append(entries: readonly NewEntry[]): Promise<void>;
  /**
   * Entries of one run, oldest first.
   * @param query.limit how many at most, default 1,000.
   * @throws ApplicationFailure `LedgerUnavailable`; `LedgerEntryUnreadable` when a stored leaf is no entry.
   */
  read(query: OfRun & { readonly afterId?: number; readonly limit?: number }): Promise<StoredEntry[]>;
  /**
   * Keeps content outside of the record, erasable, and returns the commitment that an entry may hold.
   * @param disclosure.subject the person whom the content is about.
   * @throws ApplicationFailure `LedgerUnavailable`; `DisclosureTooLong` above 1 MiB.
   */
  disclose(disclosure: Disclosure): Promise<{ commitment: string }>;
  /** The content of a commitment, or undefined when it was erased. */
  disclosed(org: string, commitment: string): Promise<Uint8Array | undefined>;
  /**
   * The entries of a run that are there and then each new one, until the signal fires (the iteration then ends without
   * an error). While the database cannot be reached it waits.
   */
  follow(of: OfRun, signal: AbortSignal): AsyncIterable<StoredEntry>;
}

export interface Disclosure {
  readonly org: string;
  readonly content: Uint8Array | string;
  readonly subject?: string | undefined;
}
