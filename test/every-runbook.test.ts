import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as workflows from '../workflows/index.js';
import { rehearsalHost, testInstallation, type TestInstallation } from './helpers/engine.js';
import { inParallel, netEffects, observe, type Laboratory, type Observed } from './helpers/rehearsals.js';
import type { RehearsalHost } from '../worker/rehearsal/index.js';
import { findRunbook } from '../triggers/catalogue.js';

let installation: TestInstallation; let host: RehearsalHost;
beforeAll(async () => { installation = await testInstallation(); host = await rehearsalHost(installation); });
afterAll(async () => { await host?.close(); await installation?.close(); });
describe.each(Object.values(workflows))('$name', ({ spec }) => {
  test('clean', async () => {
    const lab: Laboratory = { host, client: installation.rehearsal, entry: findRunbook(installation.installation.catalogue, spec.name)!, inventory: installation.installation.configuration.secrets.get() };
    const t0 = Date.now();
    const rs = await inParallel(spec.rehearsals, 8, async (rehearsal) => {
      try { const r = await observe(lab, { rehearsal }); console.log(r.name, r.outcome, r.wallMs, r.visits.length, r.entries.length); return r; }
      catch (e) { console.log(rehearsal.name, 'FAILED', e); return undefined; }
    });
    console.log('all', Date.now() - t0);
    const r = rs[1] as Observed;
    for (const v of r.visits) console.log(v.step, v.undo.join(','), v.requests.map((q) => q.method + ' ' + q.operation).join(' '), v.before === v.after ? '' : 'CHANGED');
    console.log(netEffects(r.world.effects)); console.log(r.before);
  }, 300000);
});
