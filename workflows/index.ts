export { maintenanceWindow } from './maintenance-window.js';
export { secretRotation } from './secret-rotation.js';
