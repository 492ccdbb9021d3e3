import { createHash } from 'node:crypto';

/** SHA-256 in hex: what simulators remember of a secret instead of its value. */
export const digest = (value: string): string => createHash('sha256').update(value, 'utf8').digest('hex');
