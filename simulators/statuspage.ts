import { z } from 'zod';
import type { Call, Reply, Simulator } from './simulator.js';
import type { World } from './world.js';

/** The API key that every world accepts. */
export const STATUSPAGE_SIM_KEY = 'statuspage-sim-key-00000000';
/** The id of the one page of every world. */
export const STATUSPAGE_SIM_PAGE = 'simpage00000';

const SYSTEM = 'statuspage';
const SOURCE = 'https://developer.statuspage.io/#operation';

const REALTIME = ['investigating', 'identified', 'monitoring', 'resolved'] as const;
const SCHEDULED = ['scheduled', 'in_progress', 'verifying', 'completed'] as const;
const COMPONENT_STATUSES = [
  'operational',
  'under_maintenance',
  'degraded_performance',
  'partial_outage',
  'major_outage',
] as const;

interface StoredIncident {
  readonly id: string;
  readonly name: string;
  status: string;
  readonly impact: string;
  readonly created_at: string;
  readonly scheduled_for: string | null;
  readonly scheduled_until: string | null;
  metadata: Record<string, unknown>;
  componentIds: string[];
  /** Oldest first. */
  readonly updates: { readonly status: string; readonly body: string }[];
}

export interface StatuspageState {
  /** Status by id. */
  readonly components: Record<string, string>;
  /** Oldest first. */
  readonly incidents: StoredIncident[];
  lastId: number;
}

type StatuspageCall = Call<StatuspageState>;

const initialState = (): StatuspageState => ({ components: {}, incidents: [], lastId: 0 });
const stateOf = (world: World): StatuspageState => world.state(SYSTEM, initialState);

/** Adds components, all of them operational, and incidents of earlier days, oldest first. */
export function seedStatuspage(
  world: World,
  seed: {
    readonly components?: readonly string[];
    readonly incidents?: readonly { readonly name: string; readonly createdAt: Date }[];
  },
): void {
  const state = stateOf(world);
  for (const id of seed.components ?? []) state.components[id] = 'operational';
  for (const { name, createdAt } of seed.incidents ?? []) {
    state.incidents.push({
      id: nextId(state),
      name,
      status: 'resolved',
      impact: 'none',
      created_at: createdAt.toISOString(),
      scheduled_for: null,
      scheduled_until: null,
      metadata: {},
      componentIds: [],
      updates: [{ status: 'resolved', body: 'Over.' }],
    });
  }
}

/** What the public reads of an incident: its status, and the updates from the first on. */
export function statuspageIncident(
  world: World,
  id: string,
): Pick<StoredIncident, 'name' | 'status' | 'impact' | 'updates'> | undefined {
  return stateOf(world).incidents.find((incident) => incident.id === id);
}

/** Status of a component; undefined when the page has none with this id. */
export function statuspageComponent(world: World, id: string): string | undefined {
  return stateOf(world).components[id];
}

const Moment = z.iso.datetime({ offset: true });
const Components = z.record(z.string(), z.enum(COMPONENT_STATUSES));
const Metadata = z.record(z.string(), z.record(z.string(), z.unknown()));
const Created = z.strictObject({
  name: z.string().min(1),
  status: z.enum([...REALTIME, 'scheduled']),
  body: z.string().max(25_000).optional(),
  impact_override: z.enum(['none', 'maintenance', 'minor', 'major', 'critical']).optional(),
  component_ids: z.array(z.string()).default([]),
  components: Components.default({}),
  metadata: Metadata.default({}),
  deliver_notifications: z.boolean().default(true),
  scheduled_for: Moment.optional(),
  scheduled_until: Moment.optional(),
  scheduled_auto_in_progress: z.boolean().optional(),
  scheduled_auto_completed: z.boolean().optional(),
});
const Updated = z.strictObject({
  status: z.enum([...REALTIME, ...SCHEDULED]),
  body: z.string().max(25_000).optional(),
  components: Components.default({}),
  metadata: Metadata.optional(),
  deliver_notifications: z.boolean().default(true),
});

/** Errors of Statuspage are lists of sentences. */
const invalid = (...error: string[]): Reply => ({ status: 422, body: { error } });
const notFound: Reply = { status: 404, body: { error: 'Not Found' } };
const nextId = (state: StatuspageState): string => (state.lastId += 1).toString(36).padStart(12, '0');

const incidentOf = (body: unknown): unknown =>
  z.object({ incident: z.unknown() }).safeParse(body).data?.incident;
const sentences = (error: z.ZodError): string[] =>
  error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);

const shown = (incident: StoredIncident, { components }: StatuspageState) => ({
  id: incident.id,
  page_id: STATUSPAGE_SIM_PAGE,
  name: incident.name,
  status: incident.status,
  impact: incident.impact,
  created_at: incident.created_at,
  scheduled_for: incident.scheduled_for,
  scheduled_until: incident.scheduled_until,
  metadata: incident.metadata,
  components: incident.componentIds.map((id) => ({ id, name: id, status: components[id] })),
  incident_updates: incident.updates.toReversed(),
  shortlink: `https://stspg.io/${incident.id}`,
});

