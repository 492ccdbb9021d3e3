/** Everything that a workflow bundle holds: the runbooks, and the workflow that a lock is. */
export * from './index.js';
export { lock } from './engine/lock.js';
