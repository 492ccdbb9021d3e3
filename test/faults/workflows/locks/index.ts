export { lockTrial } from '../../../workflows/fixtures/parts.js';
