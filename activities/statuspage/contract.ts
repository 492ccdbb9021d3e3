import { z } from 'zod';

/** Of an incident that was not planned. https://developer.statuspage.io/#operation/postPagesPageIdIncidents */
export const INCIDENT_STATUSES = ['investigating', 'identified', 'monitoring', 'resolved'] as const;
export type IncidentStatus = (typeof INCIDENT_STATUSES)[number];

/** Of a scheduled maintenance, after it was scheduled. Same source. */
export const MAINTENANCE_STATUSES = ['in_progress', 'verifying', 'completed'] as const;
export type MaintenanceStatus = (typeof MAINTENANCE_STATUSES)[number];

export const IMPACTS = ['none', 'minor', 'major', 'critical'] as const;
export type Impact = (typeof IMPACTS)[number];

/** https://developer.statuspage.io/#operation/patchPagesPageIdComponentsComponentId */
export const COMPONENT_STATUSES = [
  'operational',
  'under_maintenance',
  'degraded_performance',
  'partial_outage',
  'major_outage',
] as const;
export type ComponentStatus = (typeof COMPONENT_STATUSES)[number];

/** https://developer.statuspage.io/#operation/getPagesPageIdIncidentsIncidentId */
export const Incident = z.object({
  id: z.string().min(1),
  status: z.string(),
  created_at: z.iso.datetime({ offset: true }),
  /** Whatever systems have attached, one object for each of them. */
  metadata: z.record(z.string(), z.unknown()).nullish(),
  components: z.array(z.object({ id: z.string().min(1) })).nullish(),
});
export type Incident = z.output<typeof Incident>;

export interface NewIncident {
  readonly name: string;
  readonly status: IncidentStatus | 'scheduled';
  readonly body: string;
  readonly impact?: Impact | undefined;
  /** Status of each component that is affected, by id; undefined leaves it as it is. */
  readonly components?: Readonly<Record<string, ComponentStatus | undefined>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Of a maintenance: ISO 8601 with an offset. */
  readonly scheduled?: { readonly from: string; readonly until: string };
}

export interface IncidentUpdate {
  readonly status: IncidentStatus | MaintenanceStatus;
  readonly body: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly components?: Readonly<Record<string, ComponentStatus>>;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The Atlassian Statuspage API, for one page. Subscribers are told of what is created and updated. Every method
 * throws ApplicationFailure `VendorUnavailable` (retryable), `VendorRefused` or `UnexpectedAnswer` (not retryable).
 */
export interface Statuspage {
  create(incident: NewIncident, options?: CallOptions): Promise<Incident>;
  /** Posts one more update: doing it twice posts two. */
  update(incident: string, update: IncidentUpdate, options?: CallOptions): Promise<Incident>;
  incident(incident: string, options?: CallOptions): Promise<Incident>;
  /** Incidents and maintenances, newest first, `INCIDENTS_PER_PAGE` at a time; `page` counts from 1. */
  incidents(page: number, options?: CallOptions): Promise<readonly Incident[]>;
}

/** The most that one answer holds. https://developer.statuspage.io/#operation/getPagesPageIdIncidents */
export const INCIDENTS_PER_PAGE = 100;
