import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** PostgreSQL's default, https://www.postgresql.org/docs/15/runtime-config-connection.html#GUC-SCRAM-ITERATIONS */
const ITERATIONS = 4096;

/**
 * The verifier that PostgreSQL stores for a password (RFC 5803). Sent instead of the password, so that the password
 * never stands in a statement that the server may log. Passwords are ASCII: anything else would need SASLprep.
 * @throws Error when the password has characters other than printable ASCII.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  if (!/^[\x20-\x7e]+$/.test(password)) {
    throw new Error(
      'A database password has characters other than printable ASCII. Choose one without them.',
    );
  }
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}
