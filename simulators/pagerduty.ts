import { z } from 'zod';
import type { Call, Operation, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** Integration key of the simulated service. */
export const PAGERDUTY_SIM_ROUTING_KEY = 'simrouting0key0000000000000000ab';
/** REST API key of every simulated account. */
export const PAGERDUTY_SIM_TOKEN = 'sim-pagerduty-api-token';

const SYSTEM = 'pagerduty';

export interface PagerdutyAlert {
  readonly dedupKey: string;
  readonly incident: string;
  readonly severity: string;
  readonly summary: string;
  readonly source: string;
  status: 'triggered' | 'acknowledged' | 'resolved';
}

export interface PagerdutyOnCall {
  readonly schedule: string;
  readonly user: string;
  readonly escalationPolicy: string;
}

/** The account at PagerDuty: plain JSON. */
export interface PagerdutyState {
  /** Oldest first. A key that was resolved opens another alert. */
  alerts: PagerdutyAlert[];
  onCalls: PagerdutyOnCall[];
  /** Look-ups in which the newest incident is not there yet: events are worked on after they were answered. */
  hiddenFor: number;
}

/** Who is on call in a new world. */
export const PAGERDUTY_SIM_SCHEDULE = 'PSIMSCHED';

const initialState = (): PagerdutyState => ({
  alerts: [],
  onCalls: [{ schedule: PAGERDUTY_SIM_SCHEDULE, user: 'PSIMUSER1', escalationPolicy: 'PSIMPOLICY' }],
  hiddenFor: 0,
});
const stateOf = (world: World): PagerdutyState => world.state(SYSTEM, initialState);

/** Every alert, oldest first. */
export const pagerdutyAlerts = (world: World): readonly PagerdutyAlert[] => stateOf(world).alerts;

/** Prepares who is on call now; an empty list: nobody. */
export function seedPagerduty(
  world: World,
  seed: Partial<Pick<PagerdutyState, 'onCalls' | 'hiddenFor'>>,
): void {
  Object.assign(stateOf(world), seed);
}

/** A person acknowledges a page in PagerDuty's app. Without a key: the newest alert that nobody has acknowledged. */
export function acknowledgePage(world: World, dedupKey?: string): void {
  const alert = stateOf(world).alerts.findLast(
    ({ dedupKey: key, status }) => status === 'triggered' && (dedupKey === undefined || key === dedupKey),
  );
  if (alert === undefined) throw new Error(`In ${world.name} no such alert waits for a person.`);
  alert.status = 'acknowledged';
  world.effects.push({ system: SYSTEM, what: 'alert acknowledged', subject: alert.severity });
}

type PagerdutyCall = Call<PagerdutyState>;

/** https://developer.pagerduty.com/docs/send-alert-event */
const Event = z.discriminatedUnion('event_action', [
  z.object({
    event_action: z.literal('trigger'),
    routing_key: z.string(),
    dedup_key: z.string().min(1).max(255).optional(),
    payload: z.object({
      summary: z.string().min(1).max(1024),
      source: z.string().min(1),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
    }),
  }),
  z.object({
    event_action: z.enum(['acknowledge', 'resolve']),
    routing_key: z.string(),
    dedup_key: z.string().min(1).max(255),
  }),
]);

const invalidEvent = (...errors: readonly string[]): Reply => ({
  status: 400,
  body: { status: 'invalid event', message: 'Event object is invalid', errors },
});

function enqueue(call: PagerdutyCall): Reply {
  const parsed = Event.safeParse(call.body);
  if (!parsed.success) return invalidEvent(z.prettifyError(parsed.error));
  const event = parsed.data;
  if (event.routing_key !== PAGERDUTY_SIM_ROUTING_KEY) return invalidEvent("'routing_key' is not valid");
  const { alerts } = call.state;
  const key = event.dedup_key ?? `generated-${alerts.length + 1}`;
  const open = alerts.findLast(({ dedupKey, status }) => dedupKey === key && status !== 'resolved');
  if (event.event_action === 'trigger') {
    if (open === undefined) {
      const incident = `QSIM${String(alerts.length + 1).padStart(6, '0')}`;
      alerts.push({ dedupKey: key, incident, status: 'triggered', ...event.payload });
      call.effect('alert triggered', event.payload.severity);
    }
  } else {
    const status = event.event_action === 'resolve' ? 'resolved' : 'acknowledged';
    if (open !== undefined && open.status !== status) {
      open.status = status;
      call.effect(`alert ${status}`, open.severity);
    }
  }
  return { status: 202, body: { status: 'success', message: 'Event processed', dedup_key: key } };
}

/** https://developer.pagerduty.com/docs/errors */
const restError = (status: number, code: number, message: string): Reply => ({
  status,
  body: { error: { code, message, errors: [] } },
});

/** An operation of the REST API: https://developer.pagerduty.com/docs/authentication */
const rest = (operation: Operation<PagerdutyState>): Operation<PagerdutyState> => ({
  ...operation,
  handle(call) {
    if (call.headers['authorization'] !== `Token token=${PAGERDUTY_SIM_TOKEN}`) {
      return restError(401, 2006, 'You must authenticate to access this resource');
    }
    if (call.headers['accept']?.startsWith('application/vnd.pagerduty+json') !== true) {
      return restError(406, 2010, 'The Accept header names no version of the API');
    }
    return operation.handle(call);
  },
});

function page<T>(
  { query }: PagerdutyCall,
  all: readonly T[],
): { items: readonly T[]; paging: object } | Reply {
  const limit = Number(query.get('limit') ?? 25);
  const offset = Number(query.get('offset') ?? 0);
  if (!(limit >= 1 && limit <= 100) || !(offset >= 0 && offset + limit <= 10_000)) {
    return restError(400, 2001, 'Invalid Input Provided');
  }
  const items = all.slice(offset, offset + limit);
  return { items, paging: { limit, offset, total: null, more: offset + items.length < all.length } };
}

function listIncidents(call: PagerdutyCall): Reply {
  const { state, query } = call;
  const key = query.get('incident_key');
  const found = state.alerts.filter(({ dedupKey }) => key === null || dedupKey === key);
  if (query.get('sort_by') === 'created_at:desc') found.reverse();
  const hidden = state.hiddenFor > 0 ? 1 : 0;
  state.hiddenFor -= hidden;
  const shown = page(call, found.slice(hidden));
  if (!('items' in shown)) return shown;
  const incidents = shown.items.map(({ incident, status, summary, dedupKey }) => ({
    id: incident,
    type: 'incident',
    title: summary,
    status,
    incident_key: dedupKey,
    assignments: [{ assignee: { id: 'PSIMUSER1', summary: 'Ada Example' } }],
  }));
  return { body: { incidents, ...shown.paging } };
}

function listOnCalls(call: PagerdutyCall): Reply {
  const schedules = call.query.getAll('schedule_ids[]');
  const all = call.state.onCalls.filter(
    ({ schedule }) => schedules.length === 0 || schedules.includes(schedule),
  );
  const shown = page(call, all);
  if (!('items' in shown)) return shown;
  const oncalls = shown.items.map(({ schedule, user, escalationPolicy }) => ({
    user: { id: user, type: 'user_reference', summary: 'Ada Example' },
    schedule: { id: schedule, type: 'schedule_reference', summary: schedule },
    escalation_policy: { id: escalationPolicy, type: 'escalation_policy_reference' },
    escalation_level: 1,
    start: null,
    end: null,
  }));
  return { body: { oncalls, ...shown.paging } };
}

const REFERENCE = 'https://developer.pagerduty.com/api-reference';

/** PagerDuty: the Events API v2 and the REST API over the same alerts. */
export const pagerdutySimulator: Simulator<PagerdutyState> = {
  system: SYSTEM,
  initialState,
  operations: {
    enqueue: {
      method: 'post',
      path: '/v2/enqueue',
      source: 'https://developer.pagerduty.com/docs/send-alert-event',
      handle: enqueue,
    },
    listIncidents: rest({
      method: 'get',
      path: '/incidents',
      source: `${REFERENCE}/9d0b4b12e36f9-list-incidents`,
      handle: listIncidents,
    }),
    listOnCalls: rest({
      method: 'get',
      path: '/oncalls',
      source: `${REFERENCE}/3a6b910f11050-list-all-of-the-on-calls`,
      handle: listOnCalls,
    }),
  },
};
