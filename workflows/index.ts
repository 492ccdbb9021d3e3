export { backupAndVerify } from './backup-and-verify.js';
export { dataBreachResponse } from './data-breach-response.js';
export { dataRecovery } from './data-recovery.js';
export { incidentResponse } from './incident-response.js';
export { maintenanceWindow } from './maintenance-window.js';
export { secretRotation } from './secret-rotation.js';
export { securityIncident } from './security-incident.js';
