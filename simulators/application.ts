import {
  APPLICATION_VERBS,
  applicationSchemas,
  type ApplicationVerb,
} from '../activities/application/contract.js';
import { operationHandlers } from './application/operations.js';
import { releaseHandlers } from './application/releases.js';
import { secretHandlers } from './application/secrets.js';
import { securityHandlers } from './application/security.js';
import { initialState, Refusal, SYSTEM, type ApplicationState, type Handlers } from './application/state.js';
import type { Call, Operation, Reply, Simulator } from './simulator.js';

export { seedApplication, type ApplicationSeed, type ApplicationState } from './application/state.js';

const SOURCE = 'config/application.yaml, way "http"';

const handlers: Handlers<ApplicationVerb> = {
  ...operationHandlers,
  ...releaseHandlers,
  ...secretHandlers,
  ...securityHandlers,
};

/** What is looked up anew whenever it is asked. `health` and `errorRate` use up what was prepared: once for each key. */
const LOOKS: readonly ApplicationVerb[] = [
  'analyzeAccess',
  'breachCheck',
  'currentRelease',
  'maintenanceState',
  'recentChanges',
  'searchLogs',
  'verifyEncrypted',
];

const refuse = (status: number, message: string): Reply => ({ status, body: { error: { message } } });

/** `POST /verbs/<verb>` takes the verb's input as JSON and answers with its output; it acts once for each key. */
function operation(verb: ApplicationVerb): Operation<ApplicationState> {
  const schema = applicationSchemas[verb].input.strict();
  const handle = handlers[verb] as (input: unknown, call: Call<ApplicationState>) => unknown;
  return {
    method: 'post',
    path: `/verbs/${verb}`,
    source: SOURCE,
    handle(call) {
      const { state, headers, body } = call;
      // The local stack may have kept the state of an earlier version, which knew less.
      Object.assign(state, { ...initialState(), ...state });
      const key = headers['idempotency-key'];
      if (headers['content-type'] !== 'application/json') return refuse(415, 'the body must be JSON');
      if (key === undefined || key === '') return refuse(400, 'the header Idempotency-Key is missing');
      const parsed = schema.safeParse(body);
      if (!parsed.success)
        return refuse(422, parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.code}`).join('; '));
      const request = `${verb} ${JSON.stringify(body)}`;
      const earlier = state.answered[key];
      if (earlier !== undefined) {
        if (earlier.request !== request)
          return refuse(422, 'this Idempotency-Key was used for another request');
        return { body: earlier.body };
      }
      const answer = handle(parsed.data, call);
      if (answer instanceof Refusal) return refuse(answer.status, answer.message);
      if (!LOOKS.includes(verb)) state.answered[key] = { request, body: answer };
      return { body: answer };
    },
  };
}

/** The application for rehearsals: what the way "http" of config/application.yaml talks to. */
export const applicationSimulator: Simulator<ApplicationState> = {
  system: SYSTEM,
  initialState,
  operations: Object.fromEntries(APPLICATION_VERBS.map((verb) => [verb, operation(verb)])),
};
