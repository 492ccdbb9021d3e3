import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answered, netEffects, ofKind, type Observed } from '../helpers/rehearsals.js';
import {
  activitiesOf,
  begunAt,
  forward,
  named,
  rotationLab,
  undoneOf,
  type RotationLab,
} from './secret-rotation-lab.js';

const HOUR_MS = 3_600_000;

let lab: RotationLab;
const rehearse = (...script: Parameters<RotationLab['rehearse']>): Promise<Observed> =>
  lab.rehearse(...script);

beforeAll(async () => {
  lab = await rotationLab();
}, 120_000);

afterAll(async () => {
  await lab?.close();
}, 60_000);

const gate = (observed: Observed, id: string) => ({
  openedAt: Date.parse(ofKind(observed, 'gate.opened').find((entry) => entry.gate === id)?.virtual ?? ''),
  closedAt: Date.parse(ofKind(observed, 'gate.closed').find((entry) => entry.gate === id)?.virtual ?? ''),
});

describe('a scheduled rotation', () => {
  test('revokes the old key no earlier than 24 hours after the approval, and looks every 30 minutes until then', async () => {
    const observed = await rehearse(named('OpenAI key, scheduled'));
    const { closedAt } = gate(observed, 'revoke-old-key');
    expect(begunAt(observed, 'openai.deleteKey') - closedAt).toBeGreaterThanOrEqual(24 * HOUR_MS);
    expect(activitiesOf(observed).filter((activity) => activity === 'application.errorRate')).toHaveLength(
      47,
    );
    expect(observed.virtualMs).toBeGreaterThanOrEqual(24 * HOUR_MS);
  });

  test('has the new key in every place, deployed and checked, before it asks anybody', async () => {
    const observed = await rehearse(named('OpenAI key, scheduled'));
    const { openedAt } = gate(observed, 'revoke-old-key');
    for (const activity of [
      ...['openai.createKey', 'netlify.setVariable', 'supabase.setSecret', 'vault.promote'],
      ...['netlify.deploy', 'application.redeploy', 'openai.verifyKey'],
    ]) {
      expect(begunAt(observed, activity)).toBeLessThanOrEqual(openedAt);
    }
  });

  test('tests a payment in staging before it asks to revoke a Stripe key', async () => {
    const observed = await rehearse(named('Stripe key'));
    expect(begunAt(observed, 'stripe.testPayment')).toBeLessThanOrEqual(
      gate(observed, 'revoke-old-key').openedAt,
    );
    const revoked = ofKind(observed, 'question.asked').find(({ target }) => target === 'revoke-by-hand');
    expect(
      Date.parse(revoked?.virtual ?? '') - gate(observed, 'revoke-old-key').closedAt,
    ).toBeGreaterThanOrEqual(24 * HOUR_MS);
  });

  test('revokes nothing before the approval: a decline leaves no place with the new key, and the old one works', async () => {
    const observed = await rehearse(named('Supabase service role key, revocation declined'));
    expect(observed.outcome).toBe('rejected');
    expect(activitiesOf(observed)).not.toContain('supabase.deleteKey');
    expect(activitiesOf(observed)).not.toContain('vault.revoke');
    expect(observed.after).toBe(observed.before);
  });

  test('puts the old key back when nobody decides', async () => {
    const observed = await rehearse(named('Nobody decides on the revocation'));
    expect(observed.outcome).toBe('rejected');
    expect(activitiesOf(observed)).not.toContain('resend.deleteKey');
    expect(observed.after).toBe(observed.before);
  });

  test('puts the old key back in every place when errors rise during the overlap, and deploys again', async () => {
    const observed = await rehearse(named('Errors rise and the old key is put back'));
    expect(observed.outcome).toBe('rejected');
    expect(observed.after).toBe(observed.before);
    expect(undoneOf(observed)).toEqual([
      ...[
        'netlify.setVariable',
        'supabase.setSecret',
        'vault.promote',
        'netlify.deploy',
        'application.redeploy',
      ],
      'openai.discardKey',
    ]);
    expect(netEffects(observed.world.effects)['netlify: production build started: example-site']).toBe(2);
  });

  test('asks once about errors that people accepted, and goes on', async () => {
    const rising = {
      ...named('Errors rise for another reason'),
      world: { errorRates: [0.001, 0.03, 0.03, 0.02, 0.002] },
    };
    const observed = await rehearse(rising);
    expect(observed.outcome).toBe('completed');
    expect(
      ofKind(observed, 'gate.opened').filter(({ gate: id }) => id.startsWith('go-on-despite-errors')),
    ).toHaveLength(1);
  });

  test('asks again when the errors rise above what people accepted', async () => {
    const worse = answered(
      {
        ...named('Errors rise for another reason'),
        world: { errorRates: [0.001, 0.03, 0.08] },
        ends: 'rejected',
      },
      {
        'go-on-despite-errors': [
          { by: 'Grace', verdict: 'approve' },
          { by: 'Grace', verdict: 'decline', reason: 'Too many now' },
        ],
      },
    );
    const observed = await rehearse(worse);
    expect(observed.outcome).toBe('rejected');
    expect(observed.after).toBe(observed.before);
  });

  test('takes webhooks that Stripe could not deliver for errors', async () => {
    const observed = await rehearse(named('Webhooks fail with the new signing secret'));
    expect(observed.outcome).toBe('rejected');
    expect(activitiesOf(observed)).toContain('stripe.failedDeliveries');
    expect(observed.after).toBe(observed.before);
  });

  test('lets the application accept both webhook secrets before the new one is deployed', async () => {
    const observed = await rehearse(named('Stripe webhook signing secret'));
    const order = activitiesOf(observed);
    expect(order.indexOf('application.acceptBoth')).toBeGreaterThan(
      order.indexOf('stripe.createWebhookEndpoint'),
    );
    expect(order.indexOf('application.acceptBoth')).toBeLessThan(order.indexOf('netlify.setVariable'));
    expect(order.indexOf('netlify.setVariable')).toBeLessThan(order.indexOf('stripe.deleteWebhookEndpoint'));
  });

  test('hands a key that the provider goes on accepting to a person', async () => {
    const observed = await rehearse(named('Provider goes on accepting the old key'));
    expect(
      ofKind(observed, 'wait.started').filter(({ wait }) => wait.startsWith('revocation-spreads')),
    ).toHaveLength(5);
    expect(ofKind(observed, 'question.asked')).toMatchObject([
      { target: 'end-old-key', question: 'manual step' },
    ]);
    expect(observed.outcome).toBe('completed');
  });

  test('asks again when a person says a key was made by hand and none was handed in', async () => {
    const script = named('Gemini key by hand');
    const forgetful = answered(script, {
      'create-by-hand': [
        { by: 'Ada', choice: 'done', evidence: 'Created' },
        { by: 'Ada', choice: 'done', evidence: 'Created', handsIn: 'google/ai-api-key' },
      ],
    });
    const observed = await rehearse(forgetful);
    const asked = ofKind(observed, 'question.asked').map(({ target }) => target);
    expect(asked).toEqual(['create-by-hand', 'create-by-hand#2', 'revoke-by-hand']);
    expect(observed.outcome).toBe('completed');
  });
});

