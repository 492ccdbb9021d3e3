import { z } from 'zod';

/** https://developer.pagerduty.com/docs/send-alert-event, `payload.severity` */
export const severity = z.enum(['critical', 'error', 'warning', 'info']);
export type Severity = z.output<typeof severity>;

/** Answer of the Events API: https://developer.pagerduty.com/docs/send-alert-event */
export const Accepted = z.object({ status: z.literal('success'), dedup_key: z.string().min(1) });

export const incidentStatus = z.enum(['triggered', 'acknowledged', 'resolved']);

/** https://developer.pagerduty.com/api-reference/9d0b4b12e36f9-list-incidents: names in it are not read. */
export const IncidentPage = z.object({
  incidents: z.array(z.object({ id: z.string().min(1), status: incidentStatus })),
});
export type Incident = z.output<typeof IncidentPage>['incidents'][number];

/** https://developer.pagerduty.com/api-reference/3a6b910f11050-list-all-of-the-on-calls: ids only, no names. */
export const OnCallPage = z.object({
  oncalls: z.array(
    z.object({
      user: z.object({ id: z.string().min(1) }),
      escalation_policy: z.object({ id: z.string().min(1) }),
    }),
  ),
  more: z.boolean(),
});
export type OnCall = z.output<typeof OnCallPage>['oncalls'][number];

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Page {
  readonly summary: string;
  readonly severity: Severity;
  readonly dedupKey: string;
  /** What has the problem, for the person who is paged: the run. */
  readonly source: string;
}

/**
 * What runbooks need of PagerDuty. Every method throws ApplicationFailure `VendorUnavailable` (retryable),
 * `VendorRefused`, `UnexpectedAnswer` or `NoCredential` (not retryable).
 */
export interface Pagerduty {
  /** Opens an alert, or adds to the open one with this key. PagerDuty works on it after it has answered. */
  trigger(page: Page, options?: CallOptions): Promise<{ readonly dedupKey: string }>;
  /** An alert that is not open is left as it is. */
  acknowledge(dedupKey: string, options?: CallOptions): Promise<void>;
  /** An alert that is not open is left as it is. */
  resolve(dedupKey: string, options?: CallOptions): Promise<void>;
  /** The newest incident with this key, of all times. */
  incident(dedupKey: string, options?: CallOptions): Promise<Incident | undefined>;
  /** Who is on call now, to the last page. */
  onCalls(schedule: string | undefined, options?: CallOptions): Promise<readonly OnCall[]>;
}
