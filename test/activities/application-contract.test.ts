import { describe, expect, test } from 'vitest';
import { byHand } from '../../activities/application/by-hand.js';
import { APPLICATION_VERBS, applicationSchemas, REF_FIELDS } from '../../activities/application/contract.js';
import { applicationOver, createApplication } from '../../activities/application/index.js';
import { applicationSteps } from '../../activities/application/steps.js';
import { applicationVerbs } from '../../activities/application/verbs.js';
import type { Systems } from '../../activities/index.js';
import { memoryVault } from '../../activities/vault/memory.js';
import type { VerbInfo } from '../../activities/verb-info.js';
import { applicationSchema } from '../../config/application.js';
import { applicationSimulator } from '../../simulators/application.js';
import { failureOf, runVerb, stepContext, useSimulators } from '../helpers/vendor.js';
import { DAY, inputs } from './application-inputs.js';

const vendors = useSimulators(applicationSimulator);
const vault = memoryVault();
const steps = () =>
  applicationSteps({
    application: applicationOver({ baseUrl: vendors.url('application'), vault }),
  } as Systems);

describe('every verb', () => {
  test.each([...APPLICATION_VERBS])(
    '%s tells a person what to do with this input, and what to report',
    (verb) => {
      const instruction = byHand(verb, inputs[verb]);
      for (const value of Object.values(inputs[verb]).flat()) {
        if (typeof value === 'string' && !['database-audit', 'affected'].includes(value))
          expect(instruction).toContain(value);
      }
      const output = applicationSchemas[verb].output;
      for (const field of 'shape' in output ? Object.keys(output.shape) : [])
        expect(instruction).toContain(`"${field}"`);
    },
  );

  test('that nobody has configured fails with that instruction', async () => {
    const config = applicationSchema({}).parse({ verbs: {} });
    const unconfigured = createApplication({ config: () => config, vault, folder: '.' });
    const failure = await failureOf(unconfigured.disableMaintenance({}, stepContext()));
    expect(failure).toMatchObject({ type: 'NotConfigured', nonRetryable: true });
    expect(failure.details).toEqual([{ instruction: byHand('disableMaintenance', {}) }]);
  });

  test('hands over only what its input holds as a reference', () => {
    const withRefs = Object.entries(REF_FIELDS).filter(([, fields]) => fields.length > 0);
    expect(Object.fromEntries(withRefs)).toEqual({
      reencrypt: ['from', 'to'],
      verifyEncrypted: ['ref'],
      acceptBoth: ['current', 'next'],
      acceptOnly: ['ref'],
    });
  });

  test.each([
    'acceptOnly',
    'enableMaintenance',
    'disableMaintenance',
    'stopTraffic',
    'resumeTraffic',
    'freezeWrites',
    'unfreezeWrites',
    'isolate',
    'liftIsolation',
    'rollBackMigrations',
    'rollBackDeployment',
  ] as const)('%s is not skipped without a second person', (verb) => {
    const info: VerbInfo = applicationVerbs[verb];
    expect(info.critical).toBe(true);
  });

  test.each([
    ['breachCheck', { since: DAY.until, until: DAY.since }],
    ['collectEvidence', { kind: 'logs', since: DAY.until, until: DAY.since }],
    ['analyzeAccess', { since: DAY.since, until: DAY.since }],
  ] as const)('%s does not search a time that ends before it starts', async (verb, input) => {
    const failure = await failureOf(runVerb(steps()[verb], input as never, stepContext()));
    expect(failure.message).toContain('is not after \\"since\\"');
    expect(vendors.world.requests).toEqual([]);
  });

  test.each(['deployEnvironment', 'removeEnvironment'] as const)(
    '%s leaves production alone',
    async (verb) => {
      const failure = await failureOf(runVerb(steps()[verb], { environment: 'production' }, stepContext()));
      expect(failure.message).toContain('is production');
      expect(vendors.world.requests).toEqual([]);
    },
  );
});
