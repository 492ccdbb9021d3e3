import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** Hex SHA-256 of the RFC 8785 canonical JSON of a value; undefined counts as null. */
export function hashJson(value: unknown): string {
  return createHash('sha256')
    .update(canonicalize(value ?? null) ?? 'null')
    .digest('hex');
}