/** Sets components to what an incident says of them. */
function applyComponents(call: StatuspageCall, to: Readonly<Record<string, string>>): void {
  for (const [id, status] of Object.entries(to)) {
    if (call.state.components[id] === status) continue;
    call.state.components[id] = status;
    call.effect('component status changed', `${id}: ${status}`);
  }
}

const unknownComponents = (state: StatuspageState, ids: readonly string[]): string[] =>
  ids.filter((id) => !(id in state.components));

/** Runs a handler with the incident of the path. */
const withIncident =
  (handle: (call: StatuspageCall, incident: StoredIncident) => Reply) =>
  (call: StatuspageCall): Reply => {
    const incident = call.state.incidents.find(({ id }) => id === call.params['incident']);
    return incident === undefined ? notFound : handle(call, incident);
  };

/** Atlassian Statuspage: one page with its components and incidents. */
export const statuspageSimulator: Simulator<StatuspageState> = {
  system: SYSTEM,
  initialState,

  authenticate: ({ headers, params }) => {
    if (headers['authorization'] !== `OAuth ${STATUSPAGE_SIM_KEY}`) {
      return { status: 401, body: { error: 'Could not authenticate' } };
    }
    return params['page'] === STATUSPAGE_SIM_PAGE ? undefined : notFound;
  },

  operations: {
    createIncident: {
      method: 'post',
      path: '/pages/:page/incidents',
      source: `${SOURCE}/postPagesPageIdIncidents`,
      handle: (call) => {
        const { success, data, error } = Created.safeParse(incidentOf(call.body));
        if (!success) return invalid(...sentences(error));
        const componentIds = [...new Set([...data.component_ids, ...Object.keys(data.components)])];
        if (unknownComponents(call.state, componentIds).length > 0) return invalid('Component not found');
        const isScheduled = data.status === 'scheduled';
        if (isScheduled !== (data.scheduled_for !== undefined && data.scheduled_until !== undefined)) {
          return invalid('Scheduled incidents have scheduled_for and scheduled_until, others have not');
        }
        const incident: StoredIncident = {
          id: nextId(call.state),
          name: data.name,
          status: data.status,
          impact: data.impact_override ?? (isScheduled ? 'maintenance' : 'none'),
          created_at: new Date().toISOString(),
          scheduled_for: data.scheduled_for ?? null,
          scheduled_until: data.scheduled_until ?? null,
          metadata: data.metadata,
          componentIds,
          updates: [{ status: data.status, body: data.body ?? '' }],
        };
        call.state.incidents.push(incident);
        call.effect(isScheduled ? 'maintenance announced' : 'incident published', data.name);
        applyComponents(call, data.components);
        return { status: 201, body: shown(incident, call.state) };
      },
    },

    updateIncident: {
      method: 'patch',
      path: '/pages/:page/incidents/:incident',
      source: `${SOURCE}/patchPagesPageIdIncidentsIncidentId`,
      handle: withIncident((call, incident) => {
        const { success, data, error } = Updated.safeParse(incidentOf(call.body));
        if (!success) return invalid(...sentences(error));
        const fitting: readonly string[] = incident.scheduled_for === null ? REALTIME : SCHEDULED;
        if (!fitting.includes(data.status)) return invalid(`Status must be one of ${fitting.join(', ')}`);
        if (unknownComponents(call.state, Object.keys(data.components)).length > 0) {
          return invalid('Component not found');
        }
        incident.status = data.status;
        incident.metadata = data.metadata ?? incident.metadata;
        incident.componentIds = [...new Set([...incident.componentIds, ...Object.keys(data.components)])];
        incident.updates.push({ status: data.status, body: data.body ?? '' });
        call.effect('incident updated', `${incident.name}: ${data.status}`);
        applyComponents(call, data.components);
        return { body: shown(incident, call.state) };
      }),
    },

    getIncident: {
      method: 'get',
      path: '/pages/:page/incidents/:incident',
      source: `${SOURCE}/getPagesPageIdIncidentsIncidentId`,
      handle: withIncident(({ state }, incident) => ({ body: shown(incident, state) })),
    },

    listIncidents: {
      method: 'get',
      path: '/pages/:page/incidents',
      source: `${SOURCE}/getPagesPageIdIncidents`,
      handle: ({ state, query }) => {
        const page = Number(query.get('page') ?? 1);
        const limit = Math.min(Number(query.get('limit') ?? 100), 100);
        const newestFirst = state.incidents.toReversed().slice((page - 1) * limit, page * limit);
        return { body: newestFirst.map((incident) => shown(incident, state)) };
      },
    },
  },
};
