export { incidentResponse } from './incident-response.js';
export { maintenanceWindow } from './maintenance-window.js';
export { secretRotation } from './secret-rotation.js';