describe('the encryption key', () => {
  test('is backed up before anything is re-encrypted, and every field is read before anybody is asked', async () => {
    const observed = await rehearse(named('Database encryption key'));
    const order = activitiesOf(observed);
    const steps = [
      'vault.backup',
      'vault.generate',
      'application.reencrypt',
      'application.verifyEncrypted',
      'vault.promote',
    ];
    const positions = steps.map((activity) => order.indexOf(activity));
    expect(positions).not.toContain(-1);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(begunAt(observed, 'application.verifyEncrypted')).toBeLessThanOrEqual(
      gate(observed, 'revoke-old-key').openedAt,
    );
  });

  test('that can not read every field is given up, and the fields are encrypted with the old one again', async () => {
    const observed = await rehearse(named('Fields that the new key can not read'));
    expect(observed.outcome).toBe('failed');
    expect(activitiesOf(observed)).not.toContain('vault.promote');
    expect(undoneOf(observed)).toEqual(['application.reencrypt', 'application.acceptOnly']);
    expect(observed.after).toBe(observed.before);
  });

  test('that leaked is retired only after everything is re-encrypted', async () => {
    const order = activitiesOf(await rehearse(named('Keyring token, leaked')));
    expect(order.indexOf('vault.revoke')).toBeGreaterThan(order.indexOf('application.verifyEncrypted'));
    expect(order.indexOf('application.reencrypt')).toBeGreaterThan(order.indexOf('vault.backup'));
  });
});

describe('in an emergency', () => {
  test('the old key dies before anything else happens, and no gate delays it', async () => {
    const observed = await rehearse(named('OpenAI key, leaked'));
    const changes = forward(observed).filter(({ before, after }) => before !== after);
    expect(changes[0]?.activity).toBe('openai.deleteKey');
    expect(begunAt(observed, 'openai.deleteKey')).toBeLessThanOrEqual(begunAt(observed, 'openai.createKey'));
    expect(gate(observed, 'review').openedAt).toBeGreaterThanOrEqual(
      begunAt(observed, 'application.fileIncidentReport'),
    );
    expect(ofKind(observed, 'gate.opened')).toHaveLength(1);
  });

  test('a key that only a person can revoke is asked for at once', async () => {
    const observed = await rehearse(named('Stripe key, leaked'));
    expect(ofKind(observed, 'question.asked').map(({ target }) => target)).toEqual([
      'revoke-by-hand',
      'create-by-hand',
    ]);
  });

  test('the logs are searched before the incident report is filed', async () => {
    const order = activitiesOf(await rehearse(named('OpenAI key, leaked')));
    const report = order.indexOf('application.fileIncidentReport');
    for (const search of ['application.searchLogs', 'openai.searchAuditLogs']) {
      expect(order.indexOf(search)).toBeGreaterThan(order.indexOf('application.redeploy'));
      expect(order.indexOf(search)).toBeLessThan(report);
    }
  });

  test('a review that finds fault undoes nothing', async () => {
    const observed = await rehearse(named('Supabase service role key, leaked'));
    expect(observed.outcome).toBe('completed');
    expect(ofKind(observed, 'gate.closed')).toMatchObject([{ outcome: 'declined' }]);
    expect(ofKind(observed, 'undo.started')).toEqual([]);
  });
});
