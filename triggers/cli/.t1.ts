const t=performance.now(); const lap=(s:string)=>console.log(Math.round(performance.now()-t),s);
await import('commander'); lap('commander');
await import('/work/main/workflows/index.js'); lap('workflows');
await import('/work/main/triggers/catalogue.js'); lap('catalogue');
await import('/work/main/database/pool.js'); lap('pg');
await import('/work/main/activities/ledger/postgres.js'); lap('ledger');
await import('@temporalio/client'); lap('client');
await import('/work/main/worker/connection.js'); lap('connection (worker)');
await import('/work/main/worker/rehearsal/index.js'); lap('rehearsal');
