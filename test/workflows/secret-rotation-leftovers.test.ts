import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { start } from '../../triggers/start.js';
import { status as statusQuery } from '../../workflows/engine/messages.js';
import { liveWorker } from '../helpers/engine.js';
import { eventually } from '../helpers/eventually.js';
import { answered, ofKind, type Observed } from '../helpers/rehearsals.js';
import {
  acceptedOf,
  activitiesOf,
  named,
  rotationLab,
  undoneOf,
  type RotationLab,
} from './secret-rotation-lab.js';

let lab: RotationLab;

beforeAll(async () => {
  lab = await rotationLab();
}, 120_000);

afterAll(async () => {
  await lab?.close();
}, 60_000);

const WEBHOOK = 'stripe/webhook-secret';
const OLD = `secret://${WEBHOOK}@v1`;
const NEW = `secret://${WEBHOOK}@v2`;
const askedOf = (observed: Observed): string[] =>
  ofKind(observed, 'question.asked').map(({ target }) => target);

describe('what the application accepts', () => {
  test('a leaked webhook secret is refused once the run is over', async () => {
    const observed = await lab.rehearse(named('Stripe webhook signing secret, leaked'));
    expect(observed.outcome).toBe('completed');
    expect(acceptedOf(observed, WEBHOOK)).toEqual([NEW]);
  });

  test('a leaked webhook secret is refused before anything is deployed, and never accepted again', async () => {
    const order = activitiesOf(await lab.rehearse(named('Stripe webhook signing secret, leaked')));
    expect(order).not.toContain('application.acceptBoth');
    expect(order.indexOf('application.acceptOnly')).toBe(order.indexOf('stripe.createWebhookEndpoint') + 1);
    expect(order.indexOf('application.acceptOnly')).toBeLessThan(order.indexOf('netlify.setVariable'));
  });

  test('a retired webhook secret is refused from its revocation on', async () => {
    const observed = await lab.rehearse(named('Stripe webhook signing secret'));
    const order = activitiesOf(observed);
    expect(acceptedOf(observed, WEBHOOK)).toEqual([NEW]);
    expect(order.indexOf('application.acceptOnly')).toBe(order.indexOf('vault.revoke') + 1);
  });

  test.each([
    ['Database encryption key', 'database/encryption-key'],
    ['Keyring token, leaked', 'keyring/token'],
  ])('a generated key is refused once nothing is encrypted with it: %s', async (name, secret) => {
    const observed = await lab.rehearse(named(name));
    const order = activitiesOf(observed);
    expect(acceptedOf(observed, secret)).toEqual([`secret://${secret}@v2`]);
    expect(order.indexOf('application.acceptOnly')).toBeGreaterThan(
      order.indexOf('application.verifyEncrypted'),
    );
  });

  test('after an abort only the old secret is accepted, once it is back everywhere', async () => {
    const observed = await lab.rehearse(named('Webhooks fail with the new signing secret'));
    expect(observed.outcome).toBe('rejected');
    expect(acceptedOf(observed, WEBHOOK)).toEqual([OLD]);
    expect(undoneOf(observed).at(-1)).toBe('application.acceptOnly');
    expect(undoneOf(observed)).toContain('netlify.deploy');
  });

  test('after fields could not be read only the old key is accepted', async () => {
    const observed = await lab.rehearse(named('Fields that the new key can not read'));
    expect(acceptedOf(observed, 'keyring/token')).toEqual(['secret://keyring/token@v1']);
  });
});

describe('a key that a person made', () => {
  test('does not survive a rotation that is stopped: a person deletes it at the vendor', async () => {
    const observed = await lab.rehearse(named('Stripe key, revocation declined'));
    expect(observed.outcome).toBe('rejected');
    expect(askedOf(observed)).toEqual(['create-by-hand', 'delete-by-hand']);
    expect(observed.after).toBe(observed.before);
    // Otherwise the next rotation would find it, and take it for the one that it asked for.
    expect(undoneOf(observed).at(-1)).toBe('vault.revoke');
  });

  test('is deleted as well when it was handed in, and used nowhere yet', async () => {
    const script = named('Gemini key by hand');
    const observed = await lab.rehearse(
      answered(script, { 'vault.newest#1': { by: 'Ada', choice: 'abort', reason: 'It does not work' } }),
      {
        anyEnd: true,
        strike: (step) =>
          step === 'vault.newest#1'
            ? { point: 'before', forGood: true, status: 400, operations: [] }
            : undefined,
      },
    );
    expect(observed.struck.has('vault.newest#1')).toBe(true);
    expect(observed.outcome).toBe('aborted');
    expect(askedOf(observed)).toEqual(['create-by-hand', 'vault.newest#1', 'delete-by-hand']);
    expect(observed.after).toBe(observed.before);
  });

  test('that nobody made is deleted by nobody', async () => {
    const script = named('Stripe key');
    const observed = await lab.rehearse(
      answered(script, { 'create-by-hand': { by: 'Ada', choice: 'abort', reason: 'No access' } }),
      { anyEnd: true },
    );
    expect(observed.outcome).toBe('aborted');
    expect(askedOf(observed)).toEqual(['create-by-hand']);
    expect(undoneOf(observed)).toEqual(['vault.newest']);
  });

  test('is not forgotten: the deletion can be skipped by two people, and not be given up', async () => {
    const observed = await lab.rehearse(named('Stripe key, revocation declined'));
    const question = ofKind(observed, 'question.asked').find(({ target }) => target === 'delete-by-hand');
    expect(question?.choices).toEqual(['done', 'skip']);
  });
});

test('two runs never rotate one secret at once: the second is refused, with the name of the first', async () => {
  const { installation } = lab;
  const worker = await liveWorker(installation);
  try {
    const begin = async (): Promise<string> => {
      const { pool, ledger, configuration, directory, catalogue } = installation.installation;
      const { acceptedAssurances, org } = installation.environment;
      const result = await start(
        {
          ...{ pool, ledger, configuration, directory, catalogue, acceptedAssurances, org },
          ...{ client: installation.live, mode: 'live', taskQueue: installation.taskQueue },
        },
        {
          runbook: 'secretRotation',
          input: { secret: 'google/ai-api-key', reason: 'Quarterly rotation' },
          person: (await directory.personByName('Ada')) ?? null,
          assurance: 'claimed',
          channel: 'cli',
        },
      );
      if (!result.started) throw new Error(result.sentence);
      return result.run;
    };
    const first = await begin();
    const handle = installation.live.workflow.getHandle(first);
    await eventually(
      () => handle.query(statusQuery),
      ({ locks }) => locks.some(({ state }) => state === 'held'),
      'the first run to hold the lock of its secret',
    );
    await expect(
      begin().then((second) => installation.live.workflow.getHandle(second).result()),
    ).rejects.toMatchObject({
      cause: { type: 'NotAdmitted', message: expect.stringContaining(first) as string },
    });
    await handle.cancel();
    await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
  } finally {
    await worker.stop();
  }
});
