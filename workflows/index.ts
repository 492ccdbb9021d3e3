export { secretRotation } from './secret-rotation.js';
