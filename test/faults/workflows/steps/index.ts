import { z } from 'zod';
import type { VerbInput } from '../../../../activities/step.js';
import type { Steps } from '../../../../activities/index.js';
import { runbook } from '../../../../workflows/engine/runbook.js';

/** An attempt of a killed worker is given up after this; nobody wants to wait a minute for it in a test. */
const GIVEN_UP_AFTER = { within: '5 seconds', giveUpAfter: '5 minutes' } as const;

const KEY = { secret: 'openai/api-key', project: 'proj_example' } as const;
const REPORT = { title: 'Worker killed', summary: 'A test report' } as const;
const ENDPOINT: VerbInput<Steps['stripe']['createWebhookEndpoint']> = {
  secret: 'stripe/webhook-secret',
  url: 'https://app.example.com/webhooks/killed',
  events: ['invoice.paid'],
};

const OneStep = z.object({
  step: z.enum([
    'openai.createKey',
    'stripe.createWebhookEndpoint',
    'stripe.testPayment',
    'application.redeploy',
    'application.fileIncidentReport',
    'slack.post',
  ]),
});
type StepName = z.output<typeof OneStep>['step'];

/** One step that a worker may be killed in. */
export const oneStep = runbook(
  {
    name: 'oneStep',
    title: 'One step',
    summary: 'For the fault tests.',
    covers: [],
    input: OneStep,
    start: 'operators',
    plan: ({ step }) => [{ heading: 'The step', uses: [step] }],
    rehearsals: [],
  },
  async ({ step }, run): Promise<unknown> => {
    const { openai, stripe, application, slack } = run.stepsWithin(GIVEN_UP_AFTER);
    const calls: Readonly<Record<StepName, () => Promise<unknown>>> = {
      'openai.createKey': () => openai.createKey(KEY),
      'stripe.createWebhookEndpoint': () => stripe.createWebhookEndpoint(ENDPOINT),
      'stripe.testPayment': () => stripe.testPayment({ ref: 'secret://stripe/staging-test-key@v1' }),
      'application.redeploy': () => application.redeploy({ component: 'api' }),
      'application.fileIncidentReport': () => application.fileIncidentReport(REPORT),
      'slack.post': () => slack.post({ channel: 'incidents', text: 'The step was taken.' }),
    };
    return await calls[step]();
  },
);

/** A step, a wait, and a step that has an effect. */
export const waitThenAct = runbook(
  {
    name: 'waitThenAct',
    title: 'Wait, then act',
    summary: 'For the fault tests.',
    covers: [],
    input: z.object({ seconds: z.number().min(1).max(3_600) }),
    start: 'operators',
    plan: () => [
      { heading: 'Look', uses: ['application.health'] },
      { heading: 'Wait', uses: ['pause'] },
      { heading: 'Act', uses: ['openai.createKey', 'application.fileIncidentReport'] },
    ],
    rehearsals: [],
  },
  async ({ seconds }, run) => {
    const { application, openai } = run.steps;
    await application.health({ checks: ['api'] });
    await run.wait('pause', seconds * 1000, 'the test looks');
    const { ref } = await openai.createKey(KEY);
    const { id } = await application.fileIncidentReport(REPORT);
    return { ref, id };
  },
);
