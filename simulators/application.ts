import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { applicationSchemas, type ApplicationVerb } from '../activities/application/contract.js';
import type { Call, Operation, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** The application that rehearsals act on: plain JSON. */
export interface ApplicationState {
  /** One is consumed by each question; the last one repeats. */
  errorRates: number[];
  /** Requests in the time that is asked for. */
  requests: number;
  /** Checks that fail: one list is consumed by each question; the last one repeats. */
  failingChecks: string[][];
  encryptedFields: number;
  unreadableFields: number;
  /** Log lines that show the use of a key, by its fingerprint; `*` for every other key. */
  logMatches: Record<string, number>;
  /** Which reference the fields are encrypted with, by secret; absent: nobody knows, any key reads them. */
  encryptedWith: Record<string, string>;
  acceptedSecrets: string[];
  deployments: number;
  reports: { id: string; title: string }[];
  /** What was answered to each idempotency key. */
  answered: Record<string, { request: string; body: unknown }>;
}

const SYSTEM = 'application';
const SOURCE = 'config/application.yaml, way "http"';

const initialState = (): ApplicationState => ({
  errorRates: [0],
  requests: 1000,
  failingChecks: [[]],
  encryptedFields: 24,
  unreadableFields: 0,
  logMatches: {},
  encryptedWith: {},
  acceptedSecrets: [],
  deployments: 0,
  reports: [],
  answered: {},
});

/** What a rehearsal can prepare; everything else stays as it is. */
export type ApplicationSeed = Partial<Omit<ApplicationState, 'answered' | 'deployments' | 'reports'>>;

/** Prepares the application of a world. */
export function seedApplication(world: World, seed: ApplicationSeed): void {
  Object.assign(world.state(SYSTEM, initialState), seed);
}

type Handler<V extends ApplicationVerb> = (
  input: z.output<(typeof applicationSchemas)[V]['input']>,
  call: Call<ApplicationState>,
) => unknown;

const handlers: { readonly [V in ApplicationVerb]: Handler<V> } = {
  health: ({ checks }, { state }) => {
    const [failing = [], ...rest] = state.failingChecks;
    if (rest.length > 0) state.failingChecks = rest;
    const failed = checks.filter((check) => failing.includes(check));
    return { passed: failed.length === 0, failed };
  },
  errorRate: (_input, { state }) => {
    const [ratio = 0, ...rest] = state.errorRates;
    if (rest.length > 0) state.errorRates = rest;
    return { ratio, requests: state.requests };
  },
  redeploy: ({ component }, { state, effect }) => {
    state.deployments += 1;
    effect('component deployed', component);
    return { deployment: `${component}-${state.deployments}` };
  },
  reencrypt: ({ secret, from, to }, { state, effect }) => {
    const now = state.encryptedWith[secret];
    if (now === to) return { fields: 0 };
    if (now !== undefined && now !== from) return undefined;
    state.encryptedWith[secret] = to;
    effect('fields re-encrypted', secret);
    return { fields: state.encryptedFields - state.unreadableFields };
  },
  verifyEncrypted: ({ secret, ref }, { state }) => {
    const readable = [undefined, ref].includes(state.encryptedWith[secret]);
    return {
      total: state.encryptedFields,
      unreadable: readable ? state.unreadableFields : state.encryptedFields,
    };
  },
  acceptBoth: ({ secret, current, next }, { state, effect }) => {
    const both = [current, next].sort();
    if (JSON.stringify(both) !== JSON.stringify(state.acceptedSecrets))
      effect('webhook secrets accepted', secret);
    state.acceptedSecrets = both;
    return {};
  },
  searchLogs: ({ fingerprint }, { state }) => {
    const matches = state.logMatches[fingerprint] ?? state.logMatches['*'] ?? 0;
    return { matches, digest: createHash('sha256').update(`${fingerprint} ${matches}`).digest('hex') };
  },
  fileIncidentReport: ({ title }, { state, effect }) => {
    const id = `INC-${state.reports.length + 1}`;
    state.reports.push({ id, title });
    effect('incident report filed', title);
    return { id };
  },
};

const refuse = (status: number, message: string): Reply => ({ status, body: { error: { message } } });

/** What is looked up anew whenever it is asked. `health` and `errorRate` use up what was prepared: once for each key. */
const LOOKS: readonly ApplicationVerb[] = ['verifyEncrypted', 'searchLogs'];

/** `POST /verbs/<verb>` takes the verb's input as JSON and answers with its output; it acts once for each key. */
function operation<V extends ApplicationVerb>(verb: V): Operation<ApplicationState> {
  const schema = applicationSchemas[verb].input.strict();
  return {
    method: 'post',
    path: `/verbs/${verb}`,
    source: SOURCE,
    handle(call) {
      const { state, headers, body } = call;
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
      const answer = handlers[verb](parsed.data as Parameters<Handler<V>>[0], call);
      if (answer === undefined) return refuse(409, 'the fields are encrypted with another key');
      if (!LOOKS.includes(verb)) state.answered[key] = { request, body: answer };
      return { body: answer };
    },
  };
}

/** The application for rehearsals: what the way "http" of config/application.yaml talks to. */
export const applicationSimulator: Simulator<ApplicationState> = {
  system: SYSTEM,
  initialState,
  operations: {
    health: operation('health'),
    errorRate: operation('errorRate'),
    redeploy: operation('redeploy'),
    reencrypt: operation('reencrypt'),
    verifyEncrypted: operation('verifyEncrypted'),
    acceptBoth: operation('acceptBoth'),
    searchLogs: operation('searchLogs'),
    fileIncidentReport: operation('fileIncidentReport'),
  },
};
