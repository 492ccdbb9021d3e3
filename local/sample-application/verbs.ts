import type { Express, Request, Response } from 'express';
import { applicationSchemas, type ApplicationVerb } from '../../activities/application/contract.js';
import { Refused } from './refused.js';
import { parse } from './request.js';
import type { Sample } from './sample.js';
import { save } from './store.js';
import type { Act, Answers } from './verbs/answers.js';
import { operationAnswers } from './verbs/operations.js';
import { releaseAnswers } from './verbs/releases.js';
import { securityAnswers } from './verbs/security.js';

/** Answers that are remembered; a step is repeated within days. */
const REMEMBERED = 1_000;

/** The verbs that this service does itself; the others are programs that work on its data. */
type Served = Exclude<ApplicationVerb, 'reencrypt' | 'verifyEncrypted' | 'acceptBoth' | 'acceptOnly'>;

const answers: Answers<Served> = { ...operationAnswers, ...releaseAnswers, ...securityAnswers };

/** They change nothing: each question is looked up anew. */
const LOOKS: readonly Served[] = [
  'analyzeAccess',
  'breachCheck',
  'currentRelease',
  'errorRate',
  'health',
  'maintenanceState',
  'recentChanges',
  'searchLogs',
];

/** `POST /verbs/<verb>`: the verb's input as JSON, its output as JSON; one change for each Idempotency-Key. */
export function verbRoutes(app: Express, sample: Sample): void {
  // One change after the other: each starts from what the one before has written.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const turn = last.then(act);
    last = turn.catch(() => undefined);
    return turn;
  };

  for (const verb of Object.keys(answers) as Served[]) {
    const answer = answers[verb] as (input: unknown, act: Act) => unknown;
    const schema = applicationSchemas[verb].input.strict();
    const act = async (input: unknown, key: string): Promise<unknown> => {
      if (LOOKS.includes(verb)) return await answer(input, { key, sample, state: sample.state });
      return await inTurn(async () => {
        const earlier = sample.state.answered.find((entry) => entry.key === key);
        if (earlier !== undefined && earlier.verb !== verb)
          throw new Refused(422, `This Idempotency-Key was used for ${earlier.verb}.`);
        if (earlier !== undefined) return earlier.answer;
        const state = structuredClone(sample.state);
        const fresh = await answer(input, { key, sample, state });
        state.answered = [...state.answered, { key, verb, answer: fresh }].slice(-REMEMBERED);
        save(sample.folder, 'state', state);
        sample.state = state;
        return fresh;
      });
    };
    app.post(`/verbs/${verb}`, async (request: Request, response: Response) => {
      const key = request.get('idempotency-key');
      const input = schema.safeParse(parse(request));
      if (!request.is('application/json')) response.status(415).json({ error: 'The body must be JSON.' });
      else if (key === undefined)
        response.status(400).json({ error: 'The header Idempotency-Key is missing.' });
      else if (!input.success) response.status(422).json({ error: `That is not the input of ${verb}.` });
      else {
        try {
          response.json(await act(input.data, key));
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          response.status(error.status).json({ error: error.message });
        }
      }
    });
  }
}
