export { lock } from '../../../../workflows/engine/lock.js';
export * from './index.js';
