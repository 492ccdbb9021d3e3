#!/usr/bin/env node
// `npx runbook`: installs what is missing, then runs the TypeScript source; there is no build step.
await import('../../local/pre.mjs');
const { register } = await import('tsx/esm/api');
register();
await import('./main.ts');
