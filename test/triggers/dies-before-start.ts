// Takes a start as `runbook start` does and is killed before it reaches Temporal: tsx dies-before-start.ts MESSAGE
import { postgresLedger } from '../../activities/ledger/postgres.js';
import { createPool } from '../../database/pool.js';
import { put, type InboxMessage } from '../../triggers/inbox.js';

const pool = createPool(process.env['DATABASE_URL'] ?? '', 'runbook-test-child');
await put(pool, postgresLedger(pool), JSON.parse(process.argv[2] ?? '') as InboxMessage);
process.kill(process.pid, 'SIGKILL');
