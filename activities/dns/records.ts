import { isIPv4, isIPv6 } from 'node:net';
import type { RecordSet, RecordType } from './contract.js';

/** One label of a host name: RFC 1035 2.3.1 with the underscore that service names use; at most 63 characters. */
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
/** RFC 1035 2.3.4, without the dot at the end. */
const LONGEST_NAME = 253;

/** A name as the providers are asked: lower case, without the dot at the end. */
export function hostName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Whether `hostName` of this is a fully qualified name; `*` may stand for its first label. */
export function isHostName(name: string): boolean {
  const host = hostName(name);
  const labels = host.split('.');
  return (
    host.length <= LONGEST_NAME &&
    labels.length > 1 &&
    labels.every((label, place) => LABEL.test(label) || (place === 0 && label === '*'))
  );
}

/** Whether a record of this type can hold the value. */
export function isValue(type: RecordType, value: string): boolean {
  switch (type) {
    case 'A':
      return isIPv4(value);
    case 'AAAA':
      return isIPv6(value) && !value.includes('%');
    case 'CNAME':
      return isHostName(value) && !value.startsWith('*');
    default:
      return type satisfies never;
  }
}

/** Another spelling of the same value is the same value: `2001:DB8:0::1`, `Example.com.`. */
export function canonicalValue(type: RecordType, value: string): string {
  if (type === 'CNAME') return hostName(value);
  // The URL parser writes an address in the one form that RFC 5952 recommends.
  if (type === 'AAAA' && isIPv6(value)) return new URL(`http://[${value}]`).hostname.slice(1, -1);
  return value;
}

/** Canonical, sorted, each once. */
export function canonicalValues(type: RecordType, values: readonly string[]): string[] {
  return [...new Set(values.map((value) => canonicalValue(type, value)))].sort();
}

/** Whether two record sets, as `canonicalValues` writes them, are the same. */
export function isSame(a: RecordSet, b: RecordSet): boolean {
  return a.ttl === b.ttl && sameValues(a.values, b.values);
}

/** Whether two lists, as `canonicalValues` writes them, are the same. */
export function sameValues(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, place) => value === b[place]);
}
